"""Measures the shipped networks; writes models/zoo.toml and models/*.tflite: python scripts/zoo.py [--data-dir DIR].

What a network with the same bytes was measured to be is kept; ``--boards`` counts instructions on boards anew, which
takes minutes a network. Certified accuracies come from the shipped logs (results/certified-accuracy).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from intrs_edge.boards import load_board
from intrs_edge.cli.main import main as command
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.codegen.fit import TooSmall
from intrs_edge.convert import load_model
from intrs_edge.datasets import load_images
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import certified_accuracy, read_log
from intrs_edge.graph.input_map import derive_input_map, image_shape
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.summary import summarize
from intrs_edge.smoothing import DiscreteGaussian
from intrs_edge.smoothing.noise import draw
from intrs_edge.study.curves import band
from intrs_edge.study.settings import slug
from intrs_edge.targets import open_target
from intrs_edge.targets.board_cost import count_board, estimate, stand_in
from intrs_edge.targets.build import build_project
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.typed import read_toml
from intrs_edge.zoo import Certified, Entry, OnBoard, entries

ROOT = Path(__file__).resolve().parent.parent
MODELS, RESULTS = ROOT / "models", ROOT / "results"
BOARDS = (
    "microbit", "microbit-v2", "raspberry-pi-pico", "raspberry-pi-pico2", "nrf52840dk", "nucleo-l4r5zi",
    "nucleo-f446re", "stm32f746g-disco", "nucleo-h743zi", "b-u585i-iot02a",
)  # fmt: skip
SAMPLES = 1100
FROM_PUBLIC = (
    "goes on from resnet20-12fca82f.th of github.com/akamaster/pytorch_resnet_cifar10 (BSD-2-Clause, Copyright "
    "(c) 2018, Yerlan Idelbayev)"
)
# name -> what no file says: about, data, network, recipe, note
TOLD: dict[str, tuple[str, str, str, str, str]] = {
    "digits-tiny": ("depthwise-separable, 24 channels, two blocks", "digits", "ds-cnn", "digits-tiny", ""),
    "digits-resnet": ("residual, 16 and 32 channels, stem stride 2", "digits", "resnet8", "digits-resnet", ""),
    "fashion-mnist-resnet8-s0.25": (
        "ResNet-8 with a strided stem, for boards of 64 KB RAM", "fashion-mnist", "resnet8",
        "fashion-mnist-resnet8-s0.25", "",
    ),
    "cifar10-resnet20-s0.25": (
        "ResNet-20, plain Gaussian augmentation", "cifar10", "resnet20", "cifar10-resnet20-s0.25-from-clean",
        f"{FROM_PUBLIC}; trained for 16 quantised epochs, briefer than its recipe",
    ),
    "cifar10-resnet20-s0.25-consistency": (
        "ResNet-20, consistency regularisation", "cifar10", "resnet20", "cifar10-resnet20-s0.25-consistency-from-clean",
        f"{FROM_PUBLIC}, by way of cifar10-resnet20-s0.25; trained for 10 float epochs and one quantised, briefer than "
        "its recipe",
    ),
    "cifar10-resnet20-s0.50": (
        "ResNet-20, plain Gaussian augmentation", "cifar10", "resnet20", "cifar10-resnet20-s0.50-from-clean",
        f"{FROM_PUBLIC}; trained for 5 float epochs and one quantised, briefer than its recipe",
    ),
}  # fmt: skip


def main() -> None:
    """Writes zoo.toml."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--boards", action="store_true")
    args = parser.parse_args()
    there = {e.name: e for e in entries()} if (MODELS / "zoo.toml").is_file() else {}
    found = []
    for name in TOLD:
        if not (MODELS / f"{name}.onnx").is_file():
            continue
        old = there.get(name)
        if old is not None and args.names and name not in args.names:
            found.append(old)
            continue
        found.append(measured(name, old, args.data_dir, args.boards))
        print(f"{name}: clean {found[-1].clean:.4f}, noisy {found[-1].noisy:.4f}, {len(found[-1].boards)} boards")
        (MODELS / "zoo.toml").write_text(
            toml(found + [e for n, e in there.items() if n not in {f.name for f in found}])
        )
    (MODELS / "zoo.toml").write_text(toml(found))


def measured(name: str, old: Entry | None, data_dir: Path | None, boards: bool) -> Entry:
    """What there is to say of a network; figures of the same bytes are kept."""
    about, data, network, recipe, note = TOLD[name]
    onnx = (MODELS / f"{name}.onnx").read_bytes()
    graph = load_model(MODELS / f"{name}.onnx")
    command(["convert", str(MODELS / f"{name}.onnx"), "-o", str(MODELS / f"{name}.tflite")])
    tflite = (MODELS / f"{name}.tflite").read_bytes()
    digest = hashlib.sha256(onnx).hexdigest()
    same = old if old is not None and old.onnx == digest else None
    clean, noisy = (same.clean, same.noisy) if same else accuracies(graph, f"{data}:test", data_dir)
    totals = summarize(graph)
    entry = Entry(
        name, about, data, network, float(graph.metadata["intrs.sigma"]), recipe, digest,
        hashlib.sha256(tflite).hexdigest(), totals.macs, totals.weights_bytes, clean, noisy, note,
        certified(name), same.boards if same else (),
    )  # fmt: skip
    return replace(entry, boards=tuple(on_board(graph, board) for board in BOARDS)) if boards else entry


def accuracies(graph: Graph, spec: str, data_dir: Path | None) -> tuple[float, float]:
    """(without noise, on one noisy copy) of all test images, by the host's library."""
    images = load_images(spec, data_dir, image_shape(graph))
    options, _ = GenerateOptions().for_model(graph)
    smoothing = options.smoothing(images.shape)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "p"
        generate(graph, options, project)
        build_project(project)
        with open_target(project, "host") as target:
            into = derive_input_map(graph, smoothing.distribution.last)
            clean = (target.infer(into.apply(images.images.astype(np.int64))).argmax(1) == images.labels).mean()
            noise = draw(DiscreteGaussian(smoothing.sigma_steps), images.images.size, np.random.default_rng(1))
            codes = into.apply(images.images.astype(np.int32) + noise.reshape(images.images.shape))
            noisy = (target.infer(codes).argmax(1) == images.labels).mean()
    return round(float(clean), 4), round(float(noisy), 4)


def certified(name: str) -> tuple[Certified, ...]:
    """From the shipped logs of the study certified-accuracy."""
    study = read_toml(ROOT / "studies" / "certified-accuracy.toml", "study")  # its models need not be listed yet
    found = []
    for case in study["case"]:
        for radius in map(str, study["radii"] if case["model"] == f"zoo:{name}" else ()):
            names = (
                f"{folder}/{slug(case['name'])}-r{radius}.tsv.gz" for folder in ("union-bound", "certified-accuracy")
            )
            log = next((RESULTS / n for n in names if (RESULTS / n).is_file()), None)
            if log is not None:
                rows = read_log(log)
                share = certified_accuracy(rows, float(radius))
                low, high = band(share, len(rows))
                n = int(rows[0].extra["n"])
                found.append(Certified(float(radius), share, round(low, 4), round(high, 4), len(rows), n))
    return tuple(found)


def on_board(graph: Graph, name: str) -> OnBoard:
    """The fastest setting that fits, and an estimate of a certificate from counted instructions."""
    board = load_board(name)
    for optimize in ("speed", "balanced", "size"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                sizes = generate(graph, GenerateOptions(board, optimize=optimize), Path(folder) / "p").sizes
            except TooSmall:
                continue
            here = OnBoard(name, optimize, sizes.flash, sizes.arena + sizes.ram + sizes.stack)
            try:
                counted_on, project = stand_in(board), Path(folder) / "counted"
                generate(graph, GenerateOptions(counted_on, optimize=optimize), project)
                build_project(project)
                cost = count_board(project, counted_on, name)
            except IntrsError as error:
                print(f"{name}: no instructions counted: {error}")
                return here
            values = int(np.prod(read_manifest(project).image_shape))
            guess = estimate(cost, board, values, SAMPLES)
            sample = cost.instructions_per_inference + cost.instructions_per_noise_sample * values
            seconds = float(f"{guess.seconds_per_certificate:.4g}") if guess else 0.0
            return replace(
                here, inference=round(cost.instructions_per_inference), sample=round(sample), seconds=seconds
            )
    return OnBoard(name, "")


def toml(found: list[Entry]) -> str:
    """The file."""
    parts = ["# Written by scripts/zoo.py: what the shipped networks are, and what they were measured to do.\n"]
    for e in found:
        lines = [f"{f.name} = {value(getattr(e, f.name))}" for f in fields(e) if f.name not in ("certified", "boards")]
        for name in ("certified", "boards"):
            tables = [
                f"    {{ {', '.join(f'{k} = {value(v)}' for k, v in asdict(x).items())} }},\n" for x in getattr(e, name)
            ]
            lines.append(f"{name} = [\n{''.join(tables)}]")
        parts.append("[[model]]\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def value(content: Any) -> str:
    """A TOML value."""
    return json.dumps(content, ensure_ascii=False) if isinstance(content, str) else repr(content)


if __name__ == "__main__":
    main()
