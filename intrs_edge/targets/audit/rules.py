# SPDX-License-Identifier: Apache-2.0
"""What an audit says: rules, each with what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

ALLOCATORS = {
    "malloc",
    "calloc",
    "realloc",
    "free",
    "aligned_alloc",
    "posix_memalign",
    "alloca",
    "_sbrk",
    "sbrk",
    "_malloc_r",
}
MEMORY_FUNCTIONS = frozenset({"memcpy", "memset", "memmove", "memcmp"})


@dataclass(frozen=True)
class Rule:
    """One thing that was checked; ``detail`` says what was found."""

    name: str
    holds: bool
    detail: str


@dataclass
class AuditReport:
    """Rules in the order checked, section sizes, and the stack bound in bytes (bare metal only, else -1)."""

    image: str
    board: str
    rules: list[Rule] = field(default_factory=list)
    sections: dict[str, int] = field(default_factory=dict)
    stack_bytes: int = -1
    stack_path: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every rule holds."""
        return all(rule.holds for rule in self.rules)

    def add(self, name: str, faults: list[str], good: str) -> None:
        """A rule that holds where there are no faults; good: what is said then."""
        shown = ", ".join(faults[:8]) + (f" and {len(faults) - 8} more" if len(faults) > 8 else "")
        self.rules.append(Rule(name, not faults, shown or good))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"holds": self.holds}

    def as_text(self) -> str:
        """For a terminal."""
        lines = [f"{self.image} ({self.board})"]
        lines += [f"  {'ok  ' if r.holds else 'FAIL'} {r.name}: {r.detail}" for r in self.rules]
        lines += [f"  section {name:<12} {size:>9}" for name, size in self.sections.items()]
        if self.stack_bytes >= 0:
            lines.append(f"  deepest stack: {' > '.join(self.stack_path)}")
        return "\n".join(lines)
