# SPDX-License-Identifier: Apache-2.0
"""The training loop: noisy images in, a frozen quantised network out; stops and resumes without a trace."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.errors import IntrsError, several
from intrs_edge.files import check_regular, locked_folder, write_atomically
from intrs_edge.train.ahead import ahead
from intrs_edge.train.batches import Noise, batches, batches_per_epoch
from intrs_edge.train.checkpoint import is_model, match_statistics
from intrs_edge.train.config import TrainConfig
from intrs_edge.train.factory import network_of, network_of_module
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.noise import NoiseBank
from intrs_edge.train.onnx_float import export_float
from intrs_edge.train.onnx_writer import export_qdq
from intrs_edge.train.progress import Progress
from intrs_edge.train.run_state import CHECKPOINT, LOG, MODEL, Place, begin_run, data_digest, save_run

ANSWERS = 1000  # noisy training images that are looked at when a training ends
DEV_RUN = "fast-dev-run"


@dataclass(frozen=True)
class TrainResult:
    """The frozen network, its accuracy on one noisy copy of every test image (nan without any), the written model,
    and what a user should know of it, a line each."""

    network: QatNetwork
    noisy_accuracy: float
    model: Path
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Run:
    """What every step of a run needs."""

    config: TrainConfig
    network: QatNetwork
    optimizer: torch.optim.Optimizer
    data: ImageSet
    validation: ImageSet | None
    digest: str
    progress: Progress


def train(
    config: TrainConfig, data: ImageSet, test: ImageSet | None = None, network: nn.Module | None = None
) -> TrainResult:
    """Trains ``config.network``, or the ``network`` given (any float torch module, or a `QatNetwork`), on uint8 images;
    writes ``model.onnx`` (QDQ, or float where ``plain_float``), ``log.jsonl`` and a checkpoint per epoch and every few
    minutes.

    Everything random follows from ``config.seed`` and the epoch, so a run that was stopped and resumed gives the same
    bits as one that was not (for the same torch build, device and number of threads). Raises IntrsError for bad
    settings, data without labels, a folder that holds another run, or a loss that is no longer finite.
    """
    config.check()
    _check_data(data)
    device = _device(config)
    if config.fast_dev_run:
        config, data, test = _small(config, data, test)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = _first_network(config, data, network).to(device)
    network.resize = config.resize
    if not any(p.requires_grad for p in network.parameters()):
        raise IntrsError(f"{network.arch.name}: all its parameters are frozen; call requires_grad_(True) on some")
    optimizer = torch.optim.SGD(
        _parameter_groups(network, config.weight_decay), lr=config.learning_rate, momentum=config.momentum
    )
    for name in (CHECKPOINT, LOG, MODEL):
        check_regular(config.out / name)
    with locked_folder(config.out, "training run"):
        digest = data_digest(data)
        place = begin_run(config, network, optimizer, digest)
        noise = Noise(config, network)
        validation = _some(test, config.validate, config.seed)
        total = batches_per_epoch(config, data)
        with Progress(config.epochs, total, config.progress, place.epoch, place.batch) as progress:
            run = _Run(config, network, optimizer, data, validation, digest, progress)
            while place.epoch < config.epochs:
                place = _epoch(run, noise, place)
        network.quantise(not config.plain_float)  # a run that was resumed behind its end had no epoch
        accuracy = noisy_accuracy(network, test, config.seed, config.plain_float) if test is not None else float("nan")
        log = place.log + json.dumps({"noisy_test_accuracy": None if test is None else accuracy}) + "\n"
        write_atomically(config.out / LOG, log)
        warnings = (*network.notes, *_one_answer(config, network, data))
        network.cpu()
        model = (export_float if config.plain_float else export_qdq)(network, config.out / MODEL)
    return TrainResult(network, accuracy, model, warnings)


def _device(config: TrainConfig) -> torch.device:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise IntrsError("--device cuda: torch finds no CUDA GPU here; leave it out, or install a torch with CUDA")
    return torch.device(config.device)


def _small(config: TrainConfig, data: ImageSet, test: ImageSet | None) -> tuple[TrainConfig, ImageSet, ImageSet | None]:
    """Two batches, one epoch of each kind, a folder of its own that is begun anew."""
    floats = min(1, config.float_epochs)
    config = replace(config, epochs=1 + floats, float_epochs=floats, out=config.out / DEV_RUN, resume=False)
    (config.out / CHECKPOINT).unlink(missing_ok=True)
    few = np.random.default_rng(config.seed).permutation(len(data))[: 2 * config.batch]
    return config, _part(data, few), _some(test, config.batch, config.seed)


def _some(data: ImageSet | None, count: int, seed: int) -> ImageSet | None:
    """So many of the images, chosen by the seed; None for none."""
    if data is None or not count:
        return None
    return _part(data, np.sort(np.random.default_rng([seed, 6]).permutation(len(data))[:count]))


def _part(data: ImageSet, chosen: npt.NDArray[np.int64]) -> ImageSet:
    return replace(data, images=data.images[chosen], labels=data.labels[chosen], ids=data.ids[chosen], files=())


def _first_network(config: TrainConfig, data: ImageSet, given: nn.Module | None) -> QatNetwork:
    """The network at the start of a training."""
    if isinstance(given, QatNetwork):
        return given
    if given is not None:
        return network_of_module(given, data.shape, data.classes, sigma=config.sigma, mean=config.mean, std=config.std)
    network = network_of(
        config.network, data.shape, data.classes, sigma=config.sigma, seed=config.seed,
        options=config.network_options, start=config.start, mean=config.mean, std=config.std,
    )  # fmt: skip
    if config.start is not None and is_model(config.start):
        chosen = np.random.default_rng([config.seed, 4]).permutation(len(data))[:ANSWERS]
        bank = NoiseBank(config.sigma, max(1, data.images[chosen].size), config.seed + 1)
        bank.start_epoch(0)
        images = data.images[chosen].astype(np.int32)
        match_statistics(network, images + bank.take(images.shape))
    return network


def noisy_accuracy(network: QatNetwork, data: ImageSet, seed: int = 0, plain_float: bool = False) -> float:
    """Share of images whose one noisy copy the frozen network gets right; plain_float: under a continuous Gaussian."""
    return float((_noisy_answers(network, data.images, seed, plain_float) == data.labels).mean())


def _noisy_answers(
    network: QatNetwork, images: npt.NDArray[np.uint8], seed: int, plain_float: bool
) -> npt.NDArray[np.int64]:
    bank = max(1, min(images.size, 1 << 24))
    config = TrainConfig(sigma=network.sigma, seed=seed + 1, bank=bank, plain_float=plain_float)
    noise = Noise(config, network)
    parts = [network.logits(noise.inputs(images[i : i + 256])).argmax(1) for i in range(0, len(images), 256)]
    answers: npt.NDArray[np.int64] = np.concatenate(parts)
    return answers


def _one_answer(config: TrainConfig, network: QatNetwork, data: ImageSet) -> Iterator[str]:
    """A line when a network has learned nothing but one answer: certified, it looks perfect."""
    chosen = np.random.default_rng([config.seed, 3]).permutation(len(data))[:ANSWERS]
    answers = _noisy_answers(network, data.images[chosen], config.seed, config.plain_float)
    if len(np.unique(data.labels[chosen])) > 1 and len(np.unique(answers)) == 1:
        name = data.classes[answers[0]]
        yield (
            f"the network answers {name!r} for each of "
            f"{several(len(chosen), 'noisy training image')}: it has learned nothing, "
            "and would certify that answer for any image; train longer or lower --learning-rate"
        )


def _epoch(run: _Run, noise: Noise, place: Place) -> Place:
    """Trains from a place to the end of its epoch; gives the place behind it."""
    config, network, epoch = run.config, run.network, place.epoch
    network.train()
    network.quantise(not config.plain_float and epoch >= config.float_epochs)
    total = batches_per_epoch(config, run.data)
    rates = [config.rate((number + epoch * total) / (config.epochs * total)) for number in range(total)]
    first_frozen = config.first_frozen(total)
    device = next(network.parameters()).device
    saved = time.monotonic()
    started = saved - place.seconds
    for number, (inputs, labels) in enumerate(ahead(batches(config, run.data, epoch, noise, place.batch)), place.batch):
        network.freeze(number + epoch * total >= first_frozen)
        for group in run.optimizer.param_groups:
            group["lr"] = rates[number]
        target = labels.to(device)
        logits = network(inputs.to(device))
        loss = _loss(config, logits, target)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.optimizer.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise IntrsError(
                f"the loss became {value} in epoch {epoch}; lower --learning-rate (it is {config.learning_rate:g})"
            )
        place = replace(
            place,
            batch=number + 1,
            losses=place.losses + value * len(labels),
            right=place.right + int((logits[: len(labels)].argmax(1) == target).sum()),
            seen=place.seen + len(labels),
            seconds=time.monotonic() - started,
        )
        run.progress.batch_done(place.losses / place.seen, place.right / place.seen, len(labels))
        if time.monotonic() - saved >= 60 * config.checkpoint_minutes:
            save_run(config, network, run.optimizer, place, run.digest)
            saved = time.monotonic()
    row: dict[str, Any] = {"epoch": epoch, "loss": place.losses / place.seen, "accuracy": place.right / place.seen}
    row["learning_rate"] = rates[-1]
    if run.validation is not None:
        row["noisy_validation_accuracy"] = noisy_accuracy(network, run.validation, config.seed, config.plain_float)
    row["seconds"] = round(time.monotonic() - started, 2)
    place = Place(epoch + 1, log=place.log + json.dumps(row) + "\n")
    save_run(config, network, run.optimizer, place, run.digest)
    run.progress.epoch_done(row)
    return place


def _loss(config: TrainConfig, logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, plus KL to the mean prediction and its entropy (Jeong and Shin 2020, eq. 7) over two noisy
    copies."""
    if config.consistency == 0:
        return F.cross_entropy(logits, target)
    copies = logits.chunk(2)
    logs = [F.log_softmax(c, 1) for c in copies]
    mean = torch.stack([log.exp() for log in logs]).mean(0)
    log_mean = mean.clamp(min=1e-12).log()
    divergence = torch.stack([(mean * (log_mean - log)).sum(1) for log in logs]).mean()
    entropy = -(mean * log_mean).sum(1).mean()
    cross = torch.stack([F.nll_loss(log, target) for log in logs]).mean()
    loss: Tensor = cross + config.consistency * divergence + config.entropy * entropy
    return loss


def _parameter_groups(network: QatNetwork, decay: float) -> list[dict[str, Any]]:
    """Weights decay; batch-norm parameters and biases do not."""
    weights = [p for p in network.parameters() if p.dim() > 1]
    rest = [p for p in network.parameters() if p.dim() <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def _check_data(data: ImageSet) -> None:
    if len(data) < 2:
        raise IntrsError(f"{data.name}: {several(len(data), 'image')} are too few to train on; give at least 2")
    if data.labels.min() < 0 or len(data.classes) < 2:
        raise IntrsError(
            f"{data.name}: training needs a label for every image and at least 2 classes; give labelled images"
        )
