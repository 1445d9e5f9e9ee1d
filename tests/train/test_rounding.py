"""Rounding in vector operations: the bits that torch's own operators give, forwards and backwards."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from intrs_edge.train import build_network, rounding
from intrs_edge.train.rounding import activate, extremes, fake_quantise

ACTIVATIONS = ("", "relu", "relu6")


def _torch(x: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, activation: str) -> torch.Tensor:
    x = {"": lambda v: v, "relu": F.relu, "relu6": F.relu6}[activation](x)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)


def _both(x: torch.Tensor, step: float, zero: int, activation: str) -> None:
    scale, point = torch.tensor(step), torch.tensor(zero, dtype=torch.int32)
    grad = torch.rand_like(x) + 0.5
    found = []
    for function in (fake_quantise, _torch):
        given_ = x.clone().requires_grad_()
        y = function(given_, scale, point, activation)
        found.append((y.detach(), *torch.autograd.grad(y, given_, grad)))
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


@given(
    step=st.floats(2.0**-20, 2.0**10, width=32),
    zero=st.integers(-128, 127),
    activation=st.sampled_from(ACTIVATIONS),
    seed=st.integers(0, 2**31),
)
def test_the_bits_of_torch(step: float, zero: int, activation: str, seed: int):
    """Random numbers, both ends of the range, and every level's ends with their neighbours among the float32."""
    rng = np.random.default_rng(seed)
    ties = (np.arange(-260, 261) + 0.5).astype(np.float32) * np.float32(step)
    near = [ties]
    for toward in (-math.inf, math.inf):
        for _ in range(3):
            near.append(np.nextafter(near[-1] if len(near) % 3 != 1 else ties, np.float32(toward)))
    x = np.concatenate([*near, (rng.normal(0, 100, 500) * step).astype(np.float32), [0.0, -0.0, 6.0, 1e30, -1e30]])
    inside = np.abs(x / np.float32(step)) < 2**30  # torch turns larger ones into int64, whatever comes out
    _both(torch.from_numpy(x[inside].astype(np.float32)), step, zero, activation)


def test_another_gradient_is_seen():
    """The comparison is not vacuous: a limit that is one float32 off lets a gradient through."""
    step, zero = 0.1, 0
    first = rounding._first_past(127, np.float32(1) / np.float32(step))
    x = torch.tensor([first])
    _both(x, step, zero, "")
    with pytest.MonkeyPatch.context() as patch:
        beyond = float(np.nextafter(np.float32(first), np.float32(math.inf)))
        patch.setattr(rounding, "_first_past", lambda level, inverse: beyond)
        with pytest.raises(AssertionError):
            _both(x, step, zero, "")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_any_layout_stays_what_it_is(layout: torch.memory_format, activation: str):
    x = (torch.randn(3, 5, 4, 6) * 4).contiguous(memory_format=layout)
    _both(x, 0.03, -128 if activation else 5, activation)
    y = fake_quantise(x, torch.tensor(0.03), torch.tensor(5, dtype=torch.int32), activation)
    assert y.is_contiguous(memory_format=layout)
    assert extremes(x, activation) == tuple(torch.aminmax(activate(x, activation)))
    _both(x[:, 1::2], 0.03, 5, activation)
    assert extremes(x[:, 1::2], activation) == tuple(torch.aminmax(activate(x[:, 1::2], activation)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_visible(value: float):
    """A loss that is no number stops a training; rounding must not turn it into a level."""
    x = torch.tensor([1.0, math.nan])
    assert fake_quantise(x, torch.tensor(0.1), torch.tensor(0, dtype=torch.int32)).isnan().tolist() == [False, True]
    assert not fake_quantise(x, torch.tensor(value), torch.tensor(0, dtype=torch.int32)).isfinite().any()


def test_a_training_step_has_the_same_bits(monkeypatch: pytest.MonkeyPatch):
    """Forward and every gradient of a network with sums, pools and both activations."""

    def step() -> list[torch.Tensor]:
        network = build_network("mobilenet_v2", (32, 32, 3), 4, sigma=0.25, options={"percent": 25}).train()
        x = torch.randint(-128, 128, (4, 3, 32, 32), generator=torch.Generator().manual_seed(1)).float()
        network(x)  # ranges
        loss = network(x)
        loss.square().sum().backward()
        return [loss.detach(), *(p.grad for p in network.parameters())]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ours = step()
    monkeypatch.setattr(rounding._Rounded, "apply", _as_torch)
    theirs = step()
    torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert len(ours) > 100


def _as_torch(x: torch.Tensor, step: float, zero: int, activation: str) -> torch.Tensor:
    return _torch(x, torch.tensor(step), torch.tensor(zero, dtype=torch.int32), activation)
