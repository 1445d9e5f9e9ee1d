"""Starts a ResNet from a float checkpoint of the public CIFAR kind (``conv1``, ``layer1.0.conv1``, ..., ``linear``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from intrs_edge.errors import IntrsError
from intrs_edge.train.network import QatNetwork

# the usual normalisation of those checkpoints: (pixel / 255 - mean) / std, per channel
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def load_float_checkpoint(network: QatNetwork, path: Path) -> None:
    """Copies weights and batch statistics into the network and folds the input normalisation into the first
    convolution.

    The network sees pixel / 255, so weights are divided by std. The mean's share is a constant per output channel
    inside the image, taken up by the batch statistics; the border, where the checkpoint padded with mean-valued
    pixels, differs until trained. Networks built with ``shortcut="pad"`` match the public CIFAR ResNets exactly.
    Raises IntrsError naming what does not fit.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise IntrsError(
            f"{path} cannot be read as a torch checkpoint ({type(error).__name__}); give a state_dict file"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    state = {k.removeprefix("module."): v for k, v in state.items() if isinstance(v, Tensor)}
    target = network.state_dict()
    used = set()
    for key, value in _renamed(state).items():
        if key not in target or key.endswith("num_batches_tracked"):
            continue
        if target[key].shape != value.shape:
            raise IntrsError(
                f"{path}: {key} has shape {tuple(value.shape)}, the network needs {tuple(target[key].shape)}; "
                "choose the network it was trained as"
            )
        target[key].copy_(value)
        used.add(key)
    learned = {k for k, _ in network.named_parameters()} | {k for k in target if "running_" in k}
    if missing := sorted(learned - used):
        raise IntrsError(
            f"{path} lacks {len(missing)} of the network's tensors, {missing[0]} first; "
            "build the network with shortcut=pad to use a public CIFAR ResNet"
        )
    _fold_normalisation(network)


def _renamed(state: dict[str, Any]) -> dict[str, Tensor]:
    """The checkpoint's names as ours: layer2.0.bn1.weight -> modules_by_layer.s2b1_conv1.bn.weight."""
    out = {}
    for key, value in state.items():
        if match := re.fullmatch(r"(linear|fc)\.(weight|bias)", key):
            out[f"modules_by_layer.logits.{match[2]}"] = value
        elif match := re.fullmatch(r"(?:layer(\d+)\.(\d+)\.)?(conv|bn)(\d)\.(\w+)", key):
            stage, block, kind, index, part = match.groups()
            layer = f"s{stage}b{int(block) + 1}_conv{index}" if stage else "stem"
            out[f"modules_by_layer.{layer}.{part if kind == 'conv' else f'bn.{part}'}"] = value
    return out


def _fold_normalisation(network: QatNetwork) -> None:
    stem = network.modules_by_layer["stem"]
    channels = stem.weight.shape[1]
    if channels != len(MEAN):
        return
    with torch.no_grad():
        stem.weight /= torch.tensor(STD).reshape(1, -1, 1, 1)
        # conv(x / std) = conv((x - mean) / std) + constant: the batch norm subtracts the constant again
        stem.bn.running_mean += (stem.weight * torch.tensor(MEAN).reshape(1, -1, 1, 1)).sum((1, 2, 3))
