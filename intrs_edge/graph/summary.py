# SPDX-License-Identifier: Apache-2.0
"""What a graph costs before any board is named: multiply-accumulates, weights, shapes and scales, op by op."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from intrs_edge.graph.geometry import product, reduced_axes, window
from intrs_edge.graph.ir import Graph, Op, Tensor
from intrs_edge.graph.operators import OPERATORS
from intrs_edge.graph.shapes import reduced


@dataclass(frozen=True)
class OpSummary:
    """One operator. ``macs`` counts multiply-accumulates of convolutions and matrix products, padding included, for
    one input.
    """

    number: int
    kind: str
    name: str
    inputs: tuple[str, ...]  # shapes and types of the variable inputs, "1x32x32x3 int8"
    output: tuple[int, ...]
    dtype: str
    scale: float | None  # None: not quantised
    zero_point: int | None
    macs: int
    weights_bytes: int
    detail: str


@dataclass(frozen=True)
class Summary:
    """A whole graph."""

    name: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    weights_bytes: int
    ops: tuple[OpSummary, ...]

    def to_json(self) -> dict[str, Any]:
        """Keys ``name``, ``input``, ``output``, ``macs``, ``weights_bytes``, ``ops`` (a list, in order of
        execution)."""
        return {
            "name": self.name,
            "input": list(self.input_shape),
            "output": list(self.output_shape),
            "macs": self.macs,
            "weights_bytes": self.weights_bytes,
            "ops": [
                {
                    "index": op.number,
                    "kind": op.kind,
                    "name": op.name,
                    "inputs": list(op.inputs),
                    "output": list(op.output),
                    "dtype": op.dtype,
                    "scale": op.scale,
                    "zero_point": op.zero_point,
                    "macs": op.macs,
                    "weights_bytes": op.weights_bytes,
                    "detail": op.detail,
                }
                for op in self.ops
            ],
        }


def op_table(summary: dict[str, Any]) -> str:
    """`Summary.to_json` as a table, one line an op, and the totals."""
    rows = [("", "op", "output", "scale", "zero", "MACs", "weights", "")]
    for op in summary["ops"]:
        shape = "x".join(map(str, op["output"]))
        macs = f"{op['macs']:,}" if op["macs"] else ""
        weights = f"{op['weights_bytes']:,}" if op["weights_bytes"] else ""
        quant = ("", "") if op["scale"] is None else (f"{op['scale']:.6g}", str(op["zero_point"]))
        rows.append((str(op["index"]), op["kind"], shape, *quant, macs, weights, op["detail"]))
    rows.append(("", "total", "", "", "", f"{summary['macs']:,}", f"{summary['weights_bytes']:,}", ""))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = {0, 3, 4, 5, 6}
    lines = [
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def summarize(graph: Graph) -> Summary:
    """The summary of a validated graph."""
    ops = tuple(_op(graph, number, op) for number, op in enumerate(graph.ops))
    constants = {i for op in graph.ops for i in op.inputs if i >= 0 and graph.tensors[i].constant}
    return Summary(
        graph.name,
        graph.tensors[graph.inputs[0]].shape,
        graph.tensors[graph.outputs[0]].shape,
        sum(op.macs for op in ops),
        # a constant that several ops share counts once here
        sum(graph.tensors[i].bytes for i in constants if _is_weight(graph.tensors[i])),
        ops,
    )


def _is_weight(tensor: Tensor) -> bool:
    """Quantised values and biases; not the integers that describe shapes."""
    return tensor.constant and (tensor.quant is not None or tensor.dtype == "int8")


def _op(graph: Graph, number: int, op: Op) -> OpSummary:
    output = graph.tensors[op.outputs[0]]
    quant = output.quant
    read = [graph.tensors[i] for i in op.inputs if i >= 0]
    return OpSummary(
        number,
        op.kind,
        op.name,
        tuple(f"{'x'.join(map(str, t.shape))} {t.dtype}" for t in read if not t.constant),
        output.shape,
        output.dtype,
        None if quant is None else float(quant.scale[0]),
        None if quant is None else int(quant.zero_point[0]),
        macs(graph, op),
        sum(t.bytes for t in read if _is_weight(t)),
        _detail(graph, op),
    )


def macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates of one run; windows at the border count whole."""
    output = graph.tensors[op.outputs[0]]
    if op.kind == "TRANSPOSE_CONV":
        weights = graph.tensors[op.inputs[1]].shape
        return graph.tensors[op.inputs[2]].elements * math.prod(weights[:3])
    if op.kind == "BATCH_MATMUL":
        return output.elements * product(graph, op).depth
    if op.kind in ("CONV_2D", "FULLY_CONNECTED"):
        weights = graph.tensors[op.inputs[1]].shape
        return output.elements * math.prod(weights[1:])
    if op.kind == "DEPTHWISE_CONV_2D":
        w = window(graph, op)
        return output.elements * w.filter_h * w.filter_w
    return 0


def adds(graph: Graph, op: Op) -> int:
    """The other element operations of one run that scale with the window or the operands (pools, sums, products)."""
    elements = graph.tensors[op.outputs[0]].elements
    if OPERATORS[op.kind].broadcasts:
        return elements
    if op.kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        w = window(graph, op)
        return elements * w.filter_h * w.filter_w
    if OPERATORS[op.kind].shape is reduced:
        shape = graph.tensors[op.inputs[0]].shape
        return elements * math.prod(shape[a] for a in reduced_axes(graph, op))
    return 0


def _detail(graph: Graph, op: Op) -> str:
    """Window, stride, dilation, groups, activation: what the shape does not say."""
    words = []
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"):
        w = window(graph, op)
        words.append(f"{w.filter_h}x{w.filter_w}")
        if (w.stride_h, w.stride_w) != (1, 1):
            words.append(f"stride {w.stride_h}x{w.stride_w}")
        if (w.dilation_h, w.dilation_w) != (1, 1):
            words.append(f"dilation {w.dilation_h}x{w.dilation_w}")
        if op.kind == "CONV_2D" and graph.tensors[op.inputs[1]].shape[3] != w.in_c:
            words.append(f"groups {w.in_c // graph.tensors[op.inputs[1]].shape[3]}")
        if op.kind == "DEPTHWISE_CONV_2D" and w.out_c != w.in_c:
            words.append(f"multiplier {w.out_c // w.in_c}")
    if op.attrs.get("activation", "NONE") != "NONE":
        words.append(str(op.attrs["activation"]))
    return ", ".join(words)
