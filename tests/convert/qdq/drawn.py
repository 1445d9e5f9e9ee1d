"""Networks of one ONNX operator, drawn: shapes, windows, axes, scales, zero points, int8 and uint8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from .drawn_net import Draw, Net, scales, sides, small, window

### products ###


def conv(draw: Draw) -> Net:
    """Images and signals, groups and depth multipliers, a bias or not, what is per channel behind it."""
    group = draw(small)
    net = Net(draw, draw(st.sampled_from([3, 4])), channels=group * draw(small))
    kernel, out = sides(net), group * draw(small)
    inputs = [net.kernel(out, net.shape[1] // group, *kernel)]
    if draw(st.booleans()):
        inputs.append(net.real(out))
    net.node("Conv", *inputs, group=group, **window(net, kernel))
    behind(net, out)
    return net


def behind(net: Net, channels: int) -> None:
    """Nothing, or what is folded into the weights."""
    ones = [1] * (len(net.shape) - 2)
    what = net.draw(st.sampled_from(["", "Add", "Sub", "Mul", "Div", "Neg", "BatchNormalization"]))
    if what == "BatchNormalization":
        parts = [net.real(channels) for _ in range(3)]
        net.node(what, *parts, net.const(net.rng.uniform(0.1, 2, channels), np.float32))
    elif what == "Neg":
        net.node(what)
    elif what:
        net.node(what, net.real(channels, *ones))
    if net.draw(st.booleans()):
        net.node("Relu")


def conv_transpose(draw: Draw) -> Net:
    """Images and signals, groups, dilation, crops and rows behind the end."""
    group = draw(st.sampled_from([1, 1, 2, 3]))
    net = Net(draw, draw(st.sampled_from([3, 4])), channels=group * draw(small))
    kernel, part = sides(net), draw(small)
    axis = 0 if group == net.shape[1] > 1 and draw(st.booleans()) else 1
    strides, dilations = ([draw(small) for _ in kernel] for _ in range(2))
    attrs = {"strides": strides, "dilations": dilations if draw(st.booleans()) else [1] * len(kernel)}
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, attrs["dilations"], strict=True)]
    pads = [draw(st.integers(0, r - 1)) for r in reach * 2]
    more = [draw(st.integers(0, s - 1)) for s in strides]
    for i, (n, s, r) in enumerate(zip(net.shape[2:], strides, reach, strict=True)):
        assume((n - 1) * s + r + more[i] - pads[i] - pads[i + len(kernel)] > 0)
    weight = net.kernel(net.shape[1], part, *kernel, axis=axis)
    inputs = [weight, net.real(part * group)] if draw(st.booleans()) else [weight]
    net.node("ConvTranspose", *inputs, group=group, pads=pads, output_padding=more, kernel_shape=kernel, **attrs)
    behind(net, part * group)
    return net


def gemm(draw: Draw) -> Net:
    net = Net(draw)
    features = int(np.prod(net.shape))
    net.node("Flatten")
    out, turned = draw(st.integers(1, 6)), draw(st.booleans())
    weight = net.kernel(*((out, features) if turned else (features, out)), axis=0 if turned else 1)
    net.node("Gemm", weight, net.real(out), transB=int(turned), alpha=draw(st.sampled_from([1.0, 0.5])))
    return net


def matmul(draw: Draw) -> Net:
    """Rows times a matrix, or two values."""
    net = Net(draw, draw(st.sampled_from([3, 4])))
    if draw(st.booleans()):
        net.node("MatMul", net.kernel(net.shape[-1], draw(st.integers(1, 5)), axis=1))
        return net
    other = net.again()
    axes = [*range(len(net.shape) - 2), len(net.shape) - 1, len(net.shape) - 2]
    net.node("MatMul", net.node("Transpose", perm=axes, source=other), source=net.value)
    return net


### two operands ###


def operand(net: Net) -> str:
    """The input at another scale, a part of it, or an int8 constant; it broadcasts."""
    what = net.draw(st.sampled_from(["again", "mean", "constant"]))
    if what == "constant":
        shape = [n if net.draw(st.booleans()) else 1 for n in net.shape]
        shape = shape[net.draw(st.integers(0, len(shape) - 1)) :]
        return net.codes(net.rng.integers(-128, 128, shape), net.draw(scales), net.draw(st.integers(-128, 127)))
    again = net.again()
    if what == "again":
        return again
    net.node("GlobalAveragePool")
    return net.quantised(*net.last)


def binary(kind: str) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        net = Net(draw)
        other = operand(net)
        first, second = (net.value, other) if draw(st.booleans()) else (other, net.value)
        net.node(kind, second, source=first)
        if kind in ("Add", "Mul") and draw(st.booleans()):
            net.node("Relu")
        return net

    return case


def constant(kind: str) -> Callable[[Draw], Net]:
    """A quantised value and a float constant, of one number or one a channel."""

    def case(draw: Draw) -> Net:
        net = Net(draw)
        many = net.shape[1] if draw(st.booleans()) else 1
        net.node(kind, net.real(many, 1, 1))
        return net

    return case


def squared_difference(draw: Draw) -> Net:
    """Sub and Pow, or Sub and Mul by itself; a square of one value where the difference is quantised first."""
    net = binary("Sub")(draw)
    if net.most > 1:  # a step of the operand, where a tie moved it, is up to 2 |difference|, five, of the square
        net.most = 7
    if draw(st.booleans()):
        net.quantised(0.03, 5)
    net.node("Pow", net.const(2, np.float32)) if draw(st.booleans()) else net.node("Mul", net.at)
    return net


def several(kind: str) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        net = Net(draw)
        others = [operand(net) for _ in range(draw(small))]
        if draw(st.booleans()):
            others.append(net.const(0.1, np.float32))
        net.node(kind, *others, source=net.value)
        return net

    return case


### one value ###


def unary(kind: str, opset: int = 17, **attrs: Any) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        net = Net(draw, opset=opset)
        net.node(kind, **attrs)
        return net

    return case


def clip(draw: Draw) -> Net:
    net = Net(draw)
    low = draw(st.floats(-1, 0.5))
    net.node("Clip", net.const(low, np.float32), net.const(low + draw(st.floats(0.25, 3)), np.float32))
    return net


def prelu(draw: Draw) -> Net:
    """One slope, one a channel in float, or int8 ones."""
    net = Net(draw)
    c, what = net.shape[1], draw(st.sampled_from(["one", "float", "int8"]))
    if what == "int8":
        slope = net.codes(net.rng.integers(-128, 128, (c, 1, 1)), 0.01, draw(st.integers(-20, 20)))
    else:
        shape = (1,) if what == "one" else (c, 1, 1)
        slope = net.const(net.rng.uniform(-0.5, 1.2, shape), np.float32)
    net.node("PRelu", slope)
    return net


def inverse_root(draw: Draw) -> Net:
    """1 / sqrt, in two nodes or one, of values from half a unit on."""
    net = Net(draw, zero=-128)
    net.node("Clip", net.const(0.5, np.float32))
    net.quantised(*net.first)
    if draw(st.booleans()):
        net.node("Sqrt")
        net.node("Reciprocal")
    else:
        net.node("Pow", net.const(-0.5, np.float32))
    return net


def softmax(draw: Draw) -> Net:
    net = Net(draw, channels=draw(st.integers(2, 6)))
    net.node("Softmax", axis=1)
    net.fixed = (1 / 256, -128)
    return net


def sigmoid(draw: Draw) -> Net:
    net = unary("Sigmoid")(draw)
    net.fixed = (1 / 256, -128)
    return net


def norm(draw: Draw) -> Net:
    net = Net(draw, channels=draw(st.integers(2, 6)))
    net.node("LpNormalization", axis=1, p=2)
    net.fixed = (1 / 128, 0)
    return net


### windows and axes ###


def pool(kind: str) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        net = Net(draw, draw(st.sampled_from([3, 4])), 19)  # before, ONNX Runtime counts what ceil_mode adds
        kernel = sides(net)
        more = {"count_include_pad": int(draw(st.booleans()))} if kind == "AveragePool" else {}
        net.node(kind, ceil_mode=int(draw(st.booleans())), **more, **window(net, kernel, False))
        return net

    return case


def reduction(kind: str) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        net = Net(draw, draw(st.sampled_from([3, 4])), opset=18)
        axes = draw(st.lists(st.integers(1, len(net.shape) - 1), min_size=1, max_size=3, unique=True))
        keep = int(len(axes) == len(net.shape) - 1 or draw(st.booleans()))
        net.node(kind, net.ints([a - draw(st.sampled_from([0, len(net.shape)])) for a in axes]), keepdims=keep)
        return net

    return case


def resize(mode: str, how: dict[str, str]) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        net = Net(draw)
        times = draw(small)  # nearest neighbours by whole factors, where all conventions meet
        size = [n * times for n in net.shape[2:]] if mode == "nearest" else [draw(st.integers(1, 9)) for _ in "hw"]
        net.node("Resize", "", "", net.ints([*net.shape[:2], *size]), mode=mode, **how)
        return net

    return case


### moves ###


def concat(draw: Draw) -> Net:
    net = Net(draw)
    axis = draw(st.integers(1, 3))
    others = [net.again() for _ in range(draw(small))]
    net.node("Concat", *others, source=net.value, axis=axis)
    return net


def split(draw: Draw) -> Net:
    net = Net(draw, low=2, channels=draw(st.integers(2, 5)))
    axis = draw(st.integers(1, 3))
    first = draw(st.integers(1, net.shape[axis] - 1))
    out = net.node("Split", net.ints([first, net.shape[axis] - first]), outputs=2, axis=axis)
    net.node("Concat", out, source=f"{out}_1", axis=axis)
    return net


def slice_(draw: Draw) -> Net:
    net = Net(draw)
    rows = []
    for axis, n in enumerate(net.shape[1:], 1):
        step = draw(st.sampled_from([1, 2, -1, -2]))
        first, last = draw(st.integers(-n, n - 1)), draw(st.integers(-n, n))
        if range(n)[first:last:step]:
            rows.append((first, last, axis, step))
    assume(rows)
    net.node("Slice", *(net.ints(list(v)) for v in zip(*rows, strict=True)))
    return net


def pad(draw: Draw) -> Net:
    net = Net(draw)
    mode = draw(st.sampled_from(["constant", "reflect"]))
    most = [2 if mode == "constant" else min(2, n - 1) for n in net.shape[2:]]
    pads = [0, 0, *(draw(st.integers(0, m)) for m in most), 0, 0, *(draw(st.integers(0, m)) for m in most)]
    value = [net.const(draw(st.sampled_from([0.0, 0.1])), np.float32)] if mode == "constant" else []
    net.node("Pad", net.ints(pads), *value, mode=mode)
    return net


def moved(draw: Draw) -> Net:
    """Transposes, reshapes and flattens in a row."""
    net = Net(draw)
    c, h, w = net.shape[1:]
    axes = draw(st.permutations([1, 2, 3]))
    net.node("Transpose", perm=[0, *axes])
    if draw(st.booleans()):
        net.node("Reshape", net.ints([1, h, c * w]))
        net.node(draw(st.sampled_from(["Flatten", "Relu"])))
    elif draw(st.booleans()):
        net.node("Unsqueeze", net.ints([2]))
        net.node("Squeeze", net.ints([2]))
    return net


def gather(draw: Draw) -> Net:
    net = Net(draw)
    axis = draw(st.integers(1, 3))
    rows = draw(st.lists(st.integers(-net.shape[axis], net.shape[axis] - 1), min_size=1, max_size=4))
    net.node("Gather", net.ints(rows if draw(st.booleans()) else rows[0]), axis=axis)
    return net


def blocks(kind: str) -> Callable[[Draw], Net]:
    def case(draw: Draw) -> Net:
        b = draw(small)
        net = Net(draw, channels=draw(small) * (b * b if kind == "DepthToSpace" else 1))
        if kind == "SpaceToDepth":
            net.node("Resize", "", "", net.ints([*net.shape[:2], *(n * b for n in net.shape[2:])]), mode="nearest",
                     nearest_mode="floor", coordinate_transformation_mode="asymmetric")  # fmt: skip
        more = {"mode": draw(st.sampled_from(["DCR", "CRD"]))} if kind == "DepthToSpace" else {}
        net.node(kind, blocksize=b, **more)
        return net

    return case


ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
CASES: dict[str, Callable[[Draw], Net]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    **{kind: binary(kind) for kind in ("Add", "Sub", "Mul")},
    **{f"{kind} of a constant": constant(kind) for kind in ("Add", "Sub", "Mul", "Div")},
    "squared difference": squared_difference,
    "Max": several("Max"),
    "Min": several("Min"),
    **{kind: unary(kind) for kind in ("Relu", "Tanh", "Abs", "Exp", "Neg", "HardSwish", "GlobalAveragePool")},
    "GlobalMaxPool": unary("GlobalMaxPool"),
    "LeakyRelu": unary("LeakyRelu", alpha=0.3),
    "HardSigmoid": unary("HardSigmoid", alpha=0.25),
    "Gelu": unary("Gelu", opset=20),
    "Gelu by tanh": unary("Gelu", opset=20, approximate="tanh"),
    "Clip": clip,
    "PRelu": prelu,
    "1 / sqrt": inverse_root,
    "Softmax": softmax,
    "Sigmoid": sigmoid,
    "LpNormalization": norm,
    "MaxPool": pool("MaxPool"),
    "AveragePool": pool("AveragePool"),
    **{kind: reduction(kind) for kind in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")},
    "Resize": resize("nearest", ASYMMETRIC),
    "Resize, half pixels": resize("linear", {"coordinate_transformation_mode": "half_pixel"}),
    "Resize, corners": resize("linear", {"coordinate_transformation_mode": "align_corners"}),
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Pad": pad,
    "moves": moved,
    "Gather": gather,
    "SpaceToDepth": blocks("SpaceToDepth"),
    "DepthToSpace": blocks("DepthToSpace"),
}
# named in no key of their own
WITHIN = {
    "1 / sqrt": {"Sqrt", "Reciprocal", "Pow"}, "moves": {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"},
    "Conv": {"BatchNormalization", "Div"}, "Resize": {"Upsample"},
}  # fmt: skip
