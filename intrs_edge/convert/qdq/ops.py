# SPDX-License-Identifier: Apache-2.0
"""The ONNX ops that can be converted, and who converts them."""

from __future__ import annotations

from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq import axes, elementwise, moves, pools, transposed, weights
from intrs_edge.convert.qdq.context import Handler

OPS: dict[str, Handler] = {
    "Abs": elementwise.unary("ABS"),
    "Add": elementwise.binary("ADD"),
    "AveragePool": pools.average_pool,
    "BatchNormalization": weights.batch_norm,
    "Clip": elementwise.clip,
    "Concat": moves.concat,
    "Conv": weights.conv,
    "ConvTranspose": transposed.conv_transpose,
    "DepthToSpace": axes.depth_to_space,
    "Div": elementwise.binary("DIV"),
    "Exp": elementwise.unary("EXP"),
    "Flatten": moves.flatten,
    "Gather": axes.gather,
    "Gelu": elementwise.unary("GELU"),
    "Gemm": weights.gemm,
    "GlobalAveragePool": pools.global_average_pool,
    "GlobalMaxPool": pools.global_max_pool,
    "HardSigmoid": elementwise.hard_sigmoid,
    "HardSwish": elementwise.unary("HARD_SWISH"),
    "LeakyRelu": elementwise.unary("LEAKY_RELU"),
    "LpNormalization": axes.l2_normalization,
    "MatMul": weights.matmul,
    "Max": elementwise.extreme("MAXIMUM"),
    "MaxPool": pools.max_pool,
    "Min": elementwise.extreme("MINIMUM"),
    "Mul": elementwise.binary("MUL"),
    "Neg": elementwise.negated,
    "PRelu": elementwise.prelu,
    "Pad": moves.pad,
    "Pow": elementwise.power,
    "Reciprocal": elementwise.reciprocal,
    "ReduceMax": axes.reduce("REDUCE_MAX"),
    "ReduceMean": pools.reduce_mean,
    "ReduceMin": axes.reduce("REDUCE_MIN"),
    "ReduceSum": axes.reduce("SUM"),
    "Relu": elementwise.relu,
    "Reshape": moves.reshape,
    "Resize": moves.resize,
    "Sigmoid": elementwise.unary("LOGISTIC", per_tensor(1 / 256, -128)),
    "Slice": moves.slice_,
    "Softmax": elementwise.softmax,
    "SpaceToDepth": axes.space_to_depth,
    "Split": moves.split,
    "Sqrt": elementwise.sqrt,
    "Squeeze": moves.squeeze,
    "Sub": elementwise.binary("SUB"),
    "Tanh": elementwise.unary("TANH"),
    "Transpose": moves.transpose,
    "Unsqueeze": moves.unsqueeze,
    "Upsample": moves.resize,
}

# what the float input may go through before its QuantizeLinear: it gives the same there as behind it
ON_THE_INPUT = (
    "Clip", "Concat", "DepthToSpace", "Flatten", "Gather", "MaxPool", "Relu", "Reshape", "Slice", "SpaceToDepth",
    "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip

# beginnings of the names of operators that compute on integers
INTEGER_OPERATORS = ("ConvInteger", "DynamicQuantize", "MatMulInteger", "QAttention", "QGemm", "QLinear")
