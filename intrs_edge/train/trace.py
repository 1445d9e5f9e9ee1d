"""An ordinary torch module as a quantisation-aware network: `from_torch`, and `prepare` for a loop of one's own.

It is traced by torch.fx (`tracing`). Batch norm behind a convolution or matrix product is folded into it, an activation
is fused where TFLite can, dropout and identity go, a softmax at the end is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from intrs_edge.errors import IntrsError
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.quantise import QatPrelu
from intrs_edge.train.tracing.graph import Traced, trace

SAME = 1e-3  # of the largest logit: what rounding in another order may change


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
    Raises IntrsError listing every node that has no quantised form, by module path, each with what to do.
    """
    traced = trace(module, example, name or type(module).__name__)
    network = QatNetwork(traced.arch, sigma, 0, classes, mean, std)
    for layer, tensors in traced.weights.items():
        target = network.modules_by_layer[layer]
        with torch.no_grad():
            for key, value in tensors.items():
                getattr(target, key).copy_(value)
            if layer in traced.norms:
                source = traced.norms[layer]
                target.bn.eps, target.bn.momentum = source.eps, source.momentum
                state = source.state_dict()
                for key in ("weight", "bias"):  # affine=False has neither
                    state.setdefault(key, torch.full_like(source.running_mean, float(key == "weight")))
                target.bn.load_state_dict(state)
        if isinstance(target, QatPrelu):
            continue
        if layer in traced.norms and "weight" not in tensors:  # batch norm by itself: its convolution stays ones
            target.weight.data.fill_(1.0)
            target.weight.requires_grad_(False)
    _check_same(network, traced)
    return network


def _check_same(network: QatNetwork, traced: Traced) -> None:
    """Raises IntrsError unless the network in float gives what the module gave: nothing may be read otherwise than it
    was written, whatever the module does."""
    if traced.expected is None:
        return
    arch, training = network.arch, network.training
    network.quantise(False)
    network.eval()
    # constants as they are, not rounded as the file will have them
    exact = (replace(layer, options={**layer.options, "exact": True}) for layer in arch.layers)
    network.arch = replace(arch, layers=tuple(exact))
    with torch.no_grad():
        codes = traced.example / float(network.input_quant.scale) + network.input_quant.zero_point
        found, expected = network(codes), traced.expected
    network.arch = arch
    network.quantise()
    network.train(training)
    if not torch.isfinite(expected).all():
        raise IntrsError(f"{arch.name}: on random images it gives numbers that are not finite; give trained weights")
    if (found - expected).abs().max() > SAME * expected.abs().max() + 1e-6:
        raise IntrsError(
            f"{arch.name}: its layers, as they were read, give other numbers than the module; take out of forward() "
            "what changes tensors behind torch's back or differs from call to call"
        )


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
