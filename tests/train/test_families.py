"""Every family of layers that an ordinary module may have: in float the network computes what the module does, whether
torch.fx or torch.export traced it; and what is refused is refused with a remedy."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.convert import compare_logits, load_model
from intrs_edge.errors import IntrsError
from intrs_edge.train import calibrate, export_qdq, from_torch
from intrs_edge.train.tracing import graph
from intrs_edge.train.tracing.tables import MODULES as TABLE
from tests.train.torch_networks import MODULES, settled

IMAGE, SIGNAL, VECTOR = (4, 6, 6), (4, 12), (8,)


class Call(nn.Module):
    """A function of the input and of parts."""

    def __init__(self, function, **parts) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({k: v for k, v in parts.items() if isinstance(v, nn.Module)})
        for name, value in parts.items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def _call(function, **parts):
    return lambda: Call(lambda self, x: function(x), **parts)


def _norm(kind, channels):
    norm = kind(channels)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return norm


def _inplace(x):
    y = x * 1.0
    F.relu(y - 0.5, inplace=True)
    y.add_(1.0)
    y -= 0.25
    return y


def _shared(x):
    """Both names mean the tensor that was changed in place."""
    a = x - 0.5
    b = F.relu(a, inplace=True)
    return a * b + a


class Named(nn.Module):
    """Attributes called as things of torch and of the exporter are."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.keys, self.values = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.pop, self.logits = nn.Conv2d(4, 6, 3), nn.Conv2d(6, 3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.pop(self.keys(x) * self.values(self.input(x))))


CASES = {
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, 1), SIGNAL),
    "conv1d groups dilation": (lambda: nn.Conv1d(4, 8, 3, padding=2, dilation=2, groups=2, bias=False), SIGNAL),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0)), IMAGE),
    "conv2d groups dilation": (lambda: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2), IMAGE),
    "conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, padding="same", groups=4), IMAGE),
    "conv2d same, even kernel": (lambda: nn.Conv2d(4, 8, 4, padding="same"), IMAGE),
    "conv2d valid": (lambda: nn.Conv2d(4, 8, 3, padding="valid"), IMAGE),
    "conv2d as a function": (
        lambda: Call(lambda s, x: F.conv2d(x, s.w, padding="same"), w=torch.randn(5, 4, 3, 3)), IMAGE),
    "parametrised": (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3)), IMAGE),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), IMAGE),
    "transposed to a size": (
        lambda: Call(lambda s, x: s.parts["up"](x, output_size=[12, 12]), up=nn.ConvTranspose2d(4, 3, 3, 2, 1)), IMAGE),
    "transposed as a function": (
        lambda: Call(lambda s, x: F.conv_transpose2d(x, s.w, stride=2), w=torch.randn(4, 3, 2, 2)), IMAGE),
    "linear": (lambda: nn.Linear(8, 5), VECTOR),
    "linear on rows": (lambda: nn.Sequential(nn.Linear(12, 4, bias=False), nn.ReLU()), SIGNAL),
    "conv, norm": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3), _norm(nn.BatchNorm2d, 6)), IMAGE),
    "transposed, norm": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 2, 2), _norm(nn.BatchNorm2d, 6)), IMAGE),
    "linear, norm": (lambda: nn.Sequential(nn.Linear(8, 6), _norm(nn.BatchNorm1d, 6)), VECTOR),
    "rows, norm over rows": (lambda: nn.Sequential(nn.Linear(12, 4), _norm(nn.BatchNorm1d, 4)), SIGNAL),
    "rows, norm over other rows": (lambda: nn.Sequential(nn.Linear(12, 7), _norm(nn.BatchNorm1d, 4)), SIGNAL),
    "norm in front": (
        lambda: nn.Sequential(_norm(nn.BatchNorm2d, 4), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1)), IMAGE),
    "norm of a vector": (lambda: nn.Sequential(_norm(nn.BatchNorm1d, 8), nn.ReLU(), nn.Linear(8, 4)), VECTOR),
    "norm of a signal": (lambda: nn.Sequential(_norm(nn.BatchNorm1d, 4), nn.Conv1d(4, 6, 3)), SIGNAL),
    "norm without weights": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False)), IMAGE),
    "norm as a function": (
        lambda: Call(lambda s, x: F.batch_norm(x, s.m, s.v), m=torch.randn(4), v=torch.rand(4) + 0.5), IMAGE),
    "two norms": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3), _norm(nn.BatchNorm2d, 6), _norm(nn.BatchNorm2d, 6)), IMAGE),
    **{f"{m}": (lambda m=m: nn.Sequential(nn.Conv2d(4, 6, 3), m, nn.Conv2d(6, 4, 1)), IMAGE) for m in (
        nn.ReLU(), nn.ReLU6(), nn.Hardtanh(-0.5, 0.25), nn.Hardtanh(), nn.Hardswish(), nn.Hardsigmoid(), nn.SiLU(),
        nn.GELU(), nn.GELU("tanh"), nn.LeakyReLU(0.2), nn.PReLU(), nn.PReLU(6), nn.Sigmoid(), nn.Tanh(),
        nn.ReLU(inplace=True), nn.Hardswish(inplace=True), nn.SiLU(inplace=True), nn.LeakyReLU(0.1, inplace=True))},
    "activations as functions": (_call(lambda x: F.relu6(F.hardswish(x) + F.gelu(x, approximate="tanh")
        - F.leaky_relu(x - 0.5, 0.3) + F.hardtanh(x, -0.1, 0.2) * F.silu(x) + F.hardsigmoid(x))), IMAGE),
    "activations as methods": (_call(lambda x: (x - 0.5).relu() + x.sigmoid() * x.tanh() + (x - 0.5).clamp(-0.1, 0.2)
        + (x - 0.4).clamp(min=0) + torch.clamp_min(x - 0.3, 0)), IMAGE),
    "prelu as a function": (lambda: Call(lambda s, x: F.prelu(x - 0.5, s.w), w=torch.rand(4)), IMAGE),
    "arithmetic": (_call(lambda x: (2 - x) * x / 3 + x**2 - (-x) + torch.square(x) + torch.rsub(x, 1)), IMAGE),
    "gates": (lambda: Call(lambda s, x: x * s.parts["g"](F.adaptive_avg_pool2d(x, 1)).sigmoid(), g=nn.Conv2d(4, 4, 1)),
        IMAGE),
    "a constant a channel": (lambda: Call(lambda s, x: (x + s.c) * s.c, c=torch.randn(1, 4, 1, 1)), IMAGE),
    "in place": (_call(_inplace), IMAGE),
    "one tensor, two names": (_call(_shared), IMAGE),
    "cat": (_call(lambda x: torch.cat([x, x * 2, x[:, :1]], 1)), IMAGE),
    "cat rows": (_call(lambda x: torch.cat((x, x * 2), dim=-1)), IMAGE),
    "cat zeros": (_call(lambda x: torch.cat([torch.zeros_like(x)[:, :2], x, torch.zeros_like(x)], 1)), IMAGE),
    "stack": (_call(lambda x: torch.stack([x, x * 2], 2)), VECTOR),
    "max pools": (lambda: nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, ceil_mode=True)), IMAGE),
    "max pool 1d": (lambda: nn.MaxPool1d(3, 2, 1), SIGNAL),
    "average pools": (lambda: nn.Sequential(
        nn.AvgPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AvgPool2d(2)), IMAGE),
    "average pool 1d": (lambda: nn.AvgPool1d(2), SIGNAL),
    "adaptive pools": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d((3, 1))), IMAGE),
    "adaptive pools 1d": (lambda: nn.Sequential(nn.AdaptiveAvgPool1d(6), nn.AdaptiveMaxPool1d(2)), SIGNAL),
    "means": (_call(lambda x: x.mean((2, 3)) + x.mean([-1, -2]) + torch.mean(x, (2, 3))), IMAGE),
    "means over one axis": (_call(lambda x: x.mean(3) + x.mean(2, keepdim=True).flatten(2)), IMAGE),
    "maxima": (_call(lambda x: x.amax((2, 3)) + torch.amax(x, (-1, -2))), IMAGE),
    "shapes": (_call(lambda x: x.view(x.size(0), -1).unsqueeze(1).squeeze(1).reshape(x.shape[0], 8, 18)), IMAGE),
    "flatten": (lambda: nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (6, 6)), nn.Flatten()), IMAGE),
    "permute": (_call(lambda x: x.permute(0, 2, 3, 1).transpose(1, 2).contiguous()), IMAGE),
    "slices": (_call(lambda x: x[:, 1:3, ::2, -4:][..., 0] + x.narrow(2, 1, 3)[:, :2, :, 1]), IMAGE),
    "select, unbind": (_call(lambda x: x.select(1, 2) + torch.unbind(x, 1)[0] + x[:, -1]), IMAGE),
    "chunk, split": (_call(lambda x: x.chunk(2, 1)[0] * torch.split(x, [2, 2], 1)[1] + x.split(2, 1)[0]), IMAGE),
    "shuffle": (lambda: nn.ChannelShuffle(2), IMAGE),
    "padding": (lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(4, 6, 3, padding=1)), IMAGE),
    "padding of channels": (_call(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))), IMAGE),
    "nearest": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "bilinear, corners": (lambda: nn.Upsample((12, 9), mode="bilinear", align_corners=True), IMAGE),
    "interpolate": (_call(lambda x: F.interpolate(x, (9, 12)) + F.interpolate(x, (9, 12), mode="bilinear")), IMAGE),
    "dropout": (lambda: nn.Sequential(nn.Dropout(), nn.Dropout2d(), nn.Identity(), nn.Conv2d(4, 4, 1)), IMAGE),
    "softmax at the end": (lambda: nn.Sequential(nn.Linear(8, 4), nn.Softmax(1)), VECTOR),
    "names that are taken": (Named, IMAGE),
}  # fmt: skip


def _check(module: nn.Module, shape: tuple[int, ...], dropped: bool = False) -> None:
    module.eval()
    network = from_torch(module, shape).eval()
    network.quantise(False)
    exact = tuple(dataclasses.replace(v, options={**v.options, "exact": True}) for v in network.arch.layers)
    network.arch = dataclasses.replace(network.arch, layers=exact)  # constants are int8 otherwise
    codes = torch.randint(-128, 128, (3, *shape), generator=torch.Generator().manual_seed(5)).float()
    with torch.no_grad():
        ours = network(codes)
        theirs = module((codes - network.input_quant.zero_point) * float(network.input_quant.scale)).flatten(1)
    if dropped:
        ours = F.softmax(ours, 1)
    assert ours.std() > 1e-3
    assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("exported", [False, True])
def test_a_family(name: str, exported: bool, monkeypatch: pytest.MonkeyPatch):
    make, shape = CASES[name]
    torch.manual_seed(0)
    if exported:
        monkeypatch.setattr(graph.fx, "symbolic_trace", _refuse)
    _check(make(), shape, name == "softmax at the end")


def _refuse(module: nn.Module) -> None:
    raise RuntimeError("not here")


@pytest.mark.parametrize("name", [n for n in MODULES if n != "mixed"])
def test_public_definitions_through_torch_export(name: str, monkeypatch: pytest.MonkeyPatch):
    module, shape = settled(name)
    monkeypatch.setattr(graph.fx, "symbolic_trace", _refuse)
    _check(module, shape)


def test_the_families_are_all_there():
    used = {type(m) for make, _ in CASES.values() for m in make().modules()}
    covered = {kind for kind in TABLE if any(issubclass(u, kind) for u in used)}
    missing = {k.__name__ for k in set(TABLE) - covered}
    assert missing <= {"SyncBatchNorm", "LogSoftmax", "ConstantPad1d", "ConstantPad2d", "ZeroPad1d", "Dropout1d",
                       "AlphaDropout", "FeatureAlphaDropout"}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_family_to_the_end_of_the_converter(name: str, tmp_path: Path):
    make, shape = CASES[name]
    torch.manual_seed(0)
    network = from_torch(make().eval(), shape, sigma=0.1)
    images = np.random.default_rng(0).integers(0, 256, (48, *network.arch.input_shape))
    calibrate(network, images, 24)
    graph_ = load_model(export_qdq(network, tmp_path / "m.onnx"))
    codes = network.input_quant.quantise(images).reshape(len(images), *graph_.tensors[graph_.inputs[0]].shape[1:])
    found = compare_logits(graph_, codes, network.predict(images))
    assert found.max_steps <= 6


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu_stays_the_one_it_is(form: str, tmp_path: Path):
    network = from_torch(nn.Sequential(nn.Conv2d(4, 6, 3), nn.GELU(form), nn.Conv2d(6, 4, 1)), IMAGE)
    calibrate(network, np.random.default_rng(0).integers(0, 256, (16, *network.arch.input_shape)), 16)
    found = load_model(export_qdq(network, tmp_path / "m.onnx"))
    assert [op.attrs for op in found.ops if op.kind == "GELU"] == [{"approximate": int(form == "tanh")}]


def _stale(x):
    part = x[:, :2]
    y = x + 1
    part.add_(1.0)
    return x * y


def _fill(module: nn.Module, value: float) -> None:
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, value)


class Draws(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5)


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (Call(lambda s, x: _stale(x)), IMAGE, "reads a tensor of which a part was changed in place; assign the result"),
        (Draws(), VECTOR, "drops values at inference too; pass training=self.training"),
        (Call(lambda s, x: x + torch.stack([x[0], x[1] * 2])), VECTOR, "takes images out of a batch"),
        (Call(lambda s, x: x + x.mean(0)), VECTOR, "only a mean or maximum over spatial axes"),
        (Call(lambda s, x: x + s.c, c=torch.randn(2, 8)), VECTOR, "mixes the images of a batch"),
        (Call(lambda s, x: torch.cat([x, x], 0)), VECTOR, "concatenates the images of a batch"),
        (Call(lambda s, x: torch.cat([x, torch.ones_like(x)], 1)), VECTOR, "concatenates a constant that is not zero"),
        (Call(lambda s, x: x.transpose(0, 1)), VECTOR, "mixes|moves the batch axis"),
        (Call(lambda s, x: F.softmax(x, 0)), VECTOR, "softmax over something else than the classes"),
        (Call(lambda s, x: F.softmax(x, 1)), IMAGE, "softmax over something else than the classes"),
        (Call(lambda s, x: F.softmax(x, 1) * x), VECTOR, "softmax inside a network"),
        (Call(lambda s, x: x.to(torch.float64).float()), VECTOR, "turns values into float64"),
        (Call(lambda s, x: torch.div(x, 2, rounding_mode="floor")), VECTOR, "leave rounding_mode out"),
        (Call(lambda s, x: F.interpolate(x, scale_factor=1.3)), IMAGE, "no whole number of pixels; give size"),
        (Call(lambda s, x: torch.linalg.vector_norm(x, 2, 1)), VECTOR, "no quantised form"),
        (Call(lambda s, x: torch.mean(x, dim=2, dtype=torch.float32)), SIGNAL, "not supported"),
        (Call(lambda s, x: x**3), VECTOR, "only squares"),
        (nn.Sequential(nn.ELU(), nn.GroupNorm(2, 4), nn.ReflectionPad2d(1)), IMAGE, "use ReLU, LeakyReLU"),
        (nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2)).apply(lambda m: _fill(m, float("nan"))), VECTOR, "not finite"),
    ],
)
def test_what_is_refused_says_what_to_do(module: nn.Module, shape: tuple[int, ...], says: str):
    with pytest.raises(IntrsError, match=says):
        from_torch(module, shape)


def test_what_was_read_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A handler that is wrong about its function is found out."""
    monkeypatch.setitem(graph.METHODS, "abs", graph.METHODS["relu"])
    from_torch(Call(lambda s, x: x.abs()), VECTOR)  # the same for what is never negative
    with pytest.raises(IntrsError, match="give other numbers than the module"):
        from_torch(Call(lambda s, x: (x - 0.5).abs()), VECTOR)
