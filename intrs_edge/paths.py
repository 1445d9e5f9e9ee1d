"""Where the shipped folders are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

from intrs_edge.errors import IntrsError

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """The path of a shipped folder such as ``templates``, ``models`` or ``recipes``; IntrsError when it is missing."""
    for candidate in (_PACKAGE / "_data" / folder, _PACKAGE.parent / folder):
        if candidate.is_dir():
            return candidate
    raise IntrsError(f"the folder {folder!r} is missing from this installation of intrs-edge; reinstall the package")
