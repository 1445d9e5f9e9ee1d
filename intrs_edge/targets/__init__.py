# SPDX-License-Identifier: Apache-2.0
"""Everything that runs a generated project, behind one interface: see docs/targets.md."""

from typing import TYPE_CHECKING

from intrs_edge.lazy import lazy

if TYPE_CHECKING:
    from intrs_edge.targets.base import Target, TargetInfo
    from intrs_edge.targets.connection import LinkLostError
    from intrs_edge.targets.open import SPECS, open_target

__all__ = ["SPECS", "LinkLostError", "Target", "TargetInfo", "open_target"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("Target", "TargetInfo"), "intrs_edge.targets.base"),
        **dict.fromkeys(("SPECS", "open_target"), "intrs_edge.targets.open"),
        "LinkLostError": "intrs_edge.targets.connection",
    },
)
