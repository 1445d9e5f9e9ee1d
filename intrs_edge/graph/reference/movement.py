"""Operators that move values without changing them: shapes, pads, slices, concatenation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.quantize import per_tensor
from intrs_edge.graph.reference.common import Array, constant_ints, kernel


@kernel("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """The same values under the output's shape."""
    return [args[0].reshape(len(args[0]), *graph.tensors[op.outputs[0]].shape)]


@kernel("PAD", "PADV2")
def pad(graph: Graph, op: Op, args: Sequence[Array]) -> list[Array]:
    """With the output's zero point (a real zero), or PADV2's constant as it is."""
    output = graph.tensors[op.outputs[0]]
    value = int(args[2].reshape(-1)[0]) if op.kind == "PADV2" else per_tensor(output)[1]
    amounts = np.array(constant_ints(graph, op.inputs[1])).reshape(-1, 2)
    return [np.pad(args[0], [(0, 0), *map(tuple, amounts.tolist())], constant_values=value)]
