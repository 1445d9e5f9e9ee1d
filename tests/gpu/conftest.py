"""The random graphs of tests/graph and the small project of tests/targets are importable by name."""

import sys
from pathlib import Path

for folder in ("graph", "targets"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / folder))
