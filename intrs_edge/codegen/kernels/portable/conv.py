# SPDX-License-Identifier: Apache-2.0
"""Portable convolutions and fully connected layers: TFLite's weights as they are, one multiplier an output channel."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from intrs_edge.codegen.kernels.common.base import Array, Cost, Emit, Kernel, Site, Value, register
from intrs_edge.codegen.kernels.common.params import (
    add_fields,
    bias_of,
    constant,
    requant_bytes,
    requant_fields,
    window_fields,
)
from intrs_edge.codegen.kernels.portable.call import call
from intrs_edge.graph.geometry import product, transposed_window, window
from intrs_edge.graph.quantize import add_params, conv_params, fully_connected_params, matmul_params

# instructions a multiply-accumulate and an output, gcc -O2 for Cortex-M
_PER_MAC, _PER_OUTPUT = 8.0, 60.0


@register
class Conv2d(Kernel):
    """CONV_2D of any group count, stride, dilation and padding."""

    name = "conv2d.portable"
    patterns: ClassVar[tuple[tuple[str, ...], ...]] = (("CONV_2D",),)
    code_bytes = 500

    def reject(self, site: Site) -> str | None:
        """Fits every validated CONV_2D."""
        return None

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = out.elements * weights.elements // weights.shape[0]
        return Cost(_PER_MAC * macs + _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(weights.shape[0]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d``."""
        return call("intrs_conv2d_portable", "intrs_conv2d", conv_fields(site), site.op.inputs[:1], site.op.outputs)


@register
class Conv2dAdd(Conv2d):
    """CONV_2D and the ADD of its result to another tensor, which the sum may overwrite: a residual block needs one
    buffer less.
    """

    name = "conv2d_add.portable"
    patterns = (("CONV_2D", "ADD"),)
    code_bytes = 700

    def reject(self, site: Site) -> str | None:
        """Both operands of one shape."""
        a, b = site.input(0, 1), site.input(1, 1)
        return None if a.elements == b.elements == site.output().elements else "the addition broadcasts"

    def cost(self, site: Site) -> Cost:
        """The convolution's, and less traffic than the addition apart."""
        conv = super().cost(site)
        other = site.graph.tensors[_other(site)[0]]
        flash = conv.weight_bytes + (other.bytes if other.constant else 0)
        return Cost(conv.instructions + 75.0 * site.output().elements, flash)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d_add``."""
        other, operand = _other(site)
        add: dict[str, Value] = {
            "n": site.output().elements,
            **add_fields(add_params(site.graph, site.last)),
            "broadcast": None,
        }
        fields: dict[str, Value] = {"conv": conv_fields(site), "add": add, "operand": operand}
        inputs = (site.op.inputs[0], other)
        return call("intrs_conv2d_add_portable", "intrs_conv2d_add", fields, inputs, site.last.outputs, inplace=(1,))


def _other(site: Site) -> tuple[int, int]:
    """(the tensor that the convolution's result is added to, which operand of the addition the result is)."""
    operand = site.last.inputs.index(site.op.outputs[0])
    return site.last.inputs[1 - operand], operand


def conv_fields(site: Site) -> dict[str, Value]:
    """``struct intrs_conv2d`` of the first op."""
    w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
    weights = constant(site, 1)
    return {
        "w": window_fields(w),
        "groups": w.in_c // weights.shape[3],
        "in_zero_point": p.in_zero_point,
        "weights": Array(weights.reshape(-1)),
        "bias": Array(bias_of(site, w.out_c)),
        "q": requant_fields(p.q),
    }


@register
class TransposeConv2d(Kernel):
    """TRANSPOSE_CONV of any strides and output extents."""

    name = "transpose_conv2d.portable"
    patterns = (("TRANSPOSE_CONV",),)
    code_bytes = 600

    def reject(self, site: Site) -> str | None:
        """Fits every validated TRANSPOSE_CONV."""
        return None

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = site.input(2).elements * weights.elements // weights.shape[3]
        return Cost(_PER_MAC * macs + 2 * _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(weights.shape[0]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_conv2d``."""
        w, p = transposed_window(site.graph, site.op), conv_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "groups": 1,
            "in_zero_point": p.in_zero_point,
            "weights": Array(constant(site, 1).reshape(-1)),
            "bias": Array(bias_of(site, w.out_c)),
            "q": requant_fields(p.q),
        }
        return call("intrs_transpose_conv2d_portable", "intrs_conv2d", fields, site.op.inputs[2:3], site.op.outputs)


class _Depthwise(Kernel):
    patterns = (("DEPTHWISE_CONV_2D",),)

    @abstractmethod
    def apply(self, site: Site, fields: Mapping[str, Value]) -> Emit:
        """The call with ``struct intrs_depthwise2d``."""

    def reject(self, site: Site) -> str | None:
        """Fits every validated DEPTHWISE_CONV_2D."""
        return None

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = out.elements * weights.shape[1] * weights.shape[2]
        return Cost((_PER_MAC + 4) * macs + _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(out.shape[3]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_depthwise2d``."""
        w, p = window(site.graph, site.op), conv_params(site.graph, site.op)
        fields: dict[str, Value] = {
            "w": window_fields(w),
            "multiplier": w.out_c // w.in_c,
            "in_zero_point": p.in_zero_point,
            "weights": Array(constant(site, 1).reshape(-1)),
            "bias": Array(bias_of(site, w.out_c)),
            "q": requant_fields(p.q),
        }
        return self.apply(site, fields)


@register
class Depthwise2d(_Depthwise):
    """DEPTHWISE_CONV_2D of any multiplier."""

    name = "depthwise2d.portable"
    code_bytes = 400

    def apply(self, site: Site, fields: Mapping[str, Value]) -> Emit:
        """Without scratch."""
        return call("intrs_depthwise2d_portable", "intrs_depthwise2d", fields, site.op.inputs[:1], site.op.outputs)


@register
class Depthwise2dInplace(_Depthwise):
    """DEPTHWISE_CONV_2D over its own input, one channel's plane in scratch: for where memory is short."""

    name = "depthwise2d.portable_inplace"
    code_bytes = 450

    def reject(self, site: Site) -> str | None:
        """Multiplier 1, equal extents, and an input that nothing else reads."""
        source = site.op.inputs[0]
        if site.input(0).shape != site.output().shape:
            return "input and output differ in shape"
        readers = sum(op.inputs.count(source) for op in site.graph.ops)
        return "something else reads its input" if readers > 1 or source in site.graph.outputs else None

    def cost(self, site: Site) -> Cost:
        """A copy more than the plain one."""
        plain = super().cost(site)
        _, height, width, _ = site.input(0).shape
        return Cost(plain.instructions + 6.0 * site.output().elements, plain.weight_bytes, height * width)

    def apply(self, site: Site, fields: Mapping[str, Value]) -> Emit:
        """A plane of scratch."""
        _, height, width, _ = site.input(0).shape
        return call(
            "intrs_depthwise2d_portable_inplace",
            "intrs_depthwise2d",
            fields,
            site.op.inputs[:1],
            site.op.outputs,
            scratch_bytes=height * width,
            inplace=(0,),
        )


@register
class FullyConnected(Kernel):
    """FULLY_CONNECTED, per-tensor or per-channel."""

    name = "fully_connected.portable"
    patterns = (("FULLY_CONNECTED",),)
    code_bytes = 300

    def reject(self, site: Site) -> str | None:
        """Needs constant weights."""
        return None if site.input(1).constant else "the weights are not constant"

    def cost(self, site: Site) -> Cost:
        """Weights as in the model."""
        weights, out = site.input(1), site.output()
        macs = out.elements * weights.shape[1]
        return Cost((_PER_MAC - 2) * macs + _PER_OUTPUT * out.elements, weights.bytes + requant_bytes(weights.shape[0]))

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_fully_connected``."""
        p = fully_connected_params(site.graph, site.op)
        weights = constant(site, 1)
        out_n, in_n = weights.shape
        fields: dict[str, Value] = {
            "rows": site.input(0).elements // in_n,
            "in_n": in_n,
            "out_n": out_n,
            "in_zero_point": p.in_zero_point,
            "weights": Array(np.ascontiguousarray(weights).reshape(-1)),
            "bias": Array(bias_of(site, out_n)),
            "q": requant_fields(p.q),
        }
        return call(
            "intrs_fully_connected_portable", "intrs_fully_connected", fields, site.op.inputs[:1], site.op.outputs
        )


@register
class BatchMatmul(Kernel):
    """BATCH_MATMUL, of values or constants."""

    name = "batch_matmul.portable"
    patterns = (("BATCH_MATMUL",),)
    code_bytes = 500

    def reject(self, site: Site) -> str | None:
        """Fits every validated BATCH_MATMUL."""
        return None

    def cost(self, site: Site) -> Cost:
        """A constant operand lies in flash."""
        macs = site.output().elements * product(site.graph, site.op).depth
        flash = sum(site.input(i).bytes for i in (0, 1) if site.input(i).constant)
        return Cost((_PER_MAC + 2) * macs + _PER_OUTPUT * site.output().elements, flash + 5)

    def emit(self, site: Site) -> Emit:
        """The struct ``intrs_batch_matmul``."""
        s, p = product(site.graph, site.op), matmul_params(site.graph, site.op)
        batch = ((1, 0, 0),) * (4 - len(s.batch)) + s.batch
        fields: dict[str, Value] = {
            "batch": tuple(n for n, _, _ in batch),
            "a_step": tuple(a for _, a, _ in batch),
            "b_step": tuple(b for _, _, b in batch),
            **{key: getattr(s, key) for key in ("rows", "columns", "depth", "a_row", "a_depth", "b_depth", "b_column")},
            "zero_point": p.zero_point,
            "q": requant_fields(p.q),
        }
        return call("intrs_batch_matmul_portable", "intrs_batch_matmul", fields, site.op.inputs[:2], site.op.outputs)
