"""A trained network as plain numbers: int8 weights, int32 biases, scales and zero points, layer by layer. No torch
beyond here."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from intrs_edge.errors import IntrsError
from intrs_edge.train.architecture import INPUT, WEIGHTED, Architecture
from intrs_edge.train.network import QatNetwork


@dataclass(frozen=True)
class Weights:
    """weight: int8, conv [O, kh, kw, I], depthwise [O, kh, kw, 1], linear [O, H*W*C]; scale: float32 [O] or [1];
    bias: int32 [O]."""

    weight: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32]


@dataclass(frozen=True)
class FrozenNetwork:
    """What conversion needs. ``quant`` gives scale (float32) and zero point of every layer's output and of
    ``input``."""

    arch: Architecture
    quant: dict[str, tuple[np.float32, int]]
    weights: dict[str, Weights]
    metadata: dict[str, str]


def freeze(network: QatNetwork) -> FrozenNetwork:
    """The numbers of a network, as its frozen forward pass uses them.

    Raises IntrsError naming the first layer whose range was never observed: any scale written for it would be made up.
    """
    if blind := [name for name, quant in network.quants.items() if not bool(quant.seen)]:
        raise IntrsError(
            f"layer {blind[0]!r} has seen no data, so its scale is unknown ({len(blind)} of {len(network.quants)} "
            "layers); train with quantisation for at least one batch, or calibrate the network"
        )
    names = (INPUT, *(layer.name for layer in network.arch.layers))
    quant, weights = {}, {}
    with torch.no_grad():
        for name in names:
            scale, zero = network.qparams(name)
            quant[name] = (np.float32(scale.item()), int(zero))
        for layer in network.arch.layers:
            if layer.kind not in WEIGHTED:
                continue
            input_scale = network.qparams(layer.inputs[0])[0]
            weight, bias, scale = network.modules_by_layer[layer.name].folded(input_scale)
            shape = (-1,) + (1,) * (weight.dim() - 1)
            q = torch.clamp(torch.round(weight * (1.0 / scale).reshape(shape)), -127, 127).to(torch.int8).numpy()
            if q.ndim == 4:
                q = np.ascontiguousarray(q.transpose(0, 2, 3, 1))
            unit = (input_scale * scale).double()
            b = torch.round(bias.double() / unit).to(torch.int32).numpy()
            weights[layer.name] = Weights(q, scale.numpy().copy(), b)
    metadata = {"intrs.sigma": repr(float(network.sigma))}
    if network.classes:
        metadata["intrs.classes"] = json.dumps(list(network.classes))
    return FrozenNetwork(network.arch, quant, weights, metadata)
