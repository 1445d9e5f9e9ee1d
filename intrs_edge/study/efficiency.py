# SPDX-License-Identifier: Apache-2.0
"""Seconds an image takes, ours against floating point, measured in turn in one run; boards from counted instructions
(figures 7 and 8)."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from intrs_edge.boards import load_board
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.datasets import ImageSet
from intrs_edge.evaluate.baselines import FloatSmoothing, fp_classifier
from intrs_edge.evaluate.certify import certified
from intrs_edge.evaluate.cohen import cohen_of
from intrs_edge.smoothing.results import Mode, Stream
from intrs_edge.study.output import Figure, Result, Series
from intrs_edge.study.settings import Case, slug
from intrs_edge.study.work import Work
from intrs_edge.targets.board_cost import count_board, estimate, stand_in
from intrs_edge.targets.build import build_project
from intrs_edge.targets.manifest import read_manifest

OURS, OURS_TARGET, TORCH, ORT = "intrs", "intrs --target-radius", "floatrs-fp, PyTorch", "floatrs-fp, ONNX Runtime"
Rounds = dict[str, list[float]]


def run(work: Work) -> Result:
    """The study kind efficiency."""
    work.threads = work.threads or work.study.threads or None
    lines: list[list[str]] = []
    figures: dict[str, Any] = {}
    names: list[str] = []
    estimated: dict[str, list[float]] = {}
    for case in work.study.case:
        rounds = _measured(work, case)
        seconds = {name: statistics.median(found) for name, found in rounds.items() if found}
        # each image is certified once by --target-radius, so its figure is the mean over all of them
        seconds[OURS_TARGET] = statistics.fmean(rounds[OURS_TARGET])
        ratios = {
            OURS: statistics.median(a / b for a, b in zip(rounds[TORCH], rounds[OURS], strict=True)),
            OURS_TARGET: seconds[TORCH] / seconds[OURS_TARGET],
            TORCH: 1.0,
            ORT: statistics.median(a / b for a, b in zip(rounds[TORCH], rounds[ORT], strict=True)),
        }
        for name, value in seconds.items():
            low, high = (0.0, 0.0) if name == OURS_TARGET else (min(rounds[name]), max(rounds[name]))
            spread = f"{low:.4g}-{high:.4g}" if high else ""
            lines.append([f"{case.name}: {name}", f"{value:.4g}", spread, f"{ratios[name]:.1f}", "measured", ""])
        figures[case.name] = {"seconds": seconds, "speedup_over_torch": ratios, "rounds": rounds, "boards": {}}
        names.append(case.name)
        for board, milliwatts in zip(work.study.boards, work.study.milliwatts or (0.0,) * 99, strict=False):
            found = work.once(f"{case.name} on {board}", _counted(work, case, board))
            energy = f"{found['seconds'] * milliwatts / 1000:.3g} J" if milliwatts else ""
            lines.append([f"{case.name}: {board}", f"{found['seconds']:.4g}", "", "", "ESTIMATE", energy])
            estimated.setdefault(board, []).append(found["seconds"])
            figures[case.name]["boards"][board] = {**found, "milliwatts": milliwatts}
    places = range(len(names))
    series = [
        Series(n, places, [figures[case]["seconds"][n] for case in names]) for n in (OURS_TARGET, OURS, ORT, TORCH)
    ]
    series += [Series(f"{board} (estimate)", places, values) for board, values in estimated.items()]
    s = work.study
    notes = [
        f"Seconds an image of {s.n0} + {s.n} samples, each method in turn on {s.samples} samples in each of {s.rounds} "
        f"rounds, on {work.threads or 'all'} thread(s); the median, and the spread of the rounds. --target-radius "
        f"{s.target_radius}: the mean of certifying every image of the study to its end.",
        "Speed-up: over floatrs-fp in PyTorch, the median of the ratios round by round.",
        "ESTIMATE: instructions counted in an emulator, times the board's stated cycles per instruction, over its "
        "clock; energy is that time at the power stated in the study. Not measured on a board.",
    ]
    header = [s.kind, "s / image", "spread", "speed-up", "", "energy"]
    return Result(header, lines, Figure("", "seconds an image", series, names, log=True), notes, figures=figures)


def _measured(work: Work, case: Case) -> Rounds:
    """Seconds an image in each round, by method."""
    study = work.study
    project = work.project(case, study.target_radius)
    manifest = read_manifest(project)
    images = work.images(manifest.image_shape)
    smoothing = cohen_of(manifest.raw["settings"], manifest.image_shape)
    floats = {
        name: FloatSmoothing(fp_classifier(work.float_network(case, engine)), manifest.classes, smoothing)
        for name, engine in ((TORCH, "torch"), (ORT, "onnxruntime"))
    }
    found: Rounds = {name: [] for name in (OURS, OURS_TARGET, TORCH, ORT)}
    with work.host(project) as target:
        methods: dict[str, Any] = {OURS: target, **floats}
        for method in methods.values():  # what is set up at the first call is not measured
            method.votes(images.images[0], Stream(study.seed, 0), 0, study.samples)
        for number in range(study.rounds):

            def one_round(number: int = number) -> dict[str, float]:
                work.say(f"{case.name}: round {number + 1} of {study.rounds}")
                place = number % len(images)
                image, stream = images.images[place], Stream(study.seed, number + 1)  # noise that nobody drew yet
                scale = (study.n0 + study.n) / study.samples
                took = {
                    name: scale * _timed(partial(method.votes, image, stream, 0, study.samples))
                    for name, method in methods.items()
                }
                part = range(number, len(images), study.rounds)
                if part:
                    took[OURS_TARGET] = _timed(partial(_certify, target, images, part, study.seed)) / len(part)
                return took

            for name, value in work.once(f"{case.name} round {number}", one_round).items():
                found[name].append(value)
    return found


def _certify(target: Any, images: ImageSet, part: range, seed: int) -> None:
    some = ((images.images[k], Stream(seed, int(images.ids[k]))) for k in part)
    for _ in certified(target, some, Mode.TARGET):
        pass


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _counted(work: Work, case: Case, name: str) -> Callable[[], dict[str, Any]]:
    """Instructions of an inference and of a noise sample on a board, and what they come to."""

    def counted() -> dict[str, Any]:
        board = load_board(name)
        counted_on = stand_in(board)
        folder = work.out / "projects" / f"{slug(case.name)}-{name}"
        work.say(f"{case.name}: counting instructions on {counted_on.id} for {name}")
        graph, s = work.graph(case), work.study
        options = GenerateOptions(counted_on, sigma=case.sigma, n0=s.n0, n=s.n, alpha=s.alpha)
        generate(graph, options, folder)
        build_project(folder)
        cost = count_board(folder, counted_on, name)
        values = int(np.prod(read_manifest(folder).image_shape))
        guess = estimate(cost, board, values, s.n0 + s.n)
        assert guess is not None, "boards with an emulated core have a clock"
        return {
            "instructions_per_inference": cost.instructions_per_inference,
            "instructions_per_noise_sample": cost.instructions_per_noise_sample,
            "seconds": guess.seconds_per_certificate,
            **{
                k: v
                for k, v in dataclasses.asdict(guess).items()
                if k in ("clock_hz", "cycles_per_instruction", "source")
            },
        }

    return counted
