# SPDX-License-Identifier: Apache-2.0
"""Projected gradient descent (Madry et al. 2018) on the plain networks, and on the smoothed one within its certified
radius (figure 1). Perturbations are integers on the pixel lattice, as a device receives them; needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import InputMap
from intrs_edge.graph.preprocessing import Preprocessing, read_preprocessing
from intrs_edge.graph.reading import model_sigma
from intrs_edge.smoothing.results import ABSTAIN, Stream
from intrs_edge.study.output import Figure, Result, Series
from intrs_edge.study.settings import Case
from intrs_edge.study.work import Work
from intrs_edge.targets.host import HostTarget
from intrs_edge.targets.manifest import Manifest, read_manifest
from intrs_edge.train import build_network
from intrs_edge.train.checkpoint import load_model_weights

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Logits = Callable[[Tensor], Tensor]  # float lattice pixels [N, C, H, W] -> logits [N, classes]
WHITE, MOVED, DEFENDED = "fp32, white-box", "int8, made on fp32", "int8, white-box"
BEYOND = 4  # the control: an attack of so many times the certified radius
_BATCH = 50


def run(work: Work) -> Result:
    """The study kind attack."""
    lines, series, figures, ok = [], [], {}, True
    eps = list(work.study.eps)
    for case in work.study.case:
        plain = work.once(f"{case.name} plain", partial(_plain, work, case))
        for name, shares in plain.items():
            lines.append([f"{case.name}: {name}", *(f"{100 * s:.1f} %" for s in shares)])
            series.append(Series(f"{case.name}: {name}", eps, [100 * s for s in shares]))
        smoothed = work.once(f"{case.name} smoothed", partial(_smoothed, work, case))
        ok = ok and smoothed["broken"] == 0
        figures[case.name] = {"eps": eps, "accuracy": plain, "smoothed": smoothed}
    notes = [
        "Accuracy after PGD with integer perturbations of at most eps/255 a pixel value; 0 is none. White-box on int8 "
        "goes through the straight-through gradient of quantisation-aware training; answers are those of the exact "
        "engines.",
    ]
    for name, found in figures.items():
        s = found["smoothed"]
        notes.append(
            f"{name}, smoothed: l2 PGD within the certified radius on {s['certified']} certified images "
            f"({work.study.steps} steps, {work.study.copies} noisy copies a step): {s['broken']} answers changed"
            + ("." if s["broken"] == 0 else " - A CERTIFICATE DID NOT HOLD.")
            + f" The control, {BEYOND} times that radius: {s['beyond']} changed, {s['beyond_abstained']} abstained."
        )
    header = ["attack", *(f"eps {e}" for e in eps)]
    return Result(header, lines, Figure("eps (1/255)", "accuracy (%)", series), notes, ok, figures)


def _plain(work: Work, case: Case) -> dict[str, list[float]]:
    """Accuracy at each eps, by attack."""
    manifest = read_manifest(work.project(case))
    images = work.images(manifest.image_shape)
    network = work.float_network(case, "torch")
    fp32, int8 = _fp32_logits(network.module, network.reads, manifest), _int8_logits(work, case, manifest)
    found: dict[str, list[float]] = {WHITE: [], MOVED: [], DEFENDED: []}
    with work.host(manifest.directory) as target:
        for eps in work.study.eps:
            work.say(f"{case.name}: PGD with eps {eps}")
            on_fp32 = linf(fp32, images.images, images.labels, eps, work.study.steps)
            on_int8 = linf(int8, images.images, images.labels, eps, work.study.steps)
            by_float = network.logits(on_fp32.astype(np.float32) / np.float32(255)).argmax(1)
            found[WHITE].append(float((by_float == images.labels).mean()))
            for name, made in ((MOVED, on_fp32), (DEFENDED, on_int8)):
                found[name].append(float((_answers(target, manifest, made) == images.labels).mean()))
    return found


def _smoothed(work: Work, case: Case) -> dict[str, int]:
    """How many certified answers an attack within the radius changes, and one far beyond it."""
    rows = [row for row in work.rows(case, 0) if not row.abstained]
    manifest = read_manifest(work.project(case))
    images = work.images(manifest.image_shape)
    places = {int(idx): k for k, idx in enumerate(images.ids)}
    logits, sigma = _int8_logits(work, case, manifest), float(manifest.raw["settings"]["sigma"]) * 255
    found = {"certified": len(rows), "broken": 0, "beyond": 0, "beyond_abstained": 0}
    with work.host(manifest.directory) as target:
        for number, row in enumerate(rows):
            if number % 10 == 0:
                work.say(f"{case.name}: l2 PGD, {number} of {len(rows)} certified images")
            squared, image = int(row.extra["L"]), images.images[places[row.idx]]
            for name, limit in (("broken", squared), ("beyond", BEYOND**2 * squared)):
                made = l2_smoothed(
                    logits,
                    image,
                    row.predict,
                    limit,
                    sigma,
                    work.study.steps,
                    work.study.copies,
                    work.study.seed + row.idx,
                )
                moved = made.astype(np.int64) - image.astype(np.int64)
                if int((moved**2).sum()) > limit:
                    raise AssertionError("an attack left its ball")
                answer = target.predict(made, Stream(work.study.seed + 1, row.idx)).label
                found[name] += answer not in (row.predict, ABSTAIN)
                found["beyond_abstained"] += name == "beyond" and answer == ABSTAIN
    return found


def linf(logits: Logits, images: Images, labels: Labels, eps: int, steps: int, seed: int = 0) -> Images:
    """PGD on the cross-entropy, every value of a pixel moved by at most ``eps``; uint8 [N, H, W, C]."""
    if eps == 0:
        return images
    generator = torch.Generator().manual_seed(seed)
    made = []
    for i in range(0, len(images), _BATCH):
        x, y = _tensor(images[i : i + _BATCH]), torch.from_numpy(labels[i : i + _BATCH])
        delta = torch.empty_like(x).uniform_(-eps, eps, generator=generator)
        for _ in range(steps):
            delta.requires_grad_(True)
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits((x + delta).clamp(0, 255)), y), delta)
            delta = (delta.detach() + 2.5 * eps / steps * gradient.sign()).clamp(-eps, eps)
        made.append((x + delta.round()).clamp(0, 255))
    return _array(torch.cat(made))


def l2_smoothed(
    logits: Logits, image: Images, label: int, limit: int, sigma: float, steps: int, copies: int, seed: int
) -> Images:
    """PGD on the smoothed classifier: the gradient is that of noisy copies (sigma in lattice steps), the perturbation
    an integer vector of squared length at most ``limit``; uint8 [H, W, C].
    """
    generator = torch.Generator().manual_seed(seed)
    x, radius = _tensor(image[None]), limit**0.5
    delta, y = torch.zeros_like(x), torch.full((copies,), label)
    for _ in range(steps):
        delta.requires_grad_(True)
        noise = (sigma * torch.randn(copies, *x.shape[1:], generator=generator)).round()
        loss = F.cross_entropy(logits((x + delta).clamp(0, 255) + noise), y)
        (gradient,) = torch.autograd.grad(loss, delta)
        delta = delta.detach() + 2.5 * radius / steps * gradient / gradient.norm().clamp(min=1e-12)
        delta = delta * min(1.0, radius / max(float(delta.norm()), 1e-12))
        delta = (x + delta).clamp(0, 255) - x
    # towards zero: no value grows, so the ball is not left
    made: Images = _array(x + delta.trunc())[0]
    return made


def _tensor(images: Images) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()


def _array(pixels: Tensor) -> Images:
    rounded = np.asarray(pixels.numpy(), np.float32).round().transpose(0, 2, 3, 1)
    made: Images = np.ascontiguousarray(rounded.astype(np.uint8))
    return made


def _affine(reads: Preprocessing, channels: int) -> Callable[[Tensor], Tensor]:
    """Lattice pixels to the values that the network reads, and its order of channels."""
    lines = torch.tensor([[float(v) for v in line] for line in reads.affine(channels)])
    slope, offset = (lines[:, k].reshape(1, -1, 1, 1) for k in (0, 1))
    return lambda x: (x.flip(1) if reads.bgr else x) * slope + offset


def _fp32_logits(module: Any, reads: Preprocessing, manifest: Manifest) -> Logits:
    affine = _affine(reads, manifest.image_shape[2])
    return lambda x: module(affine(x))


def _int8_logits(work: Work, case: Case, manifest: Manifest) -> Logits:
    """The quantisation-aware network of a model of `train`: rounded forwards, straight through backwards."""
    if not case.build:
        raise IntrsError(f"case {case.name!r}: build is empty: name the network that train was given, such as resnet20")
    graph = work.graph(case)
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in case.options.items()}
    sigma = float(model_sigma(graph) or 0)
    network = build_network(case.build, manifest.image_shape, manifest.classes, sigma=sigma, options=options)
    load_model_weights(network, case.path)
    network.freeze()
    network.eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    affine = _affine(read_preprocessing(graph)[0], manifest.image_shape[2])
    scale, zero = float(manifest.raw["input"]["scale"]), int(manifest.raw["input"]["zero_point"])
    return lambda x: network((affine(x) / scale + zero).clamp(-128, 127))


def _answers(target: HostTarget, manifest: Manifest, images: Images) -> Labels:
    """What the int8 network answers to images without noise, by the exact engine."""
    m = manifest.raw["input_map"]
    ordered = images[..., ::-1] if manifest.ends.bgr else images
    codes = InputMap(tuple(m["mul"]), tuple(m["add"]), m["shift"], m["reach"], m["exact"]).apply(
        ordered.astype(np.int64)
    )
    inputs = codes if manifest.ends.input_dtype == "int8" else (codes.astype(np.int16) + 128).astype(np.uint8)
    answers: Labels = target.infer(inputs).argmax(1).astype(np.int64)
    return answers
