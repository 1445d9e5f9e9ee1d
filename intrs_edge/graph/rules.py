"""The operators that are supported: what their inputs must be, and where their integers come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.lut import TABLES, lut
from intrs_edge.graph.quantize import (
    add_params,
    conv_params,
    fully_connected_params,
    matmul_params,
    mul_params,
    prelu_params,
    softmax_params,
    squared_difference_params,
    sum_params,
)

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
BROADCASTING = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU", "SQUARED_DIFFERENCE")


@dataclass(frozen=True)
class Rule:
    """What an operator's inputs must be, position by position.

    ``x`` an int8 value, ``w`` constant int8 weights, ``b`` a constant int32 bias (or absent), ``i`` constant integers.
    A trailing ``?`` makes the last one optional, ``*`` repeats it. ``same``: the output has the quantisation of the
    values it reads.
    """

    inputs: str
    same: bool = False


RULES: dict[str, Rule] = {
    **dict.fromkeys(TABLES, Rule("x")),
    "CONV_2D": Rule("xwb?"),
    "DEPTHWISE_CONV_2D": Rule("xwb?"),
    "FULLY_CONNECTED": Rule("xwb?"),
    "TRANSPOSE_CONV": Rule("iwxb?"),
    "ADD": Rule("xx"),
    "SUB": Rule("xx"),
    "MUL": Rule("xx"),
    "SQUARED_DIFFERENCE": Rule("xx"),
    "BATCH_MATMUL": Rule("xx"),
    "MAXIMUM": Rule("xx", same=True),
    "MINIMUM": Rule("xx", same=True),
    "AVERAGE_POOL_2D": Rule("x", same=True),
    "MAX_POOL_2D": Rule("x", same=True),
    "MEAN": Rule("xi"),
    "SUM": Rule("xi"),
    "REDUCE_MAX": Rule("xi", same=True),
    "REDUCE_MIN": Rule("xi", same=True),
    "PAD": Rule("xi", same=True),
    "PADV2": Rule("xix", same=True),
    "MIRROR_PAD": Rule("xi", same=True),
    "RESHAPE": Rule("xi?", same=True),
    "SQUEEZE": Rule("x", same=True),
    "EXPAND_DIMS": Rule("xi", same=True),
    "TRANSPOSE": Rule("xi", same=True),
    "CONCATENATION": Rule("x*"),
    "SPLIT": Rule("ix", same=True),
    "SPLIT_V": Rule("xii", same=True),
    "UNPACK": Rule("x", same=True),
    "PACK": Rule("x*", same=True),
    "GATHER": Rule("xi", same=True),
    "SPACE_TO_DEPTH": Rule("x", same=True),
    "DEPTH_TO_SPACE": Rule("x", same=True),
    "TILE": Rule("xi", same=True),
    "REVERSE_V2": Rule("xi", same=True),
    "BROADCAST_TO": Rule("xi", same=True),
    "SLICE": Rule("xii", same=True),
    "STRIDED_SLICE": Rule("xiii", same=True),
    "PRELU": Rule("xw"),
    "SOFTMAX": Rule("x"),
    "L2_NORMALIZATION": Rule("x"),
    "RESIZE_BILINEAR": Rule("xi", same=True),
    "RESIZE_NEAREST_NEIGHBOR": Rule("xi", same=True),
}

PARAMETERS: dict[str, Callable[[Graph, Op], object]] = {
    **dict.fromkeys(TABLES, lut),
    "CONV_2D": conv_params,
    "DEPTHWISE_CONV_2D": conv_params,
    "FULLY_CONNECTED": fully_connected_params,
    "TRANSPOSE_CONV": conv_params,
    "BATCH_MATMUL": matmul_params,
    "SQUARED_DIFFERENCE": squared_difference_params,
    "ADD": add_params,
    "SUB": add_params,
    "MUL": mul_params,
    "MEAN": sum_params,
    "SUM": sum_params,
    "PRELU": prelu_params,
    "SOFTMAX": softmax_params,
}

PARTS = ("SPLIT", "SPLIT_V", "UNPACK")  # have more than one output
FIXED_OUTPUT = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "L2_NORMALIZATION": (1 / 128, 0)}
