# SPDX-License-Identifier: Apache-2.0
"""A trained network as plain numbers: int8 weights, int32 biases, scales and zero points, layer by layer. No torch
beyond here."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intrs_edge.errors import IntrsError
from intrs_edge.graph.preprocessing import Preprocessing
from intrs_edge.train.architecture import INPUT, Architecture
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.quantise import QatPrelu


@dataclass(frozen=True)
class Weights:
    """weight: int8 in torch's order (conv [O, I/groups, kh, kw], linear [O, I], PReLU slopes [C]); scale: float32 [O]
    or [1], along ``axis``; bias: int32 [O], or None where a layer has none."""

    weight: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32] | None
    axis: int = 0


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
    if network.input_scale.device.type != "cpu":
        network = copy.deepcopy(network).cpu()
    names = (INPUT, *(layer.name for layer in network.arch.layers))
    quant, weights = {}, {}
    with torch.no_grad():
        for name in names:
            scale, zero = network.qparams(name)
            quant[name] = (np.float32(scale.item()), int(zero))
        for layer in network.arch.layers:
            module = dict(network.modules_by_layer).get(layer.name)
            if isinstance(module, QatPrelu):
                weights[layer.name] = Weights(
                    _lattice(module.weight, module.slope_scale(), 0), module.slope_scale().numpy().copy(), None
                )
            elif module is not None:
                input_scale = network.qparams(layer.inputs[0])[0]
                weight, bias, scale = module.folded(input_scale)
                unit = (input_scale * scale).double()
                b = torch.round(bias.double() / unit).to(torch.int32).numpy()
                q = _lattice(weight, scale, module.channel_axis)
                weights[layer.name] = Weights(q, scale.numpy().copy(), b, module.channel_axis)
    metadata = {"intrs.sigma": repr(float(network.sigma)), "intrs.input": json.dumps(_said(network.reads))}
    if network.classes:
        metadata["intrs.classes"] = json.dumps(list(network.classes))
    return FrozenNetwork(network.arch, quant, weights, metadata)


def _said(reads: Preprocessing) -> dict[str, object]:
    """The metadata ``intrs.input`` (docs/convert.md); the layout is the file's own."""
    return {key: value for key, value in reads.as_json().items() if key != "layout"}


def _lattice(weight: Tensor, scale: Tensor, axis: int) -> npt.NDArray[np.int8]:
    """Rounded as ``torch.fake_quantize_*`` rounds."""
    along = [-1 if i == axis else 1 for i in range(weight.dim())]
    q: npt.NDArray[np.int8] = (
        torch.clamp(torch.round(weight * (1.0 / scale).reshape(along)), -127, 127).to(torch.int8).numpy()
    )
    return np.ascontiguousarray(q)
