"""The training loop: noisy integer images in, a frozen quantised network out; stops and resumes without a trace."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.files import check_regular, locked_folder, write_atomically
from intrs_edge.train.ahead import ahead
from intrs_edge.train.checkpoint import is_model, match_statistics, read_state
from intrs_edge.train.config import TrainConfig
from intrs_edge.train.factory import network_of, network_of_module
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.noise import NoiseBank, augment
from intrs_edge.train.onnx_writer import export_qdq
from intrs_edge.train.progress import Progress

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
MODEL = "model.onnx"
ANSWERS = 1000  # noisy training images that are looked at when a training ends


@dataclass(frozen=True)
class TrainResult:
    """The frozen network, its accuracy on one noisy copy of every test image (nan without any), the written model,
    and what a user should know of it, a line each."""

    network: QatNetwork
    noisy_accuracy: float
    model: Path
    warnings: tuple[str, ...] = ()


def train(
    config: TrainConfig, data: ImageSet, test: ImageSet | None = None, network: nn.Module | None = None
) -> TrainResult:
    """Trains ``config.network``, or the ``network`` given (any float torch module, or a `QatNetwork`), on uint8 images;
    writes ``model.onnx`` (QDQ), ``log.jsonl`` and a checkpoint per epoch.

    Everything random follows from ``config.seed`` and the epoch, so a run that was stopped and resumed gives the same
    bits as one that was not (for the same torch build and number of threads). Raises IntrsError for bad settings, data
    without labels, a folder that holds another run, or a loss that is no longer finite.
    """
    config.check()
    _check_data(config, data)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = _first_network(config, data, network)
    optimizer = torch.optim.SGD(
        _parameter_groups(network, config.weight_decay), lr=config.learning_rate, momentum=config.momentum
    )
    for name in (CHECKPOINT, LOG, MODEL):
        check_regular(config.out / name)
    with locked_folder(config.out, "training run"):
        digest = data_digest(data)
        first, log = _begin(config, network, optimizer, digest)
        bank = NoiseBank(config.sigma, config.bank, config.seed)
        with Progress(config.epochs, _batches_per_epoch(config, data), config.progress, first) as progress:
            for epoch in range(first, config.epochs):
                started = time.monotonic()
                row = {"epoch": epoch, **_epoch(config, network, optimizer, data, bank, epoch, progress)}
                row["seconds"] = round(time.monotonic() - started, 2)
                log += json.dumps(row) + "\n"
                _save(config, network, optimizer, epoch, log, digest)
                progress.epoch_done(row)
        accuracy = noisy_accuracy(network, test, config.seed) if test is not None else float("nan")
        log += json.dumps({"noisy_test_accuracy": None if test is None else accuracy}) + "\n"
        write_atomically(config.out / LOG, log)
        model = export_qdq(network, config.out / MODEL)
    return TrainResult(network, accuracy, model, (*network.notes, *_one_answer(network, data, config.seed)))


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
        match_statistics(network, _with_noise(network, data.images[chosen], config.seed))
    return network


def noisy_accuracy(network: QatNetwork, data: ImageSet, seed: int = 0) -> float:
    """Share of images whose one noisy copy the frozen network gets right."""
    return float((_noisy_answers(network, data.images, seed) == data.labels).mean())


def data_digest(data: ImageSet) -> str:
    """SHA-256 of what training sees of a data set: pixels, labels, numbers and class names."""
    digest = hashlib.sha256(json.dumps([data.images.shape, data.classes]).encode())
    for part in (data.images, data.labels, data.ids):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _noisy_answers(network: QatNetwork, images: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.int64]:
    answers: npt.NDArray[np.int64] = network.predict(_with_noise(network, images, seed)).argmax(1)
    return answers


def _with_noise(network: QatNetwork, images: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.int32]:
    bank = NoiseBank(network.sigma, max(1, images.size), seed + 1)
    bank.start_epoch(0)
    noisy: npt.NDArray[np.int32] = images.astype(np.int32) + bank.take(images.shape)
    return noisy


def _one_answer(network: QatNetwork, data: ImageSet, seed: int) -> Iterator[str]:
    """A line when a network has learned nothing but one answer: certified, it looks perfect."""
    chosen = np.random.default_rng([seed, 3]).permutation(len(data))[:ANSWERS]
    answers = _noisy_answers(network, data.images[chosen], seed)
    if len(np.unique(data.labels[chosen])) > 1 and len(np.unique(answers)) == 1:
        name = data.classes[answers[0]]
        yield (
            f"the network answers {name!r} for each of {len(chosen)} noisy training images: it has learned nothing, "
            "and would certify that answer for any image; train longer or lower --learning-rate"
        )


def _epoch(
    config: TrainConfig,
    network: QatNetwork,
    optimizer: torch.optim.Optimizer,
    data: ImageSet,
    bank: NoiseBank,
    epoch: int,
    progress: Progress,
) -> dict[str, float]:
    network.train()
    network.quantise(epoch >= config.float_epochs)
    batches = _batches_per_epoch(config, data)
    first_frozen = config.first_frozen(batches)
    losses, right, seen, rate = 0.0, 0, 0, 0.0
    work = ahead(_batches(config, network, data, epoch, bank))
    for number, (inputs, labels) in enumerate(work, epoch * batches):
        network.freeze(number >= first_frozen)
        rate = config.rate(number / (config.epochs * batches))
        for group in optimizer.param_groups:
            group["lr"] = rate
        target = torch.from_numpy(labels)
        logits = network(inputs)
        loss = _loss(config, logits, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise IntrsError(
                f"the loss became {value} in epoch {epoch}; lower --learning-rate (it is {config.learning_rate:g})"
            )
        losses += value * len(labels)
        right += int((logits[: len(labels)].argmax(1) == target).sum())
        seen += len(labels)
        progress.batch_done(losses / seen, right / seen)
    return {"loss": losses / seen, "accuracy": right / seen, "learning_rate": rate}


def _batches(
    config: TrainConfig, network: QatNetwork, data: ImageSet, epoch: int, bank: NoiseBank
) -> Iterator[tuple[Tensor, npt.NDArray[np.int64]]]:
    """The network's inputs and labels, a batch a time: noisy copies on the integer lattice, one of each image, or two
    behind each other that share everything but the noise."""
    bank.start_epoch(epoch)
    rng = np.random.default_rng([config.seed, epoch, 2])
    order = rng.permutation(len(data))
    copies = 2 if config.consistency > 0 else 1
    for i in range(0, len(order), config.batch):
        chosen = order[i : i + config.batch]
        if len(chosen) < 2:  # batch statistics of one image are none
            return
        images = augment(data.images[chosen], config.flip, config.shift, rng).astype(np.int32)
        noisy = np.concatenate([images + bank.take(images.shape) for _ in range(copies)])
        yield network.quantise_input(noisy), data.labels[chosen]


def _batches_per_epoch(config: TrainConfig, data: ImageSet) -> int:
    """A last batch of one image is left out: it has no batch statistics."""
    whole, rest = divmod(len(data), config.batch)
    return max(1, whole + (rest > 1))


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


def _check_data(config: TrainConfig, data: ImageSet) -> None:
    if len(data) < 2:
        raise IntrsError(f"{data.name}: {len(data)} images are too few to train on; give at least 2")
    if data.labels.min() < 0 or len(data.classes) < 2:
        raise IntrsError(
            f"{data.name}: training needs a label for every image and at least 2 classes; give labelled images"
        )


def _begin(config: TrainConfig, network: QatNetwork, optimizer: torch.optim.Optimizer, digest: str) -> tuple[int, str]:
    """Loads the checkpoint when resuming; gives the epoch to begin with and the log so far. A fresh run never
    overwrites another.
    """
    path = config.out / CHECKPOINT
    if not config.resume:
        if path.exists():
            raise IntrsError(f"{path} is there already; give --resume to continue it, or another folder")
        log = json.dumps({"settings": json.loads(config.fingerprint())}) + "\n"
        write_atomically(config.out / LOG, log)
        return 0, log
    if not path.exists():
        raise IntrsError(f"{path} does not exist, so there is nothing to resume; leave --resume out")
    try:
        state = read_state(path)
        if state["settings"] != config.fingerprint():
            raise IntrsError(
                f"{path} was made with other settings ({_difference(state['settings'], config)}); use the same ones"
            )
        if state["data"] != digest:
            raise IntrsError(f"{path} was made with other images; give the same data set and slice as before")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except IntrsError:
        raise
    except Exception as error:
        raise IntrsError(f"{path} cannot be read ({type(error).__name__}); remove it and start again") from error
    # the log may hold an epoch that was not checkpointed, or lack one that was: the checkpoint's rows are the truth
    write_atomically(config.out / LOG, state["log"])
    return int(state["epoch"]) + 1, str(state["log"])


def _difference(settings: str, config: TrainConfig) -> str:
    old, new = json.loads(settings), json.loads(config.fingerprint())
    return ", ".join(f"{k}: {old.get(k)} there, {new[k]} now" for k in new if old.get(k) != new[k])


def _save(
    config: TrainConfig,
    network: QatNetwork,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    log: str,
    digest: str,
) -> None:
    state = {
        "settings": config.fingerprint(),
        "data": digest,
        "epoch": epoch,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "log": log,
    }
    saved = io.BytesIO()
    torch.save(state, saved)
    write_atomically(config.out / CHECKPOINT, saved.getvalue(), "checkpoint")
    write_atomically(config.out / LOG, log)
