"""Networks of other kinds than chains of convolutions, from another tool's file to counts on the host and on an
emulated Cortex-M4: an unrolled recurrent network, a U-Net, a keyword spotter on 1-D convolutions, squeeze and
excitation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from intrs_edge.convert import compare_logits, load_model
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map, image_shape
from intrs_edge.graph.preprocessing import Preprocessing, described
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from tests.kernels.harness import needs_emulator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "graph"))
from network_cases import NETWORKS

from .conftest import run_builtin_ref

quantization = pytest.importorskip("onnxruntime.quantization", reason="onnxruntime is not installed")
Run = Callable[..., tuple[int, str, str]]
BOARD = "mps2-an386"


class Recurrent(nn.Module):
    """A gated recurrence over the rows of an image, written out step by step; what reads the rows reads all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.cell, self.gate, self.head = (
            nn.Linear(8, 12), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 5),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self.rows(x[:, 0])
        state = torch.tanh(rows[:, 0, :6])
        for row in range(1, 4):
            new, gate = rows[:, row].split(6, 1)
            gate = torch.sigmoid(gate + self.gate(state))
            state = state + gate * (torch.tanh(new + self.cell(state)) - state)
        return self.head(state)


class UNet(nn.Module):
    """Down by a pool, up by a transposed convolution and by interpolation, skips joined."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 6, 3, 1, 1), nn.Conv2d(6, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.up, self.d, self.e = nn.ConvTranspose2d(8, 6, 2, 2), nn.Conv2d(14, 6, 3, 1, 1), nn.Conv2d(12, 6, 3, 1, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top = self.a(x).relu()
        middle = self.b(F.max_pool2d(top, 2)).relu()
        bottom = self.c(F.max_pool2d(middle, 2)).relu()
        y = self.d(torch.cat([self.up(bottom), middle], 1)).relu()
        y = F.interpolate(y, scale_factor=2, mode="bilinear")
        return self.head(self.e(torch.cat([y, top], 1)).relu().mean((2, 3)))


class KeywordSpotter(nn.Module):
    """Frames in a row, their bands as channels: strided, depthwise and dilated convolutions, a pool that rounds up."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(8, 12, 5, 2, 2), nn.ReLU(), nn.Conv1d(12, 12, 3, 1, 1, groups=12), nn.ReLU6(),
            nn.Conv1d(12, 16, 1), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True), nn.Conv1d(16, 16, 3, dilation=2),
            nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 6),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x[:, 0].transpose(1, 2))


class SqueezeExcite(nn.Module):
    """A block of MobileNetV3: expanded, depthwise, channels weighted by what the whole image says, a residual sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 1)
        self.depth, self.narrow = nn.Conv2d(16, 16, 5, 1, 2, groups=16), nn.Conv2d(16, 8, 1)
        self.squeeze, self.excite, self.head = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.hardswish(self.stem(x))
        y = F.hardswish(self.depth(F.hardswish(self.wide(x))))
        y = y * F.hardsigmoid(self.excite(self.squeeze(F.adaptive_avg_pool2d(y, 1)).relu()))
        return self.head(F.adaptive_avg_pool2d(x + self.narrow(y), 1).flatten(1))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int], set[str]]] = {
    "recurrent": (Recurrent, (1, 4, 8), {"TANH", "LOGISTIC", "MUL", "SUB", "GATHER"}),
    "u-net": (UNet, (2, 8, 8), {"TRANSPOSE_CONV", "RESIZE_BILINEAR", "CONCATENATION", "MAX_POOL_2D"}),
    "keywords": (KeywordSpotter, (1, 20, 8), {"CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"}),
    "squeeze and excite": (SqueezeExcite, (3, 10, 10), {"HARD_SWISH", "MUL", "DEPTHWISE_CONV_2D", "ADD"}),
}


class Images(quantization.CalibrationDataReader):
    def __init__(self, images: torch.Tensor) -> None:
        self.left = iter([{"x": image.numpy()} for image in images.split(1)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.left, None)


def quantised(module: nn.Module, images: torch.Tensor, folder: Path) -> Path:
    """The module as ONNX Runtime quantises it after training, every operator of it."""
    torch.onnx.export(module, (images[:1],), folder / "float.onnx", dynamo=False, opset_version=17, input_names=["x"])
    kinds = sorted({n.op_type for n in onnx.load(folder / "float.onnx").graph.node} - {"Constant", "Shape"})
    quantization.quantize_static(
        folder / "float.onnx", folder / "model.onnx", Images(images), quant_format=quantization.QuantFormat.QDQ,
        per_channel=True, activation_type=quantization.QuantType.QInt8, weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=kinds,
    )  # fmt: skip
    return folder / "model.onnx"


def counted(run_cli: Run, model: Path, folder: Path) -> None:
    """Converted, generated and built by the command line: outputs are the contract's, counts those of the board."""
    small, project = folder / "small.tflite", folder / "project"
    assert run_cli("convert", model, "-o", small, "--input-range", "0..1", "--force")[0] == 0
    chosen = ["--sigma", 0.1, "--n0", 10, "--n", 40, "--seed", 5, "--board", BOARD]
    code, _, err = run_cli("generate", small, *chosen, "-o", project)
    assert code == 0, err
    assert run_cli("build", project)[0] == 0
    graph = load_model(small)
    rng = np.random.default_rng(1)
    codes = rng.integers(-128, 128, (6, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.int8)
    expected = reference.run(graph, codes)
    np.testing.assert_array_equal(expected, run_builtin_ref(graph, codes))
    image = rng.integers(0, 256, image_shape(graph), dtype=np.uint8)
    with open_target(project, "host") as host, open_target(project, "emulator") as board:
        for target in (host, board):
            np.testing.assert_array_equal(target.infer(codes).reshape(expected.shape), expected)
        assert (found := host.certify(image, Stream(1, 0))) == board.certify(image, Stream(1, 0))
        assert sum(found.votes) == found.samples == 40


@needs_emulator
@pytest.mark.parametrize("name", MODULES)
def test_from_onnx_to_counts(name: str, tmp_path: Path, run_cli: Run):
    make, shape, kinds = MODULES[name]
    torch.manual_seed(2)
    module = make().eval()
    images = torch.rand(40, *shape)
    model = quantised(module, images, tmp_path)
    graph = described(load_model(model), Preprocessing("0..1"))
    assert kinds <= {op.kind for op in graph.ops}
    pixels = np.random.default_rng(4).integers(0, 256, (60, *image_shape(graph)), dtype=np.uint8)
    codes = derive_input_map(graph, 0).apply(pixels.astype(np.int64))
    with torch.no_grad():
        real = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255.0
        found = compare_logits(
            graph, codes.reshape(60, *graph.tensors[graph.inputs[0]].shape[1:]), module(real).numpy()
        )
    assert found.top1 >= 0.8, str(found)
    counted(run_cli, model, tmp_path)


@needs_emulator
def test_from_tflite_to_counts(tmp_path: Path, run_cli: Run):
    (tmp_path / "model.tflite").write_bytes(write_tflite(NETWORKS["unrolled GRU"](1)))
    counted(run_cli, tmp_path / "model.tflite", tmp_path)
