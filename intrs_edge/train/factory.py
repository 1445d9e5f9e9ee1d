# SPDX-License-Identifier: Apache-2.0
"""Networks by name: the built-in ones, and any module that a Python file makes (``FILE.py:FACTORY``)."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from intrs_edge.errors import IntrsError
from intrs_edge.train.network import QatNetwork, build_network
from intrs_edge.train.trace import from_torch

CLASSES = ("num_classes", "classes", "n_classes")


def is_file(name: str) -> bool:
    """Whether a network's name is FILE.py:FACTORY."""
    return ".py:" in name


def make_module(name: str, classes: int, options: dict[str, Any]) -> nn.Module:
    """Runs FACTORY of FILE.py (a program: it is trusted) with ``options``, and with the number of classes under the
    name that it has for it; gives its module. Raises IntrsError naming what is missing."""
    file, _, factory = name.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise IntrsError(f"{path} does not exist; give --network FILE.py:FACTORY")
    # a name of its own, so that two files called model.py do not meet
    module_name = f"intrs_network_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = source
    sys.path.insert(0, str(path.parent.resolve()))  # what lies beside the file can be imported by it
    try:
        spec.loader.exec_module(source)
    except Exception as error:
        raise IntrsError(f"{path} cannot be run ({type(error).__name__}: {error}); mend it") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    make = getattr(source, factory, None)
    if not callable(make):
        raise IntrsError(f"{path} has no function or class {factory!r}; name one that gives an nn.Module")
    try:
        known = inspect.signature(make).parameters
        counted = next(({n: classes} for n in CLASSES if n in known and n not in options), {})
        module = make(**counted, **options)
    except Exception as error:
        raise IntrsError(
            f"{name}: {factory}() failed ({type(error).__name__}: {error}); give its options with --set"
        ) from error
    if not isinstance(module, nn.Module):
        raise IntrsError(f"{name}: {factory}() gives {type(module).__name__}; it must give an nn.Module")
    return module


def network_of(
    name: str,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    *,
    sigma: float,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    start: Path | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> QatNetwork:
    """The network that a training begins with, for images of (H, W, C); ``start``: a checkpoint of it, or a model that
    ``train`` wrote; mean, std: what the checkpoint was trained with. Random weights follow from ``seed``. Raises
    IntrsError, too, for a built-in network that starts from a checkpoint and no word of its normalisation."""
    from intrs_edge.train import checkpoint  # noqa: PLC0415 - it names what this module makes

    if not is_file(name):
        network = build_network(
            name, shape, len(class_names), sigma=sigma, seed=seed, options=options, class_names=class_names,
            mean=mean, std=std,
        )  # fmt: skip
        if start is not None and not checkpoint.is_model(start) and not (mean or std):
            raise IntrsError(
                f"{start}: what its images were normalised with is not known; give --mean and --std as it was trained "
                "(ImageNet's: --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225), or --mean 0 --std 1 for pixel / 255"
            )
        if start is not None and not checkpoint.is_model(start):
            checkpoint.load_float_checkpoint(network, start)
    else:
        import torch  # noqa: PLC0415

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = make_module(name, len(class_names), options or {})
        if start is not None and not checkpoint.is_model(start):
            checkpoint.load_module(module, start)
        network = network_of_module(module, shape, class_names, sigma=sigma, mean=mean, std=std, name=Path(name).stem)
    if start is not None and checkpoint.is_model(start):
        checkpoint.load_model_weights(network, start)
    return network


def network_of_module(
    module: nn.Module,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    *,
    sigma: float,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    name: str = "",
) -> QatNetwork:
    """A module traced for images of (H, W, C); one row of one channel is given as a vector, several rows of one as
    a signal [C, L] of L rows, where the module takes no image. Raises IntrsError when it gives another number of
    classes."""
    h, w, c = shape
    forms: list[tuple[int, ...]] = [(c, h, w), *([(w,)] if (h, c) == (1, 1) else []), *([(w, h)] if c == 1 else [])]
    network, first = None, None
    for form in forms:
        try:
            network = from_torch(module, form, sigma=sigma, classes=class_names, mean=mean, std=std, name=name)
            break
        except IntrsError as error:
            first = first or error
    if network is None:
        assert first is not None
        raise first
    if network.arch.classes != len(class_names):
        raise IntrsError(
            f"{network.arch.name}: the network gives {network.arch.classes} classes, the images have "
            f"{len(class_names)}; give it as many outputs"
        )
    return network
