import numpy as np
import pytest
import torch
from torch import nn

from intrs_edge.train.quantise import ActivationQuant, QatConv, QatLinear, round_bias, weight_scale


def _conv(seed: int = 0) -> QatConv:
    torch.manual_seed(seed)
    conv = QatConv(3, 8, (3, 3), (2, 2), (1, 1, 1, 1))
    nn.init.normal_(conv.weight, 0, 0.3)
    with torch.no_grad():
        conv.bn.weight.uniform_(0.5, 1.5)
        conv.bn.bias.normal_()
    return conv


def test_observer_moves_and_freezes():
    quant = ActivationQuant(momentum=0.5)
    quant(torch.tensor([-1.0, 3.0]))
    assert (quant.low.item(), quant.high.item()) == (-1.0, 3.0)
    quant(torch.tensor([-2.0, 5.0]))
    assert (quant.low.item(), quant.high.item()) == (-1.5, 4.0)
    quant.frozen = True
    quant(torch.tensor([-9.0, 9.0]))
    quant.frozen = False
    quant.eval()
    quant(torch.tensor([-9.0, 9.0]))
    assert (quant.low.item(), quant.high.item()) == (-1.5, 4.0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-1.0, 1.0), (-3.0, 0.0), (0.5, 2.0), (0.0, 0.0)])
def test_zero_is_exact_and_everything_lies_on_the_lattice(low: float, high: float):
    quant = ActivationQuant()
    quant(torch.tensor([low, high]))
    scale, zero = quant.qparams()
    assert -128 <= int(zero) <= 127
    x = torch.linspace(low - 1, high + 1, 999)
    q = quant.eval()(x) / scale + zero
    assert torch.allclose(q, q.round(), atol=1e-3)
    assert q.min() >= -128.01
    assert q.max() <= 127.01
    assert quant(torch.zeros(1)).item() == 0.0


def test_batch_statistics_and_folded_convolution_agree():
    """With the running statistics set to a batch's, training mode and the frozen folded form give nearly the same."""
    conv = _conv()
    scale = torch.tensor(1 / 64)
    x = torch.randint(-128, 128, (16, 3, 9, 9)) * scale
    conv.bn.momentum = 1.0
    conv.train()
    for _ in range(3):  # the weights' rounding depends on the statistics, so a few rounds settle them
        conv(x, scale)
    batch = conv(x, scale)
    conv.frozen = True
    frozen = conv(x, scale)
    unbiased = 16 * 25 / (16 * 25 - 1)  # running variance is the unbiased one
    assert torch.allclose(batch, frozen, atol=2e-2 * (unbiased + float(batch.detach().abs().max()) / 100))
    assert not torch.allclose(batch, frozen * 1.05, atol=2e-2)


def test_folded_weights_are_int8_per_channel_and_gradients_flow():
    conv = _conv()
    scale = torch.tensor(1 / 64)
    weight, _, scales = conv.folded(scale)
    assert scales.shape == (8,)
    assert (weight / scales.reshape(-1, 1, 1, 1)).abs().max() <= 127.001
    for frozen in (False, True):
        conv.frozen = frozen
        conv.zero_grad()
        conv(torch.rand(4, 3, 8, 8), scale).square().mean().backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in conv.parameters())
        assert conv.weight.grad.abs().sum() > 0


def test_dead_channel_keeps_its_bias_in_int32():
    weight = torch.zeros(2, 4)
    weight[0] = 1.0
    bias = torch.tensor([0.5, 1000.0])
    scale = weight_scale(weight, bias, torch.tensor(0.01), per_channel=True)
    assert np.all(np.abs((bias / (0.01 * scale)).numpy()) < 2**31)
    assert torch.isfinite(1 / scale).all()


def test_bias_is_whole_units_and_passes_gradients():
    bias = torch.tensor([0.1234567, -3.0], requires_grad=True)
    unit = torch.tensor([0.01, 0.07])
    rounded = round_bias(bias, unit)
    assert torch.allclose((rounded / unit), (rounded / unit).round(), atol=1e-3)
    rounded.sum().backward()
    assert bias.grad.tolist() == [1.0, 1.0]


def test_linear_is_per_tensor():
    linear = QatLinear(5, 3)
    nn.init.normal_(linear.weight)
    assert linear.folded(torch.tensor(0.1))[2].shape == (1,)
