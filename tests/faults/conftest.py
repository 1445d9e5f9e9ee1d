"""The helpers of this folder, and the small project of tests/targets, are importable by name."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "targets")]
