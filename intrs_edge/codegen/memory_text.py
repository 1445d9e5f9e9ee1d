# SPDX-License-Identifier: Apache-2.0
"""The memory plan for people: a table, a chart of lifetimes in text, and the same as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from intrs_edge.codegen.memory import Block, Plan

_COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#bbbbbb")


DRAWN = 200  # calls; lifetimes over more of them are given in numbers


def label(block: Block) -> str:
    """The tensors that share a block, by index, or whose scratch it is."""
    if block.scratch >= 0:
        return f"scratch {block.scratch}"
    return "t" + " = t".join(str(t) for t in block.tensors)


def by_address(plan: Plan) -> list[Block]:
    """Blocks by offset, then by birth."""
    return sorted(plan.blocks, key=lambda b: (b.offset, b.first, b.scratch))


def verdict(plan: Plan) -> str:
    """How good the plan is, in one line."""
    gap = plan.bytes - plan.lower_bound
    bound = "which is the lower bound" if gap == 0 else f"{gap} above the lower bound {plan.lower_bound}"
    return f"arena {plan.bytes} bytes, {bound}; order: {plan.order_method}; offsets: {plan.offset_method}"


def table(plan: Plan, steps: Sequence[str]) -> list[str]:
    """One line a block, with its lifetime drawn over the schedule; ``steps``: a name for every call in the order of
    execution.
    """
    blocks = by_address(plan)
    width = max((len(label(b)) for b in blocks), default=0)
    width = min(max(width, 6), 40)
    lines = [f"{'offset':>8} {'bytes':>8}  {'tensor':<{width}}  calls 0..{len(steps) - 1}"]
    for b in blocks:
        life = "." * b.first + "#" * (b.last - b.first + 1) + "." * (len(steps) - 1 - b.last)
        if len(steps) > DRAWN:
            life = f"{b.first}..{b.last}"
        lines.append(f"{b.offset:>8} {b.bytes:>8}  {label(b)[:width]:<{width}}  {life}")
    return lines


def svg(plan: Plan, steps: Sequence[str]) -> str:
    """A picture: calls to the right, addresses upwards, one rectangle a block."""
    column, height, left, top = 28, 320, 70, 24
    total = max(plan.bytes, 1)
    width = left + column * max(len(steps), 1) + 10
    scale = height / total
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + top + 60}" '
        'font-family="sans-serif" '
        'font-size="10">',
        f'<text x="{left}" y="14">arena {plan.bytes} bytes, lower bound {plan.lower_bound}</text>',
    ]
    for number, b in enumerate(by_address(plan)):
        x, w = left + column * b.first, column * (b.last - b.first + 1)
        h = b.bytes * scale
        y = top + height - b.offset * scale - h
        colour = "#dddddd" if b.scratch >= 0 else _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<rect x="{x}" y="{y:.1f}" width="{w}" height="{h:.1f}" fill="{colour}" stroke="#ffffff">'
            f"<title>{label(b)}: {b.bytes} bytes at {b.offset}</title></rect>"
        )
        if h >= 11:
            parts.append(f'<text x="{x + 3}" y="{y + h / 2 + 4:.1f}">{label(b)[: max(w // 6, 1)]}</text>')
    for i, step in enumerate(steps):
        x = left + column * i + column // 2
        parts.append(
            f'<text x="{x}" y="{top + height + 12}" transform="rotate(40 {x} {top + height + 12})">{step}</text>'
        )
    parts.append(f'<text x="4" y="{top + 10}">{plan.bytes}</text><text x="4" y="{top + height}">0</text>')
    return "\n".join([*parts, "</svg>", ""])
