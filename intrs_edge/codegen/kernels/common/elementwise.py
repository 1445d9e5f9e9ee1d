# SPDX-License-Identifier: Apache-2.0
"""Sums of two tensors and average pooling, for any instruction set that names its C function and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value
from intrs_edge.codegen.kernels.common.checks import pool_reason, scaled_up_reason, sum_reason
from intrs_edge.codegen.kernels.common.params import add_fields, window_fields
from intrs_edge.codegen.kernels.common.sums import affine_sum, exact_operand, sum_table, table_reason
from intrs_edge.graph.geometry import window
from intrs_edge.graph.quantize import add_params, pool_params


class Elementwise(Kernel):
    """A kernel of one C function, whose cost grows with the elements of its output."""

    function: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    headers: ClassVar[tuple[str, ...]]
    batched: ClassVar[bool] = True
    per_element: ClassVar[float]  # instructions

    def call(self, site: Site, struct: str, fields: Mapping[str, Value], inputs: tuple[int, ...]) -> Emit:
        """The call; a sum may overwrite either operand."""
        return Emit(
            self.function,
            struct,
            fields,
            inputs,
            site.op.outputs,
            self.files,
            batched=self.batched,
            inplace=(0, 1) if len(inputs) == 2 else (),
            headers=self.headers,
        )


class Add(Elementwise):
    """ADD and SUB step by step, as TFLite computes them: ``struct intrs_add``."""

    patterns = (("ADD",), ("SUB",))

    def reject(self, site: Site) -> str | None:
        return sum_reason(site) or scaled_up_reason(site)

    def cost(self, site: Site) -> Cost:
        return Cost(self.per_element * site.output().elements, 0)

    def emit(self, site: Site) -> Emit:
        fields: dict[str, Value] = {
            "n": site.output().elements,
            **add_fields(add_params(site.graph, site.op)),
            "broadcast": None,
        }
        return self.call(site, "intrs_add", fields, site.op.inputs[:2])


def affine_fields(site: Site, op: int = 0, x: int = 0) -> dict[str, Value] | None:
    """An ADD of the chain as (a x + b y + offset) >> shift, its operand ``x`` first; None where none is exact."""
    p = add_params(site.graph, site.graph.ops[site.ops[op]])
    found = affine_sum(p)
    if found is None:
        return None
    factors, offset, shift = found[:2], found[2], found[3]
    return {
        "factor": factors if x == 0 else factors[::-1],
        "offset": offset,
        "shift": shift,
        "min": p.q.min,
        "max": p.q.max,
    }


def affine_reason(site: Site, op: int = 0) -> str | None:
    """Why an ADD of the chain is not the sum of two int8 tensors of one shape by one exact formula, or None."""
    why = sum_reason(site, op)
    return "no exact formula for this sum" if why is None and affine_fields(site, op) is None else why


class AffineAdd(Elementwise):
    """ADD and SUB by (a x + b y + offset) >> shift, checked over all pairs of operands."""

    patterns = (("ADD",), ("SUB",))
    struct: ClassVar[str]

    def reject(self, site: Site) -> str | None:
        return affine_reason(site)

    def cost(self, site: Site) -> Cost:
        return Cost(self.per_element * site.output().elements, 0)

    def fields(self, site: Site, found: dict[str, Value]) -> dict[str, Value]:
        """The struct's."""
        return {"n": site.output().elements, **found}

    def emit(self, site: Site) -> Emit:
        found = affine_fields(site)
        assert found is not None
        return self.call(site, self.struct, self.fields(site, found), site.op.inputs[:2])


class TableAdd(Elementwise):
    """ADD and SUB of two activations of one shape: a table of 1 KB for the operand with the smaller scale."""

    patterns = (("ADD",), ("SUB",))
    batched = False
    struct: ClassVar[str]

    def reject(self, site: Site) -> str | None:
        return sum_reason(site) or table_reason(add_params(site.graph, site.op))

    def cost(self, site: Site) -> Cost:
        return Cost(self.per_element * site.output().elements + 40, 1024)

    def emit(self, site: Site) -> Emit:
        p = add_params(site.graph, site.op)
        exact = exact_operand(p)
        table, (multiplier, addend, shift) = sum_table(p)
        fields: dict[str, Value] = {
            "n": site.output().elements,
            "table": Array(table),
            "multiplier": multiplier,
            "addend": addend,
            "shift": shift,
            "linear": int(p.q.min < p.q.zero_point),
            "min": p.q.min,
            "max": p.q.max,
        }
        return self.call(site, self.struct, fields, (site.op.inputs[1 - exact], site.op.inputs[exact]))


class AveragePool2d(Elementwise):
    """AVERAGE_POOL_2D whose sums fit int16: ``struct intrs_pool2d``. ``per_tap``, ``per_element``: instructions."""

    patterns = (("AVERAGE_POOL_2D",),)
    most_taps: ClassVar[int] = 256
    per_tap: ClassVar[float]

    def reject(self, site: Site) -> str | None:
        return pool_reason(site, self.most_taps)

    def cost(self, site: Site) -> Cost:
        w = window(site.graph, site.op)
        return Cost(site.output().elements * (self.per_tap * w.filter_h * w.filter_w + self.per_element), 0)

    def emit(self, site: Site) -> Emit:
        p = pool_params(site.graph, site.op)
        fields: dict[str, Value] = {"w": window_fields(window(site.graph, site.op)), "min": p.min, "max": p.max}
        return self.call(site, "intrs_pool2d", fields, site.op.inputs[:1])
