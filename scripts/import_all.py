"""Imports every module of the package: one that fails for anything but an optional package that is absent is named.

Exit code 1 when there is one.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "intrs_edge"
# what extras bring (pyproject.toml)
OPTIONAL = {"torch", "onnxscript", "onnx2tf", "tensorflow", "tflite_runtime", "onnxruntime", "matplotlib", "plotly",
            "ai_edge_litert", "pandas"}  # fmt: skip


def module_names(package: Path = PACKAGE) -> list[str]:
    """Every module by name, but those that run when they are imported."""
    paths = [path.relative_to(package.parent).with_suffix("") for path in sorted(package.rglob("*.py"))]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]


def failures(names: list[str]) -> tuple[list[str], int]:
    """What failed, a line each; how many were passed over for want of an optional package."""
    failed, absent = [], 0
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] in OPTIONAL:
                absent += 1
            else:
                failed.append(f"{name}: {error}")
        except Exception as error:
            failed.append(f"{name}: {type(error).__name__}: {error}")
    return failed, absent


def main() -> int:
    """Says how many were imported and names those that were not."""
    sys.path.insert(0, str(PACKAGE.parent))
    names = module_names()
    failed, absent = failures(names)
    for line in failed:
        print(f"import_all: {line}", file=sys.stderr)
    version = ".".join(map(str, sys.version_info[:2]))
    done = len(names) - absent - len(failed)
    print(f"import_all: Python {version}: {done} of {len(names)} modules, {absent} need extras")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
