"""A trained quantisation-aware network -> IR, with exactly the learned scales (needs the extra ``train``)."""

from __future__ import annotations

from intrs_edge.convert.emit import Emitter, per_tensor
from intrs_edge.graph.ir import Graph
from intrs_edge.train.architecture import INPUT, Layer
from intrs_edge.train.frozen import FrozenNetwork, freeze
from intrs_edge.train.network import QatNetwork


def from_qat(network: QatNetwork | FrozenNetwork) -> Graph:
    """The int8 graph of a network: int8 NHWC in, int8 logits [1, classes] out, no QUANTIZE at the ends, no softmax."""
    frozen = freeze(network) if isinstance(network, QatNetwork) else network
    e = Emitter()
    x = e.tensor("input", (1, *frozen.arch.input_shape), "int8", per_tensor(*frozen.quant[INPUT]))
    values = {INPUT: x}
    for layer in frozen.arch.layers:
        values[layer.name] = _layer(e, layer, [values[name] for name in layer.inputs], frozen)
    return e.graph((x,), (values[frozen.arch.layers[-1].name],), frozen.arch.name, frozen.metadata)


def _layer(e: Emitter, layer: Layer, inputs: list[int], frozen: FrozenNetwork) -> int:
    x, name = inputs[0], layer.name
    quant = per_tensor(*frozen.quant[name])
    activation = "RELU" if layer.relu else "NONE"
    stride = (layer.stride, layer.stride)
    if layer.kind in ("conv", "depthwise"):
        w = frozen.weights[name]
        return e.conv(
            x, w.weight, w.scale, w.bias, quant, name,
            stride=stride, pad=layer.pad, depthwise=layer.kind == "depthwise", activation=activation,
        )  # fmt: skip
    if layer.kind == "linear":
        w = frozen.weights[name]
        flat = e.reshape(x, (1, w.weight.shape[1]), f"{name}/flat")
        return e.fully_connected(flat, w.weight, w.scale, w.bias, quant, name, activation)
    if layer.kind == "add":
        return e.add(x, inputs[1], quant, name, activation)
    if layer.kind == "average_pool":
        return e.pool("AVERAGE_POOL_2D", x, e.shape(x)[1:3], name)  # type: ignore[arg-type]
    if layer.kind == "max_pool":
        return e.pool("MAX_POOL_2D", x, layer.kernel, name, stride=stride, pad=layer.pad)
    _, h, w_, c = e.shape(x)
    thin = e.strided_slice(x, (0, 0, 0, 0), (1, h, w_, c), (1, *stride, 1), f"{name}/slice")
    before = (layer.shape[2] - c) // 2
    return e.pad(thin, (0, 0, 0, before), (0, 0, 0, layer.shape[2] - c - before), name)
