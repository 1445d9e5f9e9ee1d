"""The part of TFLite's schema that the project speaks: which option fields an operator has, in which slot, under which
name.

One table serves reader and writer. Numbers of operators, option types and tensor types come from the `tflite` package.
"""

from __future__ import annotations

from dataclasses import dataclass

from tflite.BuiltinOperator import BuiltinOperator
from tflite.BuiltinOptions import BuiltinOptions
from tflite.TensorType import TensorType

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3

OPERATORS: dict[int, str] = {v: k for k, v in vars(BuiltinOperator).items() if not k.startswith("_")}
OPERATOR_CODES: dict[str, int] = {v: k for k, v in OPERATORS.items()}
TENSOR_TYPES: dict[int, str] = {v: k.lower() for k, v in vars(TensorType).items() if not k.startswith("_")}
TENSOR_CODES: dict[str, int] = {v: k for k, v in TENSOR_TYPES.items()}

PADDING = ("SAME", "VALID")
ACTIVATION = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
MIRROR = ("REFLECT", "SYMMETRIC")
WEIGHTS_FORMAT = ("DEFAULT", "SHUFFLED4x16INT8")


@dataclass(frozen=True)
class Field:
    """One option field: attribute name, slot, type ("enum" is an int8 with names), TFLite's default."""

    name: str
    slot: int
    type: str  # int32 | int8 | bool | float32 | enum | ints
    default: int | float | bool = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """The options table of an operator: the union member's number, the number of slots, the fields."""

    type: int
    slots: int
    fields: tuple[Field, ...] = ()


def _enum(name: str, slot: int, names: tuple[str, ...]) -> Field:
    return Field(name, slot, "enum", 0, names)


def _int(name: str, slot: int, default: int = 0) -> Field:
    return Field(name, slot, "int32", default)


def _bool(name: str, slot: int, default: bool = False) -> Field:
    return Field(name, slot, "bool", default)


_POOL = Options(
    BuiltinOptions.Pool2DOptions,
    6,
    (
        _enum("padding", 0, PADDING),
        _int("stride_w", 1),
        _int("stride_h", 2),
        _int("filter_w", 3),
        _int("filter_h", 4),
        _enum("activation", 5, ACTIVATION),
    ),
)
_ACTIVATED = (_enum("activation", 0, ACTIVATION),)
_REDUCER = Options(BuiltinOptions.ReducerOptions, 1, (_bool("keep_dims", 0),))
_MAXMIN = Options(BuiltinOptions.MaximumMinimumOptions, 0)

OPTIONS: dict[str, Options] = {
    "CONV_2D": Options(
        BuiltinOptions.Conv2DOptions,
        7,
        (
            _enum("padding", 0, PADDING),
            _int("stride_w", 1),
            _int("stride_h", 2),
            _enum("activation", 3, ACTIVATION),
            _int("dilation_w", 4, 1),
            _int("dilation_h", 5, 1),
        ),
    ),
    "DEPTHWISE_CONV_2D": Options(
        BuiltinOptions.DepthwiseConv2DOptions,
        7,
        (
            _enum("padding", 0, PADDING),
            _int("stride_w", 1),
            _int("stride_h", 2),
            _int("depth_multiplier", 3),
            _enum("activation", 4, ACTIVATION),
            _int("dilation_w", 5, 1),
            _int("dilation_h", 6, 1),
        ),
    ),
    "FULLY_CONNECTED": Options(
        BuiltinOptions.FullyConnectedOptions,
        5,
        (
            _enum("activation", 0, ACTIVATION),
            _enum("weights_format", 1, WEIGHTS_FORMAT),
            _bool("keep_num_dims", 2),
        ),
    ),
    "TRANSPOSE_CONV": Options(
        BuiltinOptions.TransposeConvOptions,
        4,
        (
            _enum("padding", 0, PADDING),
            _int("stride_w", 1),
            _int("stride_h", 2),
            _enum("activation", 3, ACTIVATION),
        ),
    ),
    "BATCH_MATMUL": Options(
        BuiltinOptions.BatchMatMulOptions,
        3,
        (_bool("adj_x", 0), _bool("adj_y", 1), _bool("asymmetric_quantize_inputs", 2)),
    ),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "ADD": Options(BuiltinOptions.AddOptions, 2, _ACTIVATED),
    "SUB": Options(BuiltinOptions.SubOptions, 2, _ACTIVATED),
    "MUL": Options(BuiltinOptions.MulOptions, 1, _ACTIVATED),
    "MAXIMUM": _MAXMIN,
    "MINIMUM": _MAXMIN,
    "MEAN": _REDUCER,
    "SUM": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "PAD": Options(BuiltinOptions.PadOptions, 0),
    "PADV2": Options(BuiltinOptions.PadV2Options, 0),
    "MIRROR_PAD": Options(BuiltinOptions.MirrorPadOptions, 1, (_enum("mode", 0, MIRROR),)),
    "RESHAPE": Options(BuiltinOptions.ReshapeOptions, 1, (Field("new_shape", 0, "ints"),)),
    "SQUEEZE": Options(BuiltinOptions.SqueezeOptions, 1, (Field("squeeze_dims", 0, "ints"),)),
    "EXPAND_DIMS": Options(BuiltinOptions.ExpandDimsOptions, 0),
    "TRANSPOSE": Options(BuiltinOptions.TransposeOptions, 0),
    "CONCATENATION": Options(
        BuiltinOptions.ConcatenationOptions, 2, (_int("axis", 0), _enum("activation", 1, ACTIVATION))
    ),
    "SPLIT": Options(BuiltinOptions.SplitOptions, 1, (_int("num_splits", 0),)),
    "SPLIT_V": Options(BuiltinOptions.SplitVOptions, 1, (_int("num_splits", 0),)),
    "UNPACK": Options(BuiltinOptions.UnpackOptions, 2, (_int("num", 0), _int("axis", 1))),
    "GATHER": Options(BuiltinOptions.GatherOptions, 2, (_int("axis", 0), _int("batch_dims", 1))),
    "SPACE_TO_DEPTH": Options(BuiltinOptions.SpaceToDepthOptions, 1, (_int("block_size", 0),)),
    "DEPTH_TO_SPACE": Options(BuiltinOptions.DepthToSpaceOptions, 1, (_int("block_size", 0),)),
    "TILE": Options(BuiltinOptions.TileOptions, 0),
    "REVERSE_V2": Options(BuiltinOptions.ReverseV2Options, 0),
    "BROADCAST_TO": Options(BuiltinOptions.BroadcastToOptions, 0),
    "STRIDED_SLICE": Options(
        BuiltinOptions.StridedSliceOptions,
        6,
        (
            _int("begin_mask", 0),
            _int("end_mask", 1),
            _int("ellipsis_mask", 2),
            _int("new_axis_mask", 3),
            _int("shrink_axis_mask", 4),
            _bool("offset", 5),
        ),
    ),
    "SLICE": Options(BuiltinOptions.SliceOptions, 0),
    "LEAKY_RELU": Options(BuiltinOptions.LeakyReluOptions, 1, (Field("alpha", 0, "float32", 0.0),)),
    "HARD_SWISH": Options(BuiltinOptions.HardSwishOptions, 0),
    "SOFTMAX": Options(BuiltinOptions.SoftmaxOptions, 1, (Field("beta", 0, "float32", 0.0),)),
    "RESIZE_NEAREST_NEIGHBOR": Options(
        BuiltinOptions.ResizeNearestNeighborOptions, 2, (_bool("align_corners", 0), _bool("half_pixel_centers", 1))
    ),
    "RESIZE_BILINEAR": Options(
        BuiltinOptions.ResizeBilinearOptions, 4, (_bool("align_corners", 2), _bool("half_pixel_centers", 3))
    ),
    "SQUARED_DIFFERENCE": Options(BuiltinOptions.SquaredDifferenceOptions, 0),
    "L2_NORMALIZATION": Options(BuiltinOptions.L2NormOptions, 1, (_enum("activation", 0, ACTIVATION),)),
    "QUANTIZE": Options(BuiltinOptions.QuantizeOptions, 0),
    "DEQUANTIZE": Options(BuiltinOptions.DequantizeOptions, 0),
    "ABS": Options(BuiltinOptions.AbsOptions, 0),
    "EXP": Options(BuiltinOptions.ExpOptions, 0),
    "GELU": Options(BuiltinOptions.GeluOptions, 1, (_bool("approximate", 0),)),
    "SHAPE": Options(BuiltinOptions.ShapeOptions, 1, (Field("out_type", 0, "int8", 0),)),
    "PACK": Options(BuiltinOptions.PackOptions, 2, (_int("values_count", 0), _int("axis", 1))),
    "ARG_MAX": Options(BuiltinOptions.ArgMaxOptions, 1, (Field("output_type", 0, "int8", 0),)),
}

# the lowest operator version that has int8 (an interpreter refuses a version it does not know; absent: 1)
_NEW_IN_2 = (
    "AVERAGE_POOL_2D MAX_POOL_2D ADD SUB MUL MAXIMUM MINIMUM MEAN PAD PADV2 MIRROR_PAD TRANSPOSE CONCATENATION SPLIT"
    " STRIDED_SLICE SLICE RELU RELU6 LEAKY_RELU LOGISTIC TANH SOFTMAX RESIZE_NEAREST_NEIGHBOR QUANTIZE"
    " DEQUANTIZE ARG_MAX PACK UNPACK SPLIT_V GATHER SPACE_TO_DEPTH BROADCAST_TO SUM REDUCE_MAX REDUCE_MIN"
    " RESIZE_BILINEAR SQUARED_DIFFERENCE L2_NORMALIZATION BATCH_MATMUL"
)
VERSIONS: dict[str, int] = {
    **dict.fromkeys(_NEW_IN_2.split(), 2),
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "TRANSPOSE_CONV": 3,
}
