"""Everything that runs a generated project, behind one interface: see docs/targets.md."""

from intrs_edge.targets.base import Target, TargetInfo
from intrs_edge.targets.open import SPECS, open_target
from intrs_edge.targets.transport import LinkLostError

__all__ = ["SPECS", "LinkLostError", "Target", "TargetInfo", "open_target"]
