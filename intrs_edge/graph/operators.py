# SPDX-License-Identifier: Apache-2.0
"""Everything about an operator in one record: what its inputs must be, the shape of its output, where its integers come
from, and how a .tflite file stores its options. What it computes stands in `reference`, and once more in each engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tflite.BuiltinOptions import BuiltinOptions

from intrs_edge.graph import quantize, shapes
from intrs_edge.graph.ir import Graph, Op
from intrs_edge.graph.lut import TABLES, lut
from intrs_edge.graph.shapes import Shape
from intrs_edge.graph.tflite_schema import ACTIVATION, MIRROR, PADDING, WEIGHTS_FORMAT, Field, Options

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


@dataclass(frozen=True)
class Operator:
    """One kind of operator.

    inputs: what each must be: ``x`` an int8 value, ``w`` constant int8 weights, ``b`` a constant int32 bias (or
    absent), ``i`` constant integers; a trailing ``?`` makes the last one optional, ``*`` repeats it. shape: the shapes
    of its outputs; ValueError says what is wrong with its inputs. parameters: the integers that follow from its scales,
    if any do. same: the output has the quantisation of the values it reads. fixed: the scale and zero point that TFLite
    prescribes for its output. parts: it may have more than one output. moves: the compiler follows its every element
    from input to output. options, version: as a .tflite file has them; version is the lowest that knows int8 (an
    interpreter refuses one that it does not know).
    """

    inputs: str
    shape: Callable[[Graph, Op], list[Shape]]
    parameters: Callable[[Graph, Op], object] | None = None
    same: bool = False
    fixed: tuple[float, int] | None = None
    parts: bool = False
    moves: bool = False
    options: Options | None = None
    version: int = 1

    @property
    def broadcasts(self) -> bool:
        """Whether it computes value by value on two that broadcast."""
        return self.shape in (shapes.broadcast, shapes.prelu)


def _enum(name: str, slot: int, names: tuple[str, ...]) -> Field:
    return Field(name, slot, "enum", 0, names)


def _int(name: str, slot: int, default: int = 0) -> Field:
    return Field(name, slot, "int32", default)


def _bool(name: str, slot: int) -> Field:
    return Field(name, slot, "bool", False)


def _options(kind: str, slots: int, *fields: Field) -> Options:
    """The options of TFLite's table ``<kind>Options``."""
    return Options(getattr(BuiltinOptions, f"{kind}Options"), slots, fields)


_STRIDES = (_enum("padding", 0, PADDING), _int("stride_w", 1), _int("stride_h", 2))
_POOL = _options("Pool2D", 6, *_STRIDES, _int("filter_w", 3), _int("filter_h", 4), _enum("activation", 5, ACTIVATION))
_ACTIVATED = _enum("activation", 0, ACTIVATION)
_SUM = Operator(
    "xi", shapes.reduced, quantize.sum_params, version=2, options=_options("Reducer", 1, _bool("keep_dims", 0))
)
_EXTREMUM = replace(_SUM, parameters=None, same=True)
_EXTREME = Operator("xx", shapes.broadcast, same=True, version=2, options=_options("MaximumMinimum", 0))
_TABLE = Operator("x", shapes.as_input, lut)

OPERATORS: dict[str, Operator] = {
    # weights
    "CONV_2D": Operator(
        "xwb?", shapes.windowed, quantize.conv_params, version=3,
        options=_options(
            "Conv2D", 7, *_STRIDES, _enum("activation", 3, ACTIVATION), _int("dilation_w", 4, 1),
            _int("dilation_h", 5, 1),
        ),
    ),
    "DEPTHWISE_CONV_2D": Operator(
        "xwb?", shapes.windowed, quantize.conv_params, version=3,
        options=_options(
            "DepthwiseConv2D", 7, *_STRIDES, _int("depth_multiplier", 3), _enum("activation", 4, ACTIVATION),
            _int("dilation_w", 5, 1), _int("dilation_h", 6, 1),
        ),
    ),
    "FULLY_CONNECTED": Operator(
        "xwb?", shapes.fully_connected, quantize.fully_connected_params, version=4,
        options=_options(
            "FullyConnected", 5, _ACTIVATED, _enum("weights_format", 1, WEIGHTS_FORMAT), _bool("keep_num_dims", 2)
        ),
    ),
    "TRANSPOSE_CONV": Operator(
        "iwxb?", shapes.transpose_conv, quantize.conv_params, version=3,
        options=_options("TransposeConv", 4, *_STRIDES, _enum("activation", 3, ACTIVATION)),
    ),
    # two values
    "BATCH_MATMUL": Operator(
        "xx", shapes.matmul, quantize.matmul_params, version=2,
        options=_options(
            "BatchMatMul", 3, _bool("adj_x", 0), _bool("adj_y", 1), _bool("asymmetric_quantize_inputs", 2)
        ),
    ),
    "ADD": Operator("xx", shapes.broadcast, quantize.add_params, version=2, options=_options("Add", 2, _ACTIVATED)),
    "SUB": Operator("xx", shapes.broadcast, quantize.add_params, version=2, options=_options("Sub", 2, _ACTIVATED)),
    "MUL": Operator("xx", shapes.broadcast, quantize.mul_params, version=2, options=_options("Mul", 1, _ACTIVATED)),
    "SQUARED_DIFFERENCE": Operator(
        "xx", shapes.broadcast, quantize.squared_difference_params, version=2,
        options=_options("SquaredDifference", 0),
    ),
    "MAXIMUM": _EXTREME,
    "MINIMUM": _EXTREME,
    "PRELU": Operator("xw", shapes.prelu, quantize.prelu_params),
    # pools, sums and extremes
    "AVERAGE_POOL_2D": Operator("x", shapes.windowed, same=True, version=2, options=_POOL),
    "MAX_POOL_2D": Operator("x", shapes.windowed, same=True, version=2, options=_POOL),
    "MEAN": _SUM,
    "SUM": _SUM,
    "REDUCE_MAX": _EXTREMUM,
    "REDUCE_MIN": _EXTREMUM,
    # the last axis
    "SOFTMAX": Operator(
        "x", shapes.along_the_last_axis, quantize.softmax_params, fixed=(1 / 256, -128), version=2,
        options=_options("Softmax", 1, Field("beta", 0, "float32", 0.0)),
    ),
    "L2_NORMALIZATION": Operator(
        "x", shapes.along_the_last_axis, fixed=(1 / 128, 0), version=2, options=_options("L2Norm", 1, _ACTIVATED)
    ),
    # tables of 256
    **dict.fromkeys(TABLES, _TABLE),
    "RELU": replace(_TABLE, version=2),
    "RELU6": replace(_TABLE, version=2),
    "TANH": replace(_TABLE, version=2),
    "LOGISTIC": replace(_TABLE, version=2, fixed=(1 / 256, -128)),
    "LEAKY_RELU": replace(
        _TABLE, version=2, options=_options("LeakyRelu", 1, Field("alpha", 0, "float32", 0.0))
    ),
    "HARD_SWISH": replace(_TABLE, options=_options("HardSwish", 0)),
    "QUANTIZE": replace(_TABLE, version=2, options=_options("Quantize", 0)),
    "ABS": replace(_TABLE, options=_options("Abs", 0)),
    "EXP": replace(_TABLE, options=_options("Exp", 0)),
    "GELU": replace(_TABLE, options=_options("Gelu", 1, _bool("approximate", 0))),
    # borders and shapes
    "PAD": Operator("xi", shapes.pad, same=True, version=2, options=_options("Pad", 0)),
    "PADV2": Operator("xix", shapes.pad, same=True, version=2, options=_options("PadV2", 0)),
    "MIRROR_PAD": Operator(
        "xi", shapes.pad, same=True, moves=True, version=2, options=_options("MirrorPad", 1, _enum("mode", 0, MIRROR))
    ),
    "RESHAPE": Operator(
        "xi?", shapes.reshape, same=True, options=_options("Reshape", 1, Field("new_shape", 0, "ints"))
    ),
    "SQUEEZE": Operator(
        "x", shapes.reshape, same=True, options=_options("Squeeze", 1, Field("squeeze_dims", 0, "ints"))
    ),
    "EXPAND_DIMS": Operator("xi", shapes.reshape, same=True, options=_options("ExpandDims", 0)),
    # parts
    "TRANSPOSE": Operator("xi", shapes.transpose, same=True, moves=True, version=2, options=_options("Transpose", 0)),
    "CONCATENATION": Operator(
        "x*", shapes.concatenation, version=2,
        options=_options("Concatenation", 2, _int("axis", 0), _enum("activation", 1, ACTIVATION)),
    ),
    "SPLIT": Operator(
        "ix", shapes.split, same=True, parts=True, moves=True, version=2,
        options=_options("Split", 1, _int("num_splits", 0)),
    ),
    "SPLIT_V": Operator(
        "xii", shapes.split, same=True, parts=True, moves=True, version=2,
        options=_options("SplitV", 1, _int("num_splits", 0)),
    ),
    "UNPACK": Operator(
        "x", shapes.split, same=True, parts=True, moves=True, version=2,
        options=_options("Unpack", 2, _int("num", 0), _int("axis", 1)),
    ),
    "PACK": Operator(
        "x*", shapes.pack, same=True, version=2, options=_options("Pack", 2, _int("values_count", 0), _int("axis", 1))
    ),
    "GATHER": Operator(
        "xi", shapes.gather, same=True, moves=True, version=2,
        options=_options("Gather", 2, _int("axis", 0), _int("batch_dims", 1)),
    ),
    "SLICE": Operator("xii", shapes.sliced, same=True, moves=True, version=2, options=_options("Slice", 0)),
    "STRIDED_SLICE": Operator(
        "xiii", shapes.sliced, same=True, moves=True, version=2,
        options=_options(
            "StridedSlice", 6, _int("begin_mask", 0), _int("end_mask", 1), _int("ellipsis_mask", 2),
            _int("new_axis_mask", 3), _int("shrink_axis_mask", 4), _bool("offset", 5),
        ),
    ),
    # places
    "SPACE_TO_DEPTH": Operator(
        "x", shapes.space_to_depth, same=True, moves=True, version=2,
        options=_options("SpaceToDepth", 1, _int("block_size", 0)),
    ),
    "DEPTH_TO_SPACE": Operator(
        "x", shapes.depth_to_space, same=True, moves=True, options=_options("DepthToSpace", 1, _int("block_size", 0))
    ),
    "TILE": Operator("xi", shapes.tile, same=True, moves=True, options=_options("Tile", 0)),
    "REVERSE_V2": Operator("xi", shapes.reverse, same=True, moves=True, options=_options("ReverseV2", 0)),
    "BROADCAST_TO": Operator(
        "xi", shapes.broadcast_to, same=True, moves=True, version=2, options=_options("BroadcastTo", 0)
    ),
    "RESIZE_BILINEAR": Operator(
        "xi", shapes.resize, same=True, version=2,
        options=_options("ResizeBilinear", 4, _bool("align_corners", 2), _bool("half_pixel_centers", 3)),
    ),
    "RESIZE_NEAREST_NEIGHBOR": Operator(
        "xi", shapes.resize, same=True, moves=True, version=2,
        options=_options("ResizeNearestNeighbor", 2, _bool("align_corners", 0), _bool("half_pixel_centers", 1)),
    ),
}  # fmt: skip

BROADCASTING = tuple(kind for kind, operator in OPERATORS.items() if operator.broadcasts)
MOVES = tuple(kind for kind, operator in OPERATORS.items() if operator.moves)

# how files store operators, those among them that a pass takes out before anything is computed
OPTIONS: dict[str, Options] = {
    **{kind: operator.options for kind, operator in OPERATORS.items() if operator.options is not None},
    "DEQUANTIZE": _options("Dequantize", 0),
    "SHAPE": _options("Shape", 1, Field("out_type", 0, "int8", 0)),
    "ARG_MAX": _options("ArgMax", 1, Field("output_type", 0, "int8", 0)),
}
VERSIONS = {**{kind: operator.version for kind, operator in OPERATORS.items()}, "DEQUANTIZE": 2, "ARG_MAX": 2}
