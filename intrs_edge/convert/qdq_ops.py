"""The ONNX ops that can be converted, and who converts them."""

from __future__ import annotations

from intrs_edge.convert import qdq_elementwise as elementwise
from intrs_edge.convert import qdq_moves as moves
from intrs_edge.convert import qdq_pools as pools
from intrs_edge.convert import qdq_weights as weights
from intrs_edge.convert.emit import per_tensor
from intrs_edge.convert.qdq_context import Handler

OPS: dict[str, Handler] = {
    "Add": elementwise.binary("ADD"),
    "AveragePool": pools.average_pool,
    "BatchNormalization": weights.batch_norm,
    "Clip": elementwise.clip,
    "Concat": moves.concat,
    "Conv": weights.conv,
    "Flatten": moves.flatten,
    "Gemm": weights.gemm,
    "GlobalAveragePool": pools.global_average_pool,
    "HardSwish": elementwise.unary("HARD_SWISH"),
    "LeakyRelu": elementwise.unary("LEAKY_RELU"),
    "MatMul": weights.matmul,
    "Max": moves.maximum("MAXIMUM"),
    "MaxPool": pools.max_pool,
    "Min": moves.maximum("MINIMUM"),
    "Mul": elementwise.binary("MUL"),
    "Pad": moves.pad,
    "ReduceMean": pools.reduce_mean,
    "Relu": elementwise.relu,
    "Reshape": moves.reshape,
    "Sigmoid": elementwise.unary("LOGISTIC", per_tensor(1 / 256, -128)),
    "Slice": moves.slice_,
    "Softmax": elementwise.softmax,
    "Split": moves.split,
    "Squeeze": moves.squeeze,
    "Sub": elementwise.binary("SUB"),
    "Tanh": elementwise.unary("TANH", per_tensor(1 / 128, 0)),
    "Transpose": moves.transpose,
    "Unsqueeze": moves.unsqueeze,
}
