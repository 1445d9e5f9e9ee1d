# SPDX-License-Identifier: Apache-2.0
"""What a training run keeps in its folder: the checkpoint, from which it goes on as if it had never stopped, and the
log."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from intrs_edge.datasets.imageset import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.files import write_atomically
from intrs_edge.train.checkpoint import read_state
from intrs_edge.train.config import TrainConfig

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
MODEL = "model.onnx"


@dataclass(frozen=True)
class Place:
    """Where a run is: the next batch, and of the epoch that it lies in the sums so far (of losses, right answers and
    images) and its seconds. log: its lines so far."""

    epoch: int = 0
    batch: int = 0
    losses: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    log: str = ""


def data_digest(data: ImageSet) -> str:
    """SHA-256 of what training sees of a data set: pixels, labels, numbers and class names."""
    digest = hashlib.sha256(json.dumps([data.images.shape, data.classes]).encode())
    for part in (data.images, data.labels, data.ids):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def begin_run(config: TrainConfig, network: nn.Module, optimizer: torch.optim.Optimizer, digest: str) -> Place:
    """Where to begin; a fresh run never overwrites another. Loads the checkpoint when resuming: its settings must be
    these, but for the number of epochs, which may grow.
    """
    path = config.out / CHECKPOINT
    if not config.resume:
        if path.exists():
            raise IntrsError(f"{path} is there already; give --resume to continue it, or another folder")
        log = json.dumps({"settings": json.loads(config.fingerprint())}) + "\n"
        write_atomically(config.out / LOG, log)
        return Place(log=log)
    if not path.exists():
        raise IntrsError(f"{path} does not exist, so there is nothing to resume; leave --resume out")
    try:
        state = read_state(path)
        there = json.loads(TrainConfig().fingerprint()) | json.loads(state["settings"])
        if other := _difference(there, config):
            raise IntrsError(f"{path} was made with other settings ({other}); use the same ones")
        if state["data"] != digest:
            raise IntrsError(f"{path} was made with other images; give the same data set and slice as before")
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        place = Place(**state["place"])
    except IntrsError:
        raise
    except Exception as error:
        raise IntrsError(f"{path} cannot be read ({type(error).__name__}); remove it and start again") from error
    if there["epochs"] != config.epochs:
        grown = {"epochs": config.epochs, "from_epoch": place.epoch, "from_batch": place.batch}
        place = replace(place, log=place.log + json.dumps(grown) + "\n")
    # the log may hold an epoch that was not checkpointed, or lack one that was: the checkpoint's rows are the truth
    write_atomically(config.out / LOG, place.log)
    return place


def _difference(there: dict[str, Any], config: TrainConfig) -> str:
    new = json.loads(config.fingerprint())
    names = [k for k in new if there[k] != new[k] and not (k == "epochs" and new[k] > there[k])]
    return ", ".join(f"{k}: {there[k]} there, {new[k]} now" for k in names)


def save_run(
    config: TrainConfig, network: nn.Module, optimizer: torch.optim.Optimizer, place: Place, digest: str
) -> None:
    """Writes the checkpoint, then the log."""
    state = {
        "settings": config.fingerprint(),
        "data": digest,
        "place": asdict(place),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    saved = io.BytesIO()
    torch.save(state, saved)
    write_atomically(config.out / CHECKPOINT, saved.getvalue(), "checkpoint")
    write_atomically(config.out / LOG, place.log)
