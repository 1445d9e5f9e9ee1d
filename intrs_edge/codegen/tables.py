# SPDX-License-Identifier: Apache-2.0
"""The certificate's tables as C: one Smoothing configuration -> ``common/intrs_tables.c`` and
``include/intrs_tables_config.h``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.cwrite import crc_text
from intrs_edge.codegen.front import FORMAT
from intrs_edge.codegen.render import render
from intrs_edge.errors import IntrsError, several
from intrs_edge.smoothing import SequentialPlan, Smoothing, radius_text
from intrs_edge.smoothing.gates import GatePlan
from intrs_edge.smoothing.results import Mode
from intrs_edge.smoothing.twosided import TwoSidedTable

NOT_SOUND = "NOT SOUND: the published quantile, for comparison only"


def render_tables(smoothing: Smoothing) -> dict[str, str]:
    """The generated files of a configuration: path inside the project -> text. Deterministic.

    Raises IntrsError when no count of ``n`` samples certifies anything.
    """
    noise, radius = smoothing.distribution, smoothing.radius
    check_certifies(smoothing)
    two_sided = isinstance(radius, TwoSidedTable)
    leads = _lead_values(smoothing)
    counts: list[int] = []
    gates = smoothing.target_plan if isinstance(smoothing.target_plan, GatePlan) else None
    looks = {mode.name.lower(): _looks(smoothing.plans.get(mode), counts) for mode in Mode if mode.setting}
    if len(counts) > 0xFFFF:
        raise IntrsError(
            f"the sequential plans need {len(counts)} table entries, more than 65535: ask for a coarser precision"
        )
    values = {
        "format": FORMAT,
        "summary": summary(smoothing),
        "claim": proof_of(smoothing),
        "tv": f"{float(smoothing.total_variation):.3e}, {charged(smoothing)}",
        "table_hash": smoothing.table_hash,
        "rng": smoothing.rng,
        "rng_code": smoothing.generator.code,
        "noise_last": noise.last,
        "guide_bits": noise.guide_bits,
        "radius_first": radius.first,
        "radius_values": radius.values,
        "two_sided": two_sided,
        "bound": radius,
        "lead_values": leads,
        "leads": _rows(leads),
        "predict_values": smoothing.predict.totals,
        "looks": looks,
        "gates": gates,
        "plan_counts": counts or [0],
        "hi": _rows(noise.hi),
        "lo": _rows(noise.lo),
        "guide": _rows(noise.guide),
        "radius": _rows(radius.values, suffix="" if two_sided else "u"),
        "predict": _rows(smoothing.predict.totals),
        "plan": _rows(counts or [0]),
        "blocks": _blocks(smoothing, counts or [0]),
    }
    return {
        "common/intrs_tables.c": render("intrs_tables.c.j2", **values),
        "include/intrs_tables_config.h": render("intrs_tables_config.h.j2", **values),
    }


def check_certifies(smoothing: Smoothing) -> None:
    """Raises IntrsError when no count of ``n`` samples certifies anything."""
    if not smoothing.radius.values:
        raise IntrsError(
            f"{several(smoothing.n, 'sample')} certify nothing at alpha {float(smoothing.alpha):g} and "
            f"sigma {float(smoothing.sigma):g}, even if all agree: take more samples"
        )


def summary(smoothing: Smoothing) -> str:
    """One line: noise, sigma, samples, alpha, generator."""
    return (
        f"{smoothing.noise} noise, sigma {float(smoothing.sigma):g} ({float(smoothing.sigma_steps):g} steps), "
        f"n0 {smoothing.n0}, n {smoothing.n}, alpha {float(smoothing.alpha):g}, {smoothing.certificate}, "
        f"{smoothing.rng}"
    )


def proof_of(smoothing: Smoothing) -> str:
    """What proves the fixed mode's radius, or that nothing does."""
    if not smoothing.sound:
        return NOT_SOUND
    theorems = "theorems 5 and 6" if smoothing.certificate == "two-sided" else "theorem 1"
    return f"{smoothing.certificate}, sound: docs/certificate.md, {theorems}"


def _lead_values(smoothing: Smoothing) -> tuple[int, ...]:
    """The totals that a leader's claim needs; none where the class is selected, or the certificate one-sided."""
    radius = smoothing.radius
    return radius.leads.totals if isinstance(radius, TwoSidedTable) and radius.leads is not None else ()


def charged(smoothing: Smoothing) -> str:
    """Whether the sampler's error D is taken off every radius."""
    return "charged" if smoothing.sound else "NOT charged"


def claim(smoothing: Smoothing) -> dict[str, str]:
    """What the generated tables claim, for the manifest and the report: noise, D and whether it is charged, the
    largest radius, soundness.
    """
    return {
        "noise": summary(smoothing),
        "total_variation": f"{float(smoothing.total_variation):.3e}",
        "total_variation_is": charged(smoothing),
        "largest_radius": radius_text(smoothing.radius.lookup(smoothing.n)),
        "claim": "sound" if smoothing.sound else NOT_SOUND,
    }


def table_bytes(smoothing: Smoothing) -> dict[str, int]:
    """Flash of the tables in bytes, by name, the jump polynomials included."""
    plans = smoothing.plans.values()
    gates = sum(12 * len(p.looks) + 16 * len(p.gates) for p in plans if isinstance(p, GatePlan))
    listed = [p for p in plans if isinstance(p, SequentialPlan)]
    looks = sum(len(p.looks) for p in listed)
    counts = sum(len(k.accept) for p in listed for k in p.looks)
    return {
        "noise": smoothing.distribution.flash_bytes,
        "radius": 4 * (len(smoothing.radius.values) + len(_lead_values(smoothing))),
        "predict": 4 * len(smoothing.predict.totals),
        "sequential": gates + 20 * looks + 4 * counts,
        "jump": 1024,
    }


def _blocks(smoothing: Smoothing, counts: list[int]) -> list[tuple[str, str]]:
    """Every table by its name in C with the CRC-32 of its bytes."""
    noise = smoothing.distribution
    jump = [p >> (32 * k) & 0xFFFFFFFF for p in smoothing.generator.jump_polynomials() for k in range(4)]
    blocks: dict[str, npt.NDArray[Any]] = {
        "intrs_noise_hi": noise.hi,
        "intrs_noise_lo": noise.lo,
        "intrs_noise_guide": noise.guide.astype(f"uint{noise.guide_bits}"),
        **_radius_blocks(smoothing),
        "intrs_predict_values": np.array(smoothing.predict.totals, np.uint32),
        "intrs_plan_counts": np.array(counts, np.uint32),
        "intrs_jump_table": np.array(jump, np.uint32),
    }
    if isinstance(smoothing.target_plan, GatePlan):
        bars = [bar for gate in smoothing.target_plan.gates for bar in (gate.mine, gate.theirs)]
        blocks["intrs_gates"] = np.array([(b.p, b.spread, b.shift) for b in bars], _BAR)
        turns = [(k.samples, k.up, k.down) for k in smoothing.target_plan.looks]
        blocks["intrs_turns"] = np.array(turns, _TURN)
    place = 0
    for mode, plan in smoothing.plans.items():
        looks = []
        for look in plan.looks if isinstance(plan, SequentialPlan) else ():
            looks += [(look.samples, look.reject, look.ceiling, look.squared, place, len(look.accept))]
            place += len(look.accept)
        if looks:
            blocks[f"intrs_{mode.name.lower()}_plan"] = np.array(looks, _LOOK)
    return [(name, crc_text(data)) for name, data in blocks.items()]


def _radius_blocks(smoothing: Smoothing) -> dict[str, npt.NDArray[Any]]:
    values, leads = smoothing.radius.values, _lead_values(smoothing)
    if not isinstance(smoothing.radius, TwoSidedTable):
        return {"intrs_radius_values": np.array(values, np.uint32)}
    blocks: dict[str, npt.NDArray[Any]] = {"intrs_bound_values": np.array(values, np.int32)}
    return blocks | ({"intrs_lead_values": np.array(leads, np.uint32)} if leads else {})


_LOOK = np.dtype(
    [(n, "<u4") for n in ("samples", "reject", "ceiling", "squared")] + [("first", "<u2"), ("levels", "<u2")]
)


_BAR = np.dtype([("p", "<u4"), ("spread", "<u2"), ("shift", "<i2")])
_TURN = np.dtype([("samples", "<u4"), ("up", "<u4"), ("down", "<i4")])


def _looks(plan: SequentialPlan | GatePlan | None, counts: list[int]) -> list[tuple[str, ...]]:
    rows = []
    for look in plan.looks if isinstance(plan, SequentialPlan) else ():
        row = (look.samples, look.reject, look.ceiling, look.squared, len(counts), len(look.accept))
        rows.append(tuple(f"{v}u" for v in row))
        counts.extend(look.accept)
    return rows


def _rows(values: Iterable[int] | Sequence[int], width: int = 112, suffix: str = "u") -> str:
    lines, line = [], ""
    for value in values:
        item = f"{int(value)}{suffix},"
        if line and len(line) + len(item) + 1 > width:
            lines.append(line)
            line = ""
        line += f" {item}" if line else item
    return "\n".join("    " + text for text in [*lines, line])
