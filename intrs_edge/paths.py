# SPDX-License-Identifier: Apache-2.0
"""Where the shipped folders and the licence are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

from intrs_edge.errors import IntrsError

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The path of a shipped folder such as ``templates``, ``models`` or ``recipes``, or of the file ``LICENSE``;
    IntrsError when it is missing.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.exists():
            return candidate
    raise IntrsError(f"{name!r} is missing from this installation of intrs-edge; reinstall the package")
