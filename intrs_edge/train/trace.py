# SPDX-License-Identifier: Apache-2.0
"""An ordinary torch module as a quantisation-aware network: `from_torch`, and `prepare` for a loop of one's own.

It is traced by torch.fx (`tracing`). Batch norm behind a convolution or matrix product is folded into it, an activation
is fused where TFLite can, dropout and identity go, a softmax at the end is dropped.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from intrs_edge.errors import IntrsError
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.quantise import QatPrelu
from intrs_edge.train.tracing.graph import Traced, example_of, trace

SAME = 1e-3  # of the largest logit: what another order of the same operations may change


def from_torch(
    module: nn.Module,
    example: Tensor | tuple[int, ...],
    *,
    sigma: float = 0.0,
    classes: tuple[str, ...] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    name: str = "",
) -> QatNetwork:
    """A quantisation-aware network that computes what ``module`` does, with its weights, batch statistics and all.

    module: float, with or without trained weights; it is not changed. example: an input [N, C, H, W] (or [N, C, L],
    [N, features]), or its shape without the batch; the network takes images of that shape whose real values are pixel /
    255, or (pixel / 255 - mean) / std as the module was trained. sigma: the noise that it will see, in [0,1] pixels.
    Parameters that the module has frozen (``requires_grad`` False) stay frozen; ``notes`` of the network say so, and
    which weights are used more than once, since each use has its own here. Raises IntrsError listing every node that
    has no quantised form, by module path, each with what to do.
    """
    traced = trace(module, example, name or type(module).__name__)
    network = QatNetwork(traced.arch, sigma, 0, classes, mean, std)
    for layer, tensors in traced.weights.items():
        target = network.modules_by_layer[layer]
        with torch.no_grad():
            for key, value in tensors.items():
                getattr(target, key).copy_(value).requires_grad_(value.requires_grad)
            if layer in traced.norms:
                source = traced.norms[layer]
                target.bn.eps, target.bn.momentum = source.eps, source.momentum
                state = source.state_dict()
                for key in ("weight", "bias"):  # affine=False has neither
                    state.setdefault(key, torch.full_like(source.running_mean, float(key == "weight")))
                target.bn.load_state_dict(state)
                for key, value in source.named_parameters():
                    getattr(target.bn, key).requires_grad_(value.requires_grad)
        if isinstance(target, QatPrelu):
            continue
        if layer in traced.norms and "weight" not in tensors:  # batch norm by itself: its convolution stays ones
            target.weight.data.fill_(1.0)
            target.weight.requires_grad_(False)
    _check_same(network, traced)
    network.notes += tuple(_notes(network, traced))
    return network


def _notes(network: QatNetwork, traced: Traced) -> Iterator[str]:
    uses: dict[int, list[str]] = {}
    for layer, tensors in traced.weights.items():
        if "weight" in tensors:
            uses.setdefault(tensors["weight"].data_ptr(), []).append(layer)
    for layers in uses.values():
        if len(layers) > 1:
            yield f"the weights of {', '.join(layers)} are one tensor in the module; here each is trained by itself"
    lone = {layer for layer, tensors in traced.weights.items() if "weight" not in tensors}
    frozen = [n for n, p in network.named_parameters() if not p.requires_grad and n.split(".")[1] not in lone]
    if frozen:
        of = sum(1 for _ in network.parameters()) - len(lone)
        yield f"{len(frozen)} of {of} parameters are frozen in the module (requires_grad is False) and stay as they are"


def _check_same(network: QatNetwork, traced: Traced) -> None:
    """Raises IntrsError unless the network, not quantised, gives what the module gives: nothing may be read otherwise
    than it was written, whatever the module does."""
    plain = copy.deepcopy(network).eval()
    plain.quantise(False)
    # constants as they are, not rounded as the file will have them
    exact = (replace(layer, options={**layer.options, "exact": True}) for layer in plain.arch.layers)
    plain.arch = replace(plain.arch, layers=tuple(exact))
    example = example_of(plain.arch.input)
    found, expected = _both(plain, traced, example)
    if expected is None:
        return
    if not torch.isfinite(expected).all():
        raise IntrsError(f"{network.arch.name}: it gives numbers that are not finite; give trained weights")
    if _apart(found, expected) > SAME:  # random weights may magnify every rounding: in double precision, they do not
        with contextlib.suppress(RuntimeError):  # a module that asks for single precision by name
            found, expected = _both(plain.double(), traced, example.double())
    if expected is None or _apart(found, expected) > SAME:
        raise IntrsError(
            f"{network.arch.name}: its layers, as they were read, give other numbers than the module; take out of "
            "forward() what changes tensors behind torch's back or differs from call to call"
        )


def _both(plain: QatNetwork, traced: Traced, example: Tensor) -> tuple[Tensor, Tensor | None]:
    """The logits of the network and of the module that it was read from."""
    quant = plain.input_quant
    with torch.no_grad():
        return plain(example / float(quant.scale) + quant.zero_point), traced.logits(example)


def _apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / (expected.abs().max() + 1e-6))


def prepare(
    module: nn.Module,
    example: Tensor | tuple[int, ...],
    *,
    sigma: float,
    classes: tuple[str, ...] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> QatNetwork:
    """`from_torch` for a training loop of one's own, in training mode:

    qat = prepare(module, (3, 32, 32), sigma=0.25)
    for images, labels in loader:                       # uint8 [N, H, W, C], or [N, C, H, W] tensors
        loss = criterion(qat(qat.noisy(images)), labels)
        ...
    qat.freeze()                                        # before the last steps: train as it will be exported
    export(qat, path)
    """
    network = from_torch(module, example, sigma=sigma, classes=classes, mean=mean, std=std)
    network.train()
    return network
