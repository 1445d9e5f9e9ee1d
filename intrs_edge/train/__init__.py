"""Quantisation-aware training on noisy integer images (needs the extra ``train``); see docs/train.md."""

from __future__ import annotations

from intrs_edge.errors import IntrsError

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:  # pragma: no cover - the test suite has torch
    raise IntrsError("training needs PyTorch; install it with: pip install 'intrs-edge[train]'") from error

from intrs_edge.train.architecture import NETWORKS, Architecture, Layer, architecture
from intrs_edge.train.config import TrainConfig
from intrs_edge.train.export import export_qdq
from intrs_edge.train.frozen import FrozenNetwork, Weights, freeze
from intrs_edge.train.inputs import InputQuant, choose_input_quant
from intrs_edge.train.loop import TrainResult, noisy_accuracy, train
from intrs_edge.train.network import QatNetwork, build_network, calibrate

__all__ = [
    "NETWORKS",
    "Architecture",
    "FrozenNetwork",
    "InputQuant",
    "Layer",
    "QatNetwork",
    "TrainConfig",
    "TrainResult",
    "Weights",
    "architecture",
    "build_network",
    "calibrate",
    "choose_input_quant",
    "export_qdq",
    "freeze",
    "noisy_accuracy",
    "train",
]
