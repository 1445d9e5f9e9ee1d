# SPDX-License-Identifier: Apache-2.0
"""The names that public checkpoints give their tensors, as those of the built-in networks."""

from __future__ import annotations

import re
from collections.abc import Iterable

PARTS = ("expand", "depthwise", "project")


def layout_of(keys: Iterable[str]) -> dict[str, str]:
    """Checkpoint's name -> `QatNetwork`'s, for the tensors that are known: residual networks (the CIFAR kinds and
    torchvision's), torchvision's MobileNetV2, EfficientNet-Lite as efficientnet_pytorch names it."""
    known = list(keys)
    if "_conv_stem.weight" in known:
        return _efficientnet(known)
    return _mobilenet(known) if "features.0.0.weight" in known else _resnet(known)


def _ours(layer: str, norm: bool, part: str) -> str:
    return f"modules_by_layer.{layer}.{'bn.' if norm else ''}{part}"


def _resnet(keys: list[str]) -> dict[str, str]:
    """layer2.0.bn1.weight -> modules_by_layer.s2b1_conv1.bn.weight."""
    out = {}
    for key in keys:
        if match := re.fullmatch(r"(?:linear|fc)\.(weight|bias)", key):
            out[key] = _ours("logits", False, match[1])
        elif match := re.fullmatch(r"(?:layer(\d+)\.(\d+)\.)?(conv|bn)(\d)\.(\w+)", key):
            stage, block, kind, index, part = match.groups()
            layer = f"s{stage}b{int(block) + 1}_conv{index}" if stage else "stem"
            out[key] = _ours(layer, kind == "bn", part)
        elif match := re.fullmatch(r"layer(\d+)\.(\d+)\.(?:downsample|shortcut)\.([01])\.(\w+)", key):
            stage, block, index, part = match.groups()
            out[key] = _ours(f"s{stage}b{int(block) + 1}_skip", index == "1", part)
    return out


def _mobilenet(keys: list[str]) -> dict[str, str]:
    """features.2.conv.1.0.weight -> modules_by_layer.b2_depthwise.weight; a block of three convolutions has a
    conv.3."""
    last = max(int(m[1]) for key in keys if (m := re.match(r"features\.(\d+)\.", key)))
    out = {}
    for key in keys:
        if match := re.fullmatch(r"classifier\.1\.(weight|bias)", key):
            out[key] = _ours("logits", False, match[1])
        elif match := re.fullmatch(r"features\.(\d+)\.([01])\.(\w+)", key):
            number, index, part = match.groups()
            if int(number) in (0, last):
                out[key] = _ours("head" if int(number) else "stem", index == "1", part)
        elif match := re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(?:([01])\.)?(\w+)", key):
            number, index, within, part = match.groups()
            parts = PARTS if f"features.{number}.conv.3.weight" in keys else PARTS[1:]
            at = int(index) - (within is None and int(index) == len(parts))  # the norm behind the last convolution
            if at < len(parts):
                norm = within == "1" if within is not None else int(index) == len(parts)
                out[key] = _ours(f"b{number}_{parts[at]}", norm, part)
    return out


def _efficientnet(keys: list[str]) -> dict[str, str]:
    """_blocks.1._bn1.weight -> modules_by_layer.b2_depthwise.bn.weight."""
    out = {}
    for key in keys:
        if match := re.fullmatch(r"_fc\.(weight|bias)", key):
            out[key] = _ours("logits", False, match[1])
        elif match := re.fullmatch(r"_conv_(stem|head)\.(\w+)", key):
            out[key] = _ours(match[1], False, match[2])
        elif match := re.fullmatch(r"_bn([01])\.(\w+)", key):
            out[key] = _ours(("stem", "head")[int(match[1])], True, match[2])
        elif match := re.fullmatch(r"_blocks\.(\d+)\._(?:(expand|depthwise|project)_conv|bn([012]))\.(\w+)", key):
            number, name, index, part = match.groups()
            out[key] = _ours(f"b{int(number) + 1}_{name or PARTS[int(index)]}", name is None, part)
    return out
