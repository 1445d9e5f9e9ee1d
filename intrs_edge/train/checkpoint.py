# SPDX-License-Identifier: Apache-2.0
"""What a training starts from: a float checkpoint of a public network (`layouts`), a module's own state_dict, or a
model that ``train`` wrote."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from intrs_edge.errors import IntrsError
from intrs_edge.train.layouts import layout_of
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.quantise import ActivationQuant, QatWeights


def is_model(path: Path) -> bool:
    """Whether a start is a model that ``train`` wrote, not a checkpoint."""
    return path.suffix == ".onnx"


def load_module(module: nn.Module, path: Path) -> None:
    """Loads a module's own state_dict (under ``state_dict`` or ``model`` too, with or without ``module.`` in front).

    Raises IntrsError naming the first tensors that do not fit; nothing is left at random without a word.
    """
    state, target = _tensors(path), module.state_dict()
    wrong = [
        f"{k} has the shape {tuple(state[k].shape)}, the network needs {tuple(v.shape)}"
        for k, v in target.items()
        if k in state and state[k].shape != v.shape
    ]
    wrong += [f"{k} is missing" for k in target if k not in state and not k.endswith("num_batches_tracked")]
    wrong += [f"the network has no {k}" for k in state if k not in target]
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise IntrsError(f"{path}: {'; '.join(wrong[:5])}{more}; give the checkpoint of this very network")
    module.load_state_dict(state, strict=False)


def load_model_weights(network: QatNetwork, path: Path) -> None:
    """Weights and ranges of a model that ``train`` wrote for the same network. Its batch norms are folded: they begin
    as identities, so `match_statistics` must follow before training goes on. Raises IntrsError for another network."""
    _there(path)
    try:
        model = onnx.load(path, load_external_data=False)
        if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
            raise ValueError("it names other files")
        values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    except Exception as error:
        raise IntrsError(
            f"{path} cannot be read as ONNX ({type(error).__name__}); give a model.onnx of train"
        ) from error
    if model.producer_name != "intrs-edge":
        raise IntrsError(f"{path} was not written by train; give a checkpoint of the network instead")
    with torch.no_grad():
        for layer in network.arch.layers:
            try:
                if layer.name in network.modules_by_layer:
                    _take_weights(network.modules_by_layer[layer.name], layer.name, values)
                if layer.name in network.quants:
                    quant = network.quants[layer.name]
                    scale, zero = float(values[f"{layer.name}_scale"]), int(values[f"{layer.name}_zero"])
                    set_range(quant, scale, zero)
            except KeyError as error:
                raise IntrsError(
                    f"{path} has no {error.args[0]}: it is another network; give the same --network and --set"
                ) from error
            except (ValueError, TypeError, RuntimeError, OverflowError) as error:
                raise IntrsError(f"{path}: the numbers of {layer.name} do not fit together; it is damaged") from error


def set_range(quant: ActivationQuant, scale: float, zero: int) -> None:
    """Gives an observer the range of a float32 scale and a zero point, so that it computes that very scale again."""
    quant.seen.fill_(True)
    ulp = 2.0**-24
    for a, b in sorted(itertools.product(range(-4, 5), repeat=2), key=lambda steps: max(map(abs, steps))):
        quant.low.fill_((-128 - zero) * scale * (1 + a * ulp))
        quant.high.fill_((127 - zero) * scale * (1 + b * ulp))
        if quant.qparams() == (scale, zero):
            return


def _take_weights(module: nn.Module, name: str, values: dict[str, npt.NDArray[Any]]) -> None:
    q, scale = values[f"{name}_weight_q"], values[f"{name}_weight_scale"]
    weight = q.astype(np.float32).reshape(tuple(module.weight.shape) if q.size == module.weight.numel() else q.shape)
    if weight.shape != tuple(module.weight.shape):
        raise KeyError(f"{name}_weight_q of the shape {tuple(module.weight.shape)}")
    axis = getattr(module, "channel_axis", 0)
    along = [-1 if i == axis else 1 for i in range(weight.ndim)] if scale.ndim else [1] * weight.ndim
    if module.weight.requires_grad:
        module.weight.copy_(torch.from_numpy(weight * scale.reshape(along)))
    if not isinstance(module, QatWeights):
        return
    bias = torch.from_numpy(
        (values[f"{name}_bias_q"].astype(np.float64) * values[f"{name}_bias_scale"]).astype(np.float32)
    )
    if module.bn is None:
        if module.bias is not None:
            module.bias.copy_(bias)
        return
    if module.bias is not None:
        module.bias.zero_()
    module.bn.running_mean.zero_()
    module.bn.running_var.fill_(1.0)
    gain = torch.sqrt(module.bn.running_var + module.bn.eps)
    if not module.weight.requires_grad:  # batch norm by itself: the weight is one, the gain is the norm's
        gain = gain * torch.from_numpy(weight * scale.reshape(along)).flatten()
    module.bn.weight.copy_(gain)
    module.bn.bias.copy_(bias)


def match_statistics(network: QatNetwork, pixels: npt.NDArray[np.integer[Any]], batch: int = 100) -> None:
    """Gives identity batch norms the statistics of lattice integers [N, H, W, C], and a gain and offset that undo them:
    the network computes what it did, and training with batch statistics starts from there."""
    norms = [m.bn for m in network.modules() if isinstance(m, QatWeights) and m.bn is not None]
    sums: dict[nn.Module, list[Any]] = {bn: [0.0, 0.0, 0] for bn in norms}

    def record(bn: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        axes = [0, *range(2, x.dim())]
        found = sums[bn]
        found[0] = found[0] + x.sum(axes)
        found[1] = found[1] + x.square().sum(axes)
        found[2] += x.numel() // x.shape[1]

    hooks = [bn.register_forward_pre_hook(record) for bn in norms]
    quantising, training = network.quantising, network.training
    network.quantise(False)
    network.eval()
    with torch.no_grad():
        for i in range(0, len(pixels), batch):
            network(network.quantise_input(pixels[i : i + batch]))
        for bn, (total, squares, count) in sums.items():
            gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
            offset = bn.bias - bn.running_mean * gain
            mean = total / count
            variance = (squares / count - mean.square()).clamp(min=0.0)
            bn.running_mean.copy_(mean)
            bn.running_var.copy_(variance)
            bn.weight.copy_(gain * torch.sqrt(bn.running_var + bn.eps))
            bn.bias.copy_(offset + bn.running_mean * gain)
    for hook in hooks:
        hook.remove()
    network.quantise(quantising)
    network.train(training)


def read_state(path: Path) -> Any:
    """What a file of torch.save holds: tensors and plain values, never code, and no more bytes than the file has.

    torch.save stores its records as they are; torch.load would unpack compressed ones, of any size. Raises IntrsError
    for those, and what opening and torch.load raise.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as records:
            held = sum(record.file_size for record in records.infolist())
        if held > path.stat().st_size:
            raise IntrsError(f"{path} unpacks to {held} bytes, more than it has; give a file as torch.save writes it")
    return torch.load(path, map_location="cpu", weights_only=True)


def _there(path: Path) -> None:
    if not path.is_file():
        raise IntrsError(f"{path} is no file; give --start a state_dict or a model.onnx of train")


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by name."""
    _there(path)
    try:
        state = read_state(path)
    except IntrsError:
        raise
    except Exception as error:
        raise IntrsError(
            f"{path} cannot be read as a torch checkpoint ({type(error).__name__}); give a state_dict file"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    items = state.items() if isinstance(state, dict) else ()
    tensors = {k.removeprefix("module."): v for k, v in items if isinstance(k, str) and isinstance(v, Tensor)}
    if not tensors:
        raise IntrsError(f"{path} holds no tensors; give a state_dict file")
    size = path.stat().st_size
    for key, value in tensors.items():  # strides of 0 make a large tensor of one number
        if value.numel() * value.element_size() > size:
            raise IntrsError(f"{path}: {key} is larger than the file; give a file as torch.save writes it")
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}


def load_float_checkpoint(network: QatNetwork, path: Path) -> None:
    """Copies weights and batch statistics into a built-in network, which must have been built with the mean and std of
    the checkpoint's images; `layouts` lists the names that are known. Networks built with ``shortcut="pad"`` match the
    public CIFAR ResNets, with ``conv`` torchvision's. A last layer for another number of classes stays as it is, and
    ``network.notes`` says so.

    Raises IntrsError naming what does not fit, or is left over.
    """
    state, target = _tensors(path), network.state_dict()
    names = layout_of(state)
    head = [f"modules_by_layer.logits.{part}" for part in ("weight", "bias")]
    new, used = False, set()
    for key, value in state.items():
        name = names.get(key, "")
        if key.endswith("num_batches_tracked"):
            continue
        if name not in target:
            raise IntrsError(f"{path}: the network has no {key}; choose the network it was trained as")
        if target[name].shape != value.shape:
            if name in head and target[name].shape[1:] == value.shape[1:]:
                new = True
                continue
            raise IntrsError(
                f"{path}: {key} has shape {tuple(value.shape)}, the network needs {tuple(target[name].shape)}; "
                "choose the network it was trained as"
            )
        target[name].copy_(value)
        used.add(name)
    learned = {k for k, _ in network.named_parameters()} | {k for k in target if "running_" in k}
    if missing := sorted(learned - used - set(head if new else ())):
        raise IntrsError(
            f"{path} lacks {len(missing)} of the network's tensors, {missing[0]} first; "
            "build the network with shortcut=pad to use a public CIFAR ResNet"
        )
    if new:
        network.notes += (f"the last layer of {path} is for other classes: it begins anew",)
