# SPDX-License-Identifier: Apache-2.0
"""Folds batch norm and padding into convolutions, and activations into what gives their input; drops what the output
does not need."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from intrs_edge.train.architecture import Layer

FUSED_ACTIVATIONS = ("conv", "conv_transpose", "linear", "add", "sub", "mul")


def fuse(
    layers: list[Layer], output: str, weights: dict[str, dict[str, Tensor]], norms: dict[str, nn.Module]
) -> list[Layer]:
    """The layers that ``output`` needs, in order, its own last; ``weights`` and ``norms`` follow the names."""
    needed = _needed(layers, output)
    users = _users(needed, output)
    done: dict[str, Layer] = {}
    alias: dict[str, str] = {}
    for found in needed:
        layer = replace(found, inputs=tuple(alias.get(i, i) for i in found.inputs))
        before = done.get(layer.inputs[0]) if users[found.inputs[0]] == 1 else None
        if layer.kind == "batch_norm":
            if before is not None and _folds(before):
                done[before.name] = replace(before, options={**before.options, "norm": True})
                norms[before.name] = norms.pop(layer.name)
                alias[found.name] = before.name
            else:
                done |= _lone_norm(layer, weights, norms)
        elif layer.kind in ("relu", "relu6") and before is not None and _activates(before):
            done[before.name] = replace(before, activation=layer.kind)
            alias[found.name] = before.name
        elif layer.kind == "conv" and before is not None and before.kind == "pad" and not _pads_channels(before):
            half = len(before.options["pad"]) // 2
            amounts = (*before.options["pad"][1:half], *before.options["pad"][half + 1 :])
            pad = tuple(a + b for a, b in zip(layer.options["pad"], amounts, strict=True))
            done[layer.name] = replace(layer, inputs=before.inputs, options={**layer.options, "pad": pad})
            del done[before.name]
        elif layer.kind == "relu6":
            done[layer.name] = replace(layer, kind="clip", options={"low": 0.0, "high": 6.0})
        else:
            done[layer.name] = layer
    return list(done.values())


def _folds(layer: Layer) -> bool:
    """Whether a norm behind a layer is over that layer's channels (a matrix product of rows has them last)."""
    if layer.activation or layer.kind not in ("conv", "conv_transpose", "linear") or layer.options["norm"]:
        return False
    return layer.kind != "linear" or len(layer.shape) == 1


def _activates(layer: Layer) -> bool:
    return not layer.activation and layer.kind in FUSED_ACTIVATIONS


def _pads_channels(layer: Layer) -> bool:
    pad = layer.options["pad"]
    return bool(pad[0] or pad[len(pad) // 2])


def _lone_norm(layer: Layer, weights: dict[str, dict[str, Tensor]], norms: dict[str, nn.Module]) -> dict[str, Layer]:
    """Batch norm that follows no convolution: a depthwise 1x1 convolution with weights of one. A vector is an image of
    one pixel."""
    shape = layer.shape if len(layer.shape) > 1 else (layer.shape[0], 1, 1)
    axes = len(shape) - 1
    ones = (1,) * axes
    options = {
        "kernel": ones, "stride": ones, "pad": (0,) * (2 * axes), "dilation": ones,
        "groups": shape[0], "norm": True, "bias": False,
    }  # fmt: skip
    if shape == layer.shape:
        weights[layer.name] = {}
        return {layer.name: replace(layer, kind="conv", options=options)}
    pixel, scaled = f"{layer.name}__pixel", f"{layer.name}__scaled"  # two underscores: no name of torch.fx
    weights[scaled], norms[scaled] = {}, norms.pop(layer.name)
    return {
        pixel: Layer(pixel, "reshape", layer.inputs, shape),
        scaled: Layer(scaled, "conv", (pixel,), shape, options=options),
        layer.name: Layer(layer.name, "reshape", (scaled,), layer.shape),
    }


def _needed(layers: list[Layer], output: str) -> list[Layer]:
    names, waiting, known = set(), [output], {layer.name: layer for layer in layers}
    while waiting:
        name = waiting.pop()
        if name not in names and name in known:
            names.add(name)
            waiting.extend(known[name].inputs)
    return [layer for layer in layers if layer.name in names]


def _users(layers: list[Layer], output: str) -> dict[str, int]:
    count = {output: 1}
    for layer in layers:
        for name in layer.inputs:
            count[name] = count.get(name, 0) + 1
    return count
