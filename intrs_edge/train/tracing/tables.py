# SPDX-License-Identifier: Apache-2.0
"""Which handler serves each torch module, function and method, and what to use instead of what has none."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from intrs_edge.train.tracing.activations import (
    binary,
    concat,
    divide,
    functional,
    negate,
    of_module,
    power,
    reverse_subtract,
    square,
    stack,
)
from intrs_edge.train.tracing.moves import (
    chunk,
    constant,
    dropout,
    dropout_aten,
    getitem,
    narrow,
    pad,
    pad_aten,
    pad_module,
    permute,
    reshape,
    same,
    same_module,
    select,
    shuffle,
    slice_aten,
    softmax,
    softmax_module,
    split,
    transpose,
    unbind,
)
from intrs_edge.train.tracing.pools import (
    adaptive,
    average_pool,
    bilinear_aten,
    interpolate,
    largest_aten,
    max_pool,
    nearest_aten,
    pool_module,
    reduce,
    upsample,
)
from intrs_edge.train.tracing.values import Handler
from intrs_edge.train.tracing.weighted import (
    batch_norm,
    conv,
    conv_transpose,
    convolve,
    convolve_transposed,
    linear,
    matrix,
    normalise,
    normalise_aten,
    prelu,
    slopes,
)

_MAX = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
_AVERAGE, _LARGEST = adaptive("average_pool"), adaptive("max_pool")
_MEAN, _MOST = reduce("average_pool"), reduce("max_pool")
_average = pool_module(_AVERAGE, "output_size")
_largest = pool_module(_LARGEST, "output_size", "return_indices")

# subclasses before their bases
MODULES: dict[type[nn.Module], Handler] = {
    nn.Conv2d: conv, nn.Conv1d: conv, nn.ConvTranspose2d: conv_transpose, nn.Linear: linear,
    nn.BatchNorm2d: batch_norm, nn.BatchNorm1d: batch_norm, nn.SyncBatchNorm: batch_norm, nn.PReLU: prelu,
    nn.ReLU6: of_module("relu6"), nn.ReLU: of_module("relu"),
    nn.Hardtanh: of_module("hardtanh", low="min_val", high="max_val"),
    nn.LeakyReLU: of_module("leaky_relu", alpha="negative_slope"), nn.Sigmoid: of_module("sigmoid"),
    nn.Tanh: of_module("tanh"), nn.Hardswish: of_module("hard_swish"), nn.Hardsigmoid: of_module("hard_sigmoid"),
    nn.GELU: of_module("gelu", approximate="approximate"), nn.SiLU: of_module("silu"),
    nn.MaxPool2d: pool_module(max_pool, *_MAX), nn.MaxPool1d: pool_module(max_pool, *_MAX),
    nn.AvgPool2d: pool_module(average_pool, *_AVG, "divisor_override"), nn.AvgPool1d: pool_module(average_pool, *_AVG),
    nn.AdaptiveAvgPool2d: _average, nn.AdaptiveAvgPool1d: _average,
    nn.AdaptiveMaxPool2d: _largest, nn.AdaptiveMaxPool1d: _largest,
    nn.Flatten: reshape, nn.Unflatten: reshape, nn.ChannelShuffle: pool_module(shuffle, "groups"),
    nn.ZeroPad1d: pad_module, nn.ZeroPad2d: pad_module, nn.ConstantPad1d: pad_module, nn.ConstantPad2d: pad_module,
    nn.Upsample: upsample, nn.Identity: same_module, nn.Dropout: same_module, nn.Dropout1d: same_module,
    nn.Dropout2d: same_module, nn.AlphaDropout: same_module, nn.FeatureAlphaDropout: same_module,
    nn.Softmax: softmax_module, nn.LogSoftmax: softmax_module,
}  # fmt: skip

FUNCTIONS: dict[Any, Handler] = {
    operator.add: binary("add"), operator.iadd: binary("add"), torch.add: binary("add"),
    operator.sub: binary("sub"), operator.isub: binary("sub"), torch.sub: binary("sub"), torch.subtract: binary("sub"),
    operator.mul: binary("mul"), operator.imul: binary("mul"), torch.mul: binary("mul"), torch.multiply: binary("mul"),
    operator.truediv: divide, operator.itruediv: divide, torch.div: divide, torch.divide: divide,
    torch.true_divide: divide, torch.rsub: reverse_subtract, operator.neg: negate, torch.neg: negate,
    operator.pow: power, torch.pow: power, torch.square: square,
    F.relu: functional("relu"), F.relu_: functional("relu"), torch.relu: functional("relu"),
    torch.relu_: functional("relu"), F.relu6: functional("relu6"), F.leaky_relu: functional("leaky_relu"),
    F.leaky_relu_: functional("leaky_relu"), torch.sigmoid: functional("sigmoid"), F.sigmoid: functional("sigmoid"),
    torch.tanh: functional("tanh"), F.tanh: functional("tanh"), F.hardswish: functional("hard_swish"),
    F.hardsigmoid: functional("hard_sigmoid"), F.gelu: functional("gelu"), F.silu: functional("silu"),
    F.hardtanh: functional("hardtanh"), F.hardtanh_: functional("hardtanh"), torch.clamp: functional("clip"),
    torch.clip: functional("clip"), torch.clamp_min: functional("clip"), F.prelu: slopes, torch.prelu: slopes,
    torch.cat: concat, torch.concat: concat, torch.concatenate: concat, torch.stack: stack,
    F.conv2d: convolve, F.conv1d: convolve, F.conv_transpose2d: convolve_transposed, F.linear: matrix,
    F.batch_norm: normalise, F.max_pool2d: max_pool, torch.max_pool2d: max_pool, F.max_pool1d: max_pool,
    torch.max_pool1d: max_pool, F.avg_pool2d: average_pool, F.avg_pool1d: average_pool,
    F.adaptive_avg_pool2d: _AVERAGE, F.adaptive_avg_pool1d: _AVERAGE, F.adaptive_max_pool2d: _LARGEST,
    F.adaptive_max_pool1d: _LARGEST, torch.mean: _MEAN, torch.amax: _MOST,
    torch.flatten: reshape, torch.reshape: reshape, torch.squeeze: reshape, torch.unsqueeze: reshape,
    torch.unflatten: reshape, torch.permute: permute, torch.transpose: transpose, torch.swapaxes: transpose,
    operator.getitem: getitem, torch.narrow: narrow, torch.select: select, torch.unbind: unbind, torch.split: split,
    torch.chunk: chunk, F.pad: pad, F.interpolate: interpolate, F.dropout: dropout, F.dropout1d: dropout,
    F.dropout2d: dropout, F.softmax: softmax, torch.softmax: softmax, F.log_softmax: softmax,
    torch.log_softmax: softmax, torch.zeros_like: constant, torch.ones_like: constant,
    F.channel_shuffle: shuffle, torch.channel_shuffle: shuffle,
}  # fmt: skip

METHODS: dict[Any, Handler] = {
    "add": binary("add"), "add_": binary("add"), "sub": binary("sub"), "sub_": binary("sub"), "mul": binary("mul"),
    "mul_": binary("mul"), "div": divide, "div_": divide, "neg": negate, "pow": power, "square": square,
    "relu": functional("relu"), "relu_": functional("relu"), "sigmoid": functional("sigmoid"),
    "sigmoid_": functional("sigmoid"), "tanh": functional("tanh"), "tanh_": functional("tanh"),
    "clamp": functional("clip"), "clamp_": functional("clip"), "clip": functional("clip"),
    "clamp_min": functional("clip"), "mean": _MEAN, "amax": _MOST, "view": reshape, "reshape": reshape,
    "flatten": reshape, "unflatten": reshape, "squeeze": reshape, "unsqueeze": reshape, "view_as": reshape,
    "reshape_as": reshape, "permute": permute, "transpose": transpose, "swapaxes": transpose, "narrow": narrow,
    "select": select, "unbind": unbind, "chunk": chunk, "split": split, "contiguous": same, "clone": same,
    "float": same, "detach": same, "to": same, "type_as": same, "softmax": softmax, "log_softmax": softmax,
    "new_zeros": constant, "new_ones": constant, "new_full": constant, "new_tensor": constant,
}  # fmt: skip


def _aten() -> dict[Any, Handler]:
    """The same for the operators of torch.export; their weights are attributes of the graph."""
    a = torch.ops.aten
    named: dict[str, Handler] = {
        "relu": functional("relu"), "relu6": functional("relu6"), "hardtanh": functional("hardtanh"),
        "sigmoid": functional("sigmoid"), "tanh": functional("tanh"), "hardswish": functional("hard_swish"),
        "hardsigmoid": functional("hard_sigmoid"), "silu": functional("silu"), "gelu": functional("gelu"),
        "leaky_relu": functional("leaky_relu"), "clamp": functional("clip"), "clamp_min": functional("clip"),
        "dropout": dropout_aten, "feature_dropout": dropout_aten, "alpha_dropout": dropout_aten,
        "feature_alpha_dropout": dropout_aten,
        "conv1d": convolve, "conv2d": convolve, "linear": matrix, "batch_norm": normalise_aten, "prelu": slopes,
        "cat": concat, "stack": stack, "neg": negate, "square": square, "max_pool1d": max_pool, "max_pool2d": max_pool,
        "avg_pool1d": average_pool, "avg_pool2d": average_pool, "adaptive_avg_pool1d": _AVERAGE,
        "adaptive_avg_pool2d": _AVERAGE,
        "adaptive_max_pool1d": largest_aten, "adaptive_max_pool2d": largest_aten, "amax": _MOST,
        "view": reshape, "reshape": reshape, "squeeze": reshape,
        "unsqueeze": reshape, "alias": same, "detach": same, "permute": permute, "chunk": chunk,
        "constant_pad_nd": pad_aten, "pad": pad, "narrow": narrow, "contiguous": same, "clone": same,
        "zeros_like": constant,
        "split_with_sizes": split, "channel_shuffle": shuffle, "ones_like": constant, "new_zeros": constant,
    }  # fmt: skip
    overloads: dict[tuple[str, str], Handler] = {
        ("add", "Tensor"): binary("add"), ("sub", "Tensor"): binary("sub"), ("mul", "Tensor"): binary("mul"),
        ("div", "Tensor"): divide, ("rsub", "Scalar"): reverse_subtract, ("pow", "Tensor_Scalar"): power,
        ("mean", "dim"): _MEAN, ("flatten", "using_ints"): reshape, ("unflatten", "int"): reshape,
        ("squeeze", "dim"): reshape, ("squeeze", "dims"): reshape, ("transpose", "int"): transpose,
        ("slice", "Tensor"): slice_aten, ("select", "int"): select, ("unbind", "int"): unbind,
        ("split", "Tensor"): split, ("split_with_sizes", "default"): split,
        ("conv_transpose2d", "input"): convolve_transposed, ("upsample_nearest2d", "vec"): nearest_aten,
        ("upsample_bilinear2d", "vec"): bilinear_aten, ("conv2d", "padding"): convolve, ("conv1d", "padding"): convolve,
        ("softmax", "int"): softmax, ("log_softmax", "int"): softmax, ("to", "dtype"): same,
        ("_to_copy", "default"): same,
    }  # fmt: skip
    found: dict[Any, Handler] = {}
    for (name, overload), serves in {**{(n, "default"): h for n, h in named.items()}, **overloads}.items():
        for packet in (name, f"{name}_"):  # the second changes its operand in place
            if overload in getattr(getattr(a, packet, None), "overloads", list)():
                found[getattr(getattr(a, packet), overload)] = serves
    return found


FUNCTIONS |= _aten()

_NORM = "use BatchNorm2d"
_SMOOTH = "use ReLU, LeakyReLU, Hardswish, SiLU or GELU"
_SEQUENCE = "use convolutions"
_LARGER = "use relu(a - b) + b, or a max pool"
_CHOICE = "use ReLU, clamp or a product with a gate"
_FIXED = "noise comes from the training; leave it out"
_ANY = "replace it by convolutions, pools, arithmetic and the activations of docs/train.md"
REMEDIES = {
    "GroupNorm": _NORM, "LayerNorm": _NORM, "InstanceNorm1d": _NORM, "InstanceNorm2d": _NORM,
    "LocalResponseNorm": _NORM,
    "RMSNorm": _NORM, "group_norm": _NORM, "layer_norm": _NORM, "instance_norm": _NORM, "local_response_norm": _NORM,
    "ELU": _SMOOTH, "CELU": _SMOOTH, "SELU": _SMOOTH, "Mish": _SMOOTH, "Softplus": _SMOOTH, "Softsign": _SMOOTH,
    "elu": _SMOOTH, "celu": _SMOOTH, "selu": _SMOOTH, "mish": _SMOOTH, "softplus": _SMOOTH, "softsign": _SMOOTH,
    "RNN": _SEQUENCE, "LSTM": _SEQUENCE, "GRU": _SEQUENCE, "MultiheadAttention": _SEQUENCE,
    "TransformerEncoderLayer": _SEQUENCE, "TransformerEncoder": _SEQUENCE, "scaled_dot_product_attention": _SEQUENCE,
    "matmul": _SEQUENCE, "bmm": _SEQUENCE, "einsum": _SEQUENCE,
    "Conv3d": "use Conv2d", "MaxPool3d": "use MaxPool2d", "BatchNorm3d": "use BatchNorm2d",
    "ConvTranspose1d": "use ConvTranspose2d over one row", "PixelShuffle": "use ConvTranspose2d or Upsample",
    "pixel_shuffle": "use ConvTranspose2d or Upsample", "ReflectionPad2d": "use ZeroPad2d",
    "ReplicationPad2d": "use ZeroPad2d", "CircularPad2d": "use ZeroPad2d", "LPPool2d": "use AvgPool2d",
    "Embedding": "give the network numbers, not indices", "copy_": "build the tensor with torch.cat",
    "abs": "use relu(x) + relu(-x)", "maximum": _LARGER, "max": _LARGER, "minimum": _LARGER, "min": _LARGER,
    "where": _CHOICE, "gt": _CHOICE, "ge": _CHOICE, "lt": _CHOICE, "le": _CHOICE, "eq": _CHOICE, "ne": _CHOICE,
    "masked_fill": _CHOICE, "Threshold": _CHOICE, "RReLU": _SMOOTH, "rrelu": _SMOOTH, "LogSigmoid": _SMOOTH,
    "log_sigmoid": _SMOOTH, "logsigmoid": _SMOOTH, "erf": _SMOOTH, "exp": _SMOOTH, "log": _SMOOTH, "sqrt": _SMOOTH,
    "rsqrt": _SMOOTH, "sin": _SMOOTH, "cos": _SMOOTH, "cumsum": _SEQUENCE, "flip": "flip before the network",
    "rand_like": _FIXED, "randn_like": _FIXED, "rand": _FIXED, "randn": _FIXED, "bernoulli": _FIXED,
    "sum": "use a mean or an average pool", "einops": "use view and permute",
}  # fmt: skip


def remedy(name: str) -> str:
    """What to do about a module or function that has no quantised form."""
    base = name.partition(".")[0]
    return REMEDIES.get(base) or REMEDIES.get(base.rstrip("_"), _ANY)
