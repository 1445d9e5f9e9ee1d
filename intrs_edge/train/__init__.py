# SPDX-License-Identifier: Apache-2.0
"""Quantisation-aware training on noisy integer images (needs the extra ``train``); see docs/train.md.

Names are loaded when they are asked for, so that the parts without torch (settings, architectures, input quantisation)
work without it, and the others say in a line what to install.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from intrs_edge.errors import IntrsError

if TYPE_CHECKING:
    from intrs_edge.train.architecture import Architecture, Layer
    from intrs_edge.train.config import TrainConfig
    from intrs_edge.train.frozen import FrozenNetwork, Weights, freeze
    from intrs_edge.train.inputs import InputQuant, choose_input_quant
    from intrs_edge.train.loop import TrainResult, noisy_accuracy, train
    from intrs_edge.train.network import QatNetwork, build_network, calibrate
    from intrs_edge.train.networks import NETWORKS, build_architecture
    from intrs_edge.train.noise import NoiseBank
    from intrs_edge.train.onnx_writer import export, export_qdq
    from intrs_edge.train.trace import from_torch, prepare

_HOMES = {
    "architecture": ("Architecture", "Layer"),
    "config": ("TrainConfig",),
    "noise": ("NoiseBank",),
    "onnx_writer": ("export", "export_qdq"),
    "frozen": ("FrozenNetwork", "Weights", "freeze"),
    "inputs": ("InputQuant", "choose_input_quant"),
    "loop": ("TrainResult", "noisy_accuracy", "train"),
    "network": ("QatNetwork", "build_network", "calibrate"),
    "networks": ("NETWORKS", "build_architecture"),
    "trace": ("from_torch", "prepare"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "NETWORKS",
    "Architecture",
    "FrozenNetwork",
    "InputQuant",
    "Layer",
    "NoiseBank",
    "QatNetwork",
    "TrainConfig",
    "TrainResult",
    "Weights",
    "build_architecture",
    "build_network",
    "calibrate",
    "choose_input_quant",
    "export",
    "export_qdq",
    "freeze",
    "from_torch",
    "noisy_accuracy",
    "prepare",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise IntrsError("training needs PyTorch; install it with: pip install 'intrs-edge[train]'") from error
    return value


class _Callable(ModuleType):
    """``intrs_edge.train(...)`` trains (`api.train`), though the name is this package's."""

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        from intrs_edge import api  # noqa: PLC0415 - which imports from everywhere

        return api.train(*arguments, **settings)


sys.modules[__name__].__class__ = _Callable
