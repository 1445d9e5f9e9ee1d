"""torch.export programs: every operator as torch computes it, and files that are no good."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.ao.quantization.fx import _decomposed  # noqa: F401  registers quantized_decomposed
from torch.nn import functional as F

from intrs_edge.convert import agreement, load_model
from intrs_edge.convert.pt2.ops import CALLS
from intrs_edge.convert.pt2.reader import onnx_of_pt2
from intrs_edge.errors import IntrsError
from intrs_edge.graph.preprocessing import Preprocessing, described

from .conftest import check_contract
from .qdq.net import runner

Q = torch.ops.quantized_decomposed
BIAS = torch.linspace(-0.1, 0.1, 8)


def fake(x: torch.Tensor, scale: float = 1 / 64, zero: int = 0, low: int = -128, dtype=torch.int8) -> torch.Tensor:
    """q and dq."""
    high = 127 if dtype == torch.int8 else 255
    args = (scale, zero, low, high, dtype)
    return Q.dequantize_per_tensor(Q.quantize_per_tensor(x, *args), *args)


class Fake(nn.Module):
    """A function of the quantised input; ``weights`` are its int8 constants, one scale a channel."""

    def __init__(self, work: Callable[..., torch.Tensor], *weights: tuple[int, ...], quantised: bool = True) -> None:
        super().__init__()
        self.work, self.quantised = work, quantised
        generator = torch.Generator().manual_seed(0)
        for i, shape in enumerate(weights):
            q = torch.randint(-127, 128, shape, generator=generator).to(torch.int8)
            self.register_buffer(f"q{i}", q)
            self.register_buffer(f"s{i}", torch.linspace(0.002, 0.006, shape[0]))
            self.register_buffer(f"z{i}", torch.zeros(shape[0], dtype=torch.int64))
        self.count = len(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = []
        for i in range(self.count):
            q, s, z = (getattr(self, f"{name}{i}") for name in "qsz")
            parts.append(Q.dequantize_per_channel(q, s, z, 0, -127, 127, torch.int8))
        return self.work(fake(x) if self.quantised else x, *parts)


def saved(module: nn.Module, path: Path, shape: tuple[int, ...] = (1, 3, 8, 8), **options: object) -> Path:
    program = torch.export.export(module.eval(), (torch.zeros(shape),), **options)
    torch.export.save(program, path)
    return path


def network(x, conv, dense):
    y = fake(F.relu(F.conv2d(x, conv, BIAS, padding=1)), 0.03, 0, 0, torch.uint8)
    y = fake(F.adaptive_avg_pool2d(y, 1), 0.03, 0, 0, torch.uint8).flatten(1)
    return fake(F.linear(y, dense), 0.02, 5)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(Fake(network, (8, 3, 3, 3), (6, 8)), tmp_path_factory.mktemp("pt2") / "m.pt2")


def test_a_network_becomes_the_contract_and_agrees_with_torch(sound: Path):
    """Names that torch gives the archive's folder do not matter."""
    module = Fake(network, (8, 3, 3, 3), (6, 8))
    graph = load_model(sound)
    check_contract(graph, 8)
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.uint8)
    graph = described(graph, Preprocessing("-1..1"))
    found = agreement(graph, sound, images)
    assert found.max_steps <= 1
    real = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    x, y = (graph.tensors[i].quant for i in (graph.inputs[0], graph.outputs[0]))
    assert (x.scale[0], y.scale[0], y.zero_point[0]) == (np.float32(1 / 64), np.float32(0.02), 5)
    from intrs_edge.graph import reference

    codes = np.clip(np.rint(real.permute(0, 2, 3, 1).numpy() * 64), -128, 127).astype(np.int8)
    theirs = torch.cat([module(row[None]) for row in real]).numpy()
    steps = np.rint(theirs / y.scale[0]) + y.zero_point[0] - reference.run(graph, codes).reshape(16, -1)
    assert np.abs(steps).max() <= 1
    assert len(np.unique(theirs)) > 10


W = (4, 3, 3, 3)
THREE, FOUR, FIVE = (torch.linspace(0.5, 2, n) for n in (3, 4, 5))
ZERO, HALF = torch.zeros(1), torch.full((1,), 0.5)
OPERATORS: dict[str, tuple[Callable[..., torch.Tensor], tuple[int, ...]] | Callable[..., torch.Tensor]] = {
    "conv1d": (lambda x, w: F.conv1d(x.flatten(2), w, stride=2, padding=1), (4, 3, 3)),
    "conv2d": (lambda x, w: F.conv2d(x, w, FOUR, 2, 1), W),
    "conv2d-same": (lambda x, w: F.conv2d(x, w, padding="same", dilation=2), W),
    "conv2d-groups": (lambda x, w: F.conv2d(x, w, padding=(1, 0), groups=3), (6, 1, 3, 3)),
    "convolution": (lambda x, w: torch.ops.aten.convolution(x, w, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1), W),
    "convolution-transposed": (
        lambda x, w: torch.ops.aten.convolution(x, w, None, [2, 2], [1, 1], [1, 1], True, [1, 1], 1), (3, 4, 3, 3),
    ),
    "conv_transpose2d": (lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 1), (3, 4, 3, 3)),
    "conv_transpose2d-groups": (lambda x, w: F.conv_transpose2d(x, w, None, 2, 1, 0, 3, 2), (3, 2, 3, 3)),
    "conv_transpose1d": (lambda x, w: F.conv_transpose1d(x.flatten(2), w, None, 3, 1, 1), (3, 4, 4)),
    "linear": (lambda x, w: F.linear(x.flatten(1), w, FIVE), (5, 192)),
    "linear-rows": (lambda x, w: F.linear(x, w, FIVE), (5, 8)),
    "addmm": (lambda x, w: torch.addmm(FIVE, x.flatten(1), w.t(), alpha=0.5, beta=2), (5, 192)),
    "mm": (lambda x, w: torch.mm(x.flatten(1), w.t()), (5, 192)),
    "matmul": lambda x: torch.matmul(x, x.transpose(2, 3)),
    "bmm": lambda x: torch.bmm(x[0], x[0].permute(0, 2, 1)),
    "batch_norm": lambda x: F.batch_norm(x, THREE, THREE, THREE, None, eps=0.1),
    "relu": F.relu, "relu_": lambda x: F.relu(x + 1, inplace=True), "relu6": F.relu6,
    "relu_-again": lambda x: torch.ops.aten.relu_(y := x + 1) + y,
    "hardtanh": F.hardtanh, "hardtanh-limits": lambda x: F.hardtanh(x, -0.5, 0.25),
    "clamp": lambda x: x.clamp(-0.3, 0.4), "clamp-high": lambda x: x.clamp(max=0.4),
    "clamp_min": lambda x: x.clamp_min(0.1), "leaky_relu": lambda x: F.leaky_relu(x, 0.3),
    "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "silu": F.silu, "gelu": F.gelu, "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"), "exp": torch.exp,
    "prelu": lambda x: F.prelu(x, torch.tensor([0.1, 0.2, 0.3])), "abs": torch.abs,
    "neg": torch.neg, "pow": lambda x: (x - 0.3 * x.mean((2, 3), keepdim=True)) ** 2,
    "rsqrt": lambda x: torch.rsqrt(x.abs() + 1), "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, -1), "add": lambda x: x + 0.5 * x,
    "sub": lambda x: x - 0.25, "mul": lambda x: x * torch.tensor([[[2.0]], [[3.0]], [[4.0]]]),
    "div": lambda x: x / 3, "maximum": lambda x: torch.maximum(x, ZERO),
    "minimum": lambda x: torch.minimum(x, HALF),
    "flatten": lambda x: x.flatten(1, 2), "view": lambda x: x.view(1, 6, 32), "reshape": lambda x: x.reshape(-1, 192),
    "permute": lambda x: x.permute(0, -1, 1, 2), "transpose": lambda x: x.transpose(-1, 1),
    "t": lambda x: x.flatten(1).t(), "unflatten": lambda x: x.unflatten(3, (2, 4)),
    "squeeze": lambda x: x[:, 1:2].squeeze(1), "unsqueeze": lambda x: x.unsqueeze(2),
    "slice": lambda x: x[:, :, 1:7:2, :-2], "select": lambda x: x[:, -1], "cat": lambda x: torch.cat([x, 2 * x], 1),
    "stack": lambda x: torch.stack([x, 2 * x], -1), "split": lambda x: torch.split(x, 2, 1)[1],
    "split_with_sizes": lambda x: torch.split(x, [1, 2], 1)[1], "chunk": lambda x: torch.chunk(x, 3, 3)[2],
    "unbind": lambda x: torch.unbind(x, 2)[3], "dropout": lambda x: F.dropout(x, 0.5, False),
    "clone": lambda x: x.permute(0, 2, 3, 1).contiguous().clone(), "pad": lambda x: F.pad(x, (1, 2, 0, 3), value=0.5),
    "pad-reflect": lambda x: F.pad(x, (1, 2, 3, 0), mode="reflect"),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "max_pool2d-default": lambda x: F.max_pool2d(x, (2, 4)), "max_pool1d": lambda x: F.max_pool1d(x[0], 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "avg_pool1d": lambda x: F.avg_pool1d(x[0], 4),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (2, 4)),
    "adaptive_avg_pool2d-one": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x[0], 4),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 4), "mean": lambda x: x.mean((2, 3), keepdim=True),
    "mean-all": lambda x: x.mean(), "sum": lambda x: x.sum(1), "amax": lambda x: x.amax((1, 3)),
    "argmax": lambda x: x.flatten(1).argmax(1), "interpolate": lambda x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda x: F.interpolate(x, size=(5, 11), mode="bilinear"),
    "bilinear-align": lambda x: F.interpolate(x, size=(5, 11), mode="bilinear", align_corners=True),
    "pixel_shuffle": lambda x: F.pixel_shuffle(torch.cat([x, x[:, :1]], 1), 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2), "reduced": lambda x: fake(x, 1 / 128, -10, -64),
    "unsigned": lambda x: fake(x, 1 / 128, 30, 0, torch.uint8),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_is_that_of_torch(name: str, tmp_path: Path):
    """What the program becomes in ONNX gives what torch gives."""
    work, *weights = OPERATORS[name] if isinstance(OPERATORS[name], tuple) else (OPERATORS[name],)
    module = Fake(work, *weights)
    model = onnx_of_pt2(saved(module, tmp_path / "m.pt2"))
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = module(x).numpy()
    found = runner(model)(None, {"x": x.numpy()})[0]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    if wanted.size > 1:
        assert wanted.std() > 0


def test_the_least_known_version_of_an_operator_has_a_test():
    """Names that only decompositions or other overloads give are the same handlers under another name."""
    tested = {name.split("-")[0].rstrip("_") for name in OPERATORS} | {"quantize_per_tensor", "dequantize_per_tensor"}
    same = {
        "_adaptive_avg_pool2d", "_log_softmax", "_native_batch_norm_legit_no_training", "_softmax", "_to_copy",
        "_unsafe_view", "alias", "concat", "constant_pad_nd", "contiguous", "detach",
        "lift_fresh_copy", "max_pool2d_with_indices", "native_batch_norm", "reflection_pad1d", "reflection_pad2d",
        "sym_size", "upsample_bilinear2d", "upsample_nearest2d", "choose_qparams", "choose_qparams_per_token",
        "quantize_per_channel", "dequantize_per_channel",
    }  # fmt: skip
    assert {name.split(".")[1] for name in CALLS} <= tested | same


### what is refused ###


def refused(path: Path, says: str) -> None:
    with pytest.raises(IntrsError, match=says) as error:
        load_model(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Fake(F.relu, quantised=False), "a float program"),
        (Fake(torch.erfinv), "aten.erfinv.default.*not supported"),
        (Fake(lambda x: F.adaptive_avg_pool2d(x, 3)), "does not divide"),
        (Fake(lambda x: torch.add(x, x, alpha=2)), "its alpha"),
        (Fake(lambda x: torch.ops.aten.relu_((y := x + 1).view(1, 192)).view(1, 3, 8, 8) + y), "writes over"),
        (Fake(lambda x: fake(x, 1 / 128, 300)), "zero point is outside"),
    ],
)
def test_programs_without_a_meaning_here(module: nn.Module, says: str, tmp_path: Path):
    refused(saved(module, tmp_path / "m.pt2"), says)


def test_training_and_free_sizes(tmp_path: Path):
    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            return self.norm(fake(x))

    torch.export.save(torch.export.export(Norm().train(), (torch.zeros(2, 3, 8, 8),)), tmp_path / "t.pt2")
    refused(tmp_path / "t.pt2", "move_exported_model_to_eval")
    free = ({2: torch.export.Dim("height", min=2, max=64)},)
    refused(saved(Fake(F.relu), tmp_path / "f.pt2", dynamic_shapes=free), "fixed sizes")


def test_a_free_batch_is_one(tmp_path: Path):
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    module = Fake(lambda x, w: fake(F.linear(x.reshape(x.shape[0], -1), w), 0.05), (5, 192))
    path = tmp_path / "b.pt2"
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=free), path)
    check_contract(load_model(path), 4)


def test_metadata_are_extra_files(tmp_path: Path):
    program = torch.export.export(Fake(network, (8, 3, 3, 3), (6, 8)).eval(), (torch.zeros(1, 3, 8, 8),))
    torch.export.save(program, tmp_path / "m.pt2", extra_files={"intrs.sigma": "0.25", "other": "x"})
    assert load_model(tmp_path / "m.pt2").metadata == {"intrs.sigma": "0.25"}


def rewritten(sound: Path, out: Path, change: Callable[[str, bytes], bytes | None], method: int = 0) -> Path:
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(out, "w", method) as new:
        for info in old.infolist():
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(info.filename, data)
    return out


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["weights", "sample_inputs"])
def test_no_pickle_is_opened(sound: Path, tmp_path: Path, place: str):
    """A pickle that writes a file: refused where the graph needs it, passed over where it does not."""
    written = tmp_path / "written"
    bomb = pickle.dumps(Bomb(written))

    def change(name: str, data: bytes) -> bytes:
        if place == "sample_inputs" and "sample_inputs" in name:
            return bomb
        if place == "weights" and name.endswith("weights_config.json"):
            config = json.loads(data)
            for payload in config["config"].values():
                payload["use_pickle"] = True
            return json.dumps(config).encode()
        return bomb if place == "weights" and "/weight_" in name else data

    path = rewritten(sound, tmp_path / "m.pt2", change)
    if place == "weights":
        refused(path, "is pickled")
    else:
        assert load_model(path).ops
    assert not written.exists()
    pickle.loads(bomb)  # the control: this is what opening one does
    assert written.exists()


def edited(sound: Path, out: Path, what: str, change: Callable[[dict], None]) -> Path:
    def each(name: str, data: bytes) -> bytes:
        if not name.endswith(what):
            return data
        tree = json.loads(data)
        change(tree)
        return json.dumps(tree).encode()

    return rewritten(sound, out, each)


def _meta(tree: dict) -> dict:
    return tree["config"]["q0"]["tensor_meta"]


@pytest.mark.parametrize(
    ("what", "change", "says"),
    [
        ("model.json", lambda t: t["schema_version"].__setitem__("major", 9), "version 9, known is 8"),
        ("model.json", lambda t: t.pop("graph_module"), "damaged"),
        ("model.json", lambda t: t["graph_module"]["graph"]["nodes"].clear(), "a float program"),
        ("weights_config.json", lambda t: _meta(t)["sizes"].__setitem__(0, {"as_int": 1 << 40}), "does not fit"),
        ("weights_config.json", lambda t: _meta(t)["strides"].__setitem__(0, {"as_int": -1}), "does not fit"),
        ("weights_config.json", lambda t: _meta(t)["strides"].__setitem__(0, {"as_int": 1 << 40}), "does not fit"),
        ("weights_config.json", lambda t: _meta(t)["storage_offset"].__setitem__("as_int", 1), "does not fit"),
        ("weights_config.json", lambda t: _meta(t).update(
            sizes=[{"as_int": 1 << 20}, {"as_int": 1 << 20}], strides=[{"as_int": 0}] * 2), "repeats its values"),
        ("weights_config.json", lambda t: t["config"]["q0"].__setitem__("path_name", "../../m"), "damaged"),
        ("weights_config.json", lambda t: t["config"].pop("q0"), "damaged"),
    ],
)  # fmt: skip
def test_damage_is_one_line(sound: Path, tmp_path: Path, what: str, change: Callable, says: str):
    refused(edited(sound, tmp_path / "m.pt2", what, change), says)


def test_other_archives(sound: Path, tmp_path: Path):
    refused(rewritten(sound, tmp_path / "a.pt2", lambda n, d: d, zipfile.ZIP_DEFLATED), "compressed")
    refused(rewritten(sound, tmp_path / "b.pt2", lambda n, d: None if "model.json" in n else d), "0 programs")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "c.pt2")
    refused(tmp_path / "c.pt2", "0 programs")
    deep = b"[" * 100_000
    refused(rewritten(sound, tmp_path / "d.pt2", lambda n, d: deep if n.endswith("model.json") else d), "damaged")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_changed_bytes(sound: Path, tmp_path: Path, edits: list[tuple[int, int]], checked: bool):
    """In the archive, or in the graph's JSON with sums that fit: a line, or a model."""

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        for place, value in edits:
            changed[place % len(changed)] = value
        return bytes(changed)

    path = tmp_path / "m.pt2"
    if checked:
        rewritten(sound, path, lambda n, d: change(d) if n.endswith(".json") else d)
    else:
        path.write_bytes(change(sound.read_bytes()))
    try:
        load_model(path)
    except IntrsError as error:
        if "\n" in str(error):
            pytest.fail(f"more than a line: {error}")
