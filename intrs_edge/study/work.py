# SPDX-License-Identifier: Apache-2.0
"""Where a study works: its folder, what is kept of an unfinished one, and the certifications that most kinds consist
of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from intrs_edge.budget import parse_json
from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.convert import load_model
from intrs_edge.datasets import ImageSet, load_images
from intrs_edge.errors import IntrsError, several
from intrs_edge.evaluate import certify_images, read_log
from intrs_edge.evaluate.baselines import FloatSmoothing, fp_classifier, quant_classifier
from intrs_edge.evaluate.cohen import cohen_of
from intrs_edge.evaluate.float_network import FloatNetwork, open_float_network
from intrs_edge.evaluate.identity import log_settings
from intrs_edge.evaluate.log import Row, printable, rows_so_far
from intrs_edge.evaluate.methods import FP, GAUSSIAN, QUANT, UNPROVED
from intrs_edge.files import make_folder, write_atomically, written
from intrs_edge.graph.input_map import image_shape
from intrs_edge.graph.ir import Graph
from intrs_edge.paths import shipped
from intrs_edge.smoothing.noise import exact
from intrs_edge.smoothing.results import Mode, lattice_squared
from intrs_edge.study.settings import EVERY, KINDS, Case, Study, slug
from intrs_edge.targets import open_target
from intrs_edge.targets.build import build_project
from intrs_edge.targets.cluster import ClusterTarget
from intrs_edge.targets.host import HostTarget
from intrs_edge.targets.manifest import Manifest, read_manifest

LEAST = Decimal("0.004")  # "radius 0" where a radius must be asked for: one lattice step
_MOST_BYTES = 1 << 24


@dataclass
class Work:
    """A study under way. fraction: "1/K", every K-th image. again: what was shipped is computed anew and compared."""

    name: str
    study: Study
    out: Path
    data_dir: Path | None = None
    fraction: str = "1/1"
    threads: int | None = None
    again: bool = False
    show: bool = True
    scheduler: str | None = None  # of a Dask cluster, whose workers certify
    workers: int = 0  # or so many that are started here
    kept: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    _seconds: float = 0.0
    _images: int = 0
    _sets: dict[tuple[int, ...], ImageSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Takes up what an interrupted run of the same settings left; IntrsError for another's folder."""
        with written(self.out, "study"):
            make_folder(self.out)
        told = self.settings()
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        path = self.out / "state.json"
        if path.is_file():
            state = parse_json(path.read_text(encoding="utf-8"), f"{path}:")
            if not isinstance(state, dict) or state.get("settings") != digest:
                raise IntrsError(f"{self.out} holds another study or other settings of this one; name another folder")
            self.kept = dict(state["kept"])
        self._digest = digest
        self._save()

    def settings(self) -> dict[str, Any]:
        """Everything that decides the figures, ready for JSON."""
        everything = json.loads(json.dumps(dataclasses.asdict(self.study), default=str))
        told = {name: everything[name] for name in (*EVERY, *KINDS[self.study.kind])}
        files = sorted({path for case in self.study.case for path in (case.path, case.float_path)})
        told["models"] = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files]
        return {"study": self.name, "fraction": self.fraction, **told}

    def _save(self) -> None:
        write_atomically(self.out / "state.json", json.dumps({"settings": self._digest, "kept": self.kept}, indent=1))

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """What ``compute`` gives (JSON values), computed once a study: an interrupted one finds it here."""
        if key not in self.kept:
            self.kept[key] = compute()
            self._save()
        return self.kept[key]

    def images(self, shape: tuple[int, int, int]) -> ImageSet:
        """The study's images, (H, W, C) each; those of the fraction."""
        if shape not in self._sets:
            self._sets[shape] = load_images(self.study.images, self.data_dir, shape, shard=self.fraction)
        return self._sets[shape]

    def say(self, text: str) -> None:
        """A line of progress."""
        if self.show:
            print(text, file=sys.stderr, flush=True)

    def project(self, case: Case, target_radius: Decimal | None = None, board: str = "host") -> Path:
        """The generated project of a case, built once, below the study's folder."""
        text = f"{slug(case.name)}-{board}" + (f"-r{target_radius}" if target_radius is not None else "")
        folder = self.out / "projects" / text
        if not (folder / "project.json").is_file():
            generate(self.graph(case), self.options(case, target_radius, board), folder)
        if case.method != FP and not (folder / "build" / "done").is_file():
            self.say(f"building {text}")
            build_project(folder)
            write_atomically(folder / "build" / "done", "")
        return folder

    def options(self, case: Case, target_radius: Decimal | None = None, board: str = "host") -> GenerateOptions:
        """What a case is generated with."""
        s = self.study
        return GenerateOptions(
            board, sigma=case.sigma, n0=s.n0, n=s.n, alpha=s.alpha, certificate="one-sided", target_radius=target_radius
        )

    def graph(self, case: Case) -> Graph:
        """The model of a case."""
        return load_model(case.path)

    def reachable(self, case: Case, radius: Decimal) -> bool:
        """Whether all n samples together prove a radius."""
        graph = self.graph(case)
        smoothing = self.options(case).for_model(graph)[0].smoothing(image_shape(graph))
        return smoothing.radius.lookup(smoothing.n) >= lattice_squared(exact(str(radius)))

    def rows(self, case: Case, left: int, radius: Decimal | None = None) -> list[Row]:
        """The log's rows of a case, fixed or decided for ``radius``: those that are there, or certified now.

        left: runs like this one that follow, to say how long it may take. Raises IntrsError for whatever a
        certification raises.
        """
        mode = Mode.FIXED if radius is None else Mode.TARGET
        asked = None if radius is None else max(radius, LEAST)
        text = "fixed" if asked is None else f"target-radius={asked}"
        log = self.out / "logs" / f"{slug(case.name)}-{'fixed' if asked is None else f'r{radius:f}'}.tsv"
        manifest = read_manifest(self.project(case, asked))
        images = self.images(manifest.image_shape)
        settings = log_settings(manifest.raw, self.study.seed, text, images)
        classes = [str(name) for name in manifest.raw["classes"]]
        with self._certifier(case, manifest) as (certifier, own):
            settings |= own
            before = self._shipped(log, settings)
            if before is not None and not self.again and len(before) == len(images):
                self.sources.append(f"{log.name}: the shipped log")
                return before
            done = len(rows_so_far(log))
            minutes = self._left(len(images) - done, left * len(images))
            self.say(f"{case.name}, {text}: {several(len(images), 'image')}{minutes}")
            start = time.monotonic()
            rows = certify_images(
                images, certifier, log, settings, seed=self.study.seed, mode=mode, classes=classes, show=self.show
            )
            self._seconds, self._images = self._seconds + time.monotonic() - start, self._images + len(rows) - done
        self.sources.append(f"{log.name}: certified here")
        self._compare(log.name, rows, before or [])
        return rows

    def _left(self, here: int, after: int) -> str:
        if not self._images:
            return ""
        return f", about {(here + after) * self._seconds / self._images / 60:.0f} minutes left"

    @contextmanager
    def _certifier(self, case: Case, manifest: Manifest) -> Iterator[tuple[Any, dict[str, str]]]:
        """What certifies a case, and the columns of the log that its method decides."""
        smoothing = cohen_of(manifest.raw["settings"], manifest.image_shape)
        own = {"method": case.method, "noise": GAUSSIAN, "certificate": UNPROVED}
        if case.method == FP:
            network = self.float_network(case)
            with FloatSmoothing(fp_classifier(network), manifest.classes, smoothing) as certifier:
                yield certifier, {**own, "tables": smoothing.table_hash[:16], "model": network.digest[:16]}
            return
        if (self.scheduler or self.workers) and case.method != QUANT:
            with ClusterTarget(manifest, self.scheduler, self.workers) as cluster:
                yield cluster, {}
            return
        with open_target(manifest.directory, "host", self.threads) as target:
            if case.method == QUANT:
                classifier = quant_classifier(manifest, target)
                with FloatSmoothing(classifier, manifest.classes, smoothing) as certifier:
                    yield certifier, {**own, "tables": smoothing.table_hash[:16]}
                return
            yield target, {}

    def float_network(self, case: Case, engine: str | None = None) -> FloatNetwork:
        """The float network of a case."""
        return open_float_network(case.float_path, engine=engine, threads=self.threads)

    def host(self, project: Path) -> HostTarget:
        """The host's library of a project, for this study's threads."""
        target = open_target(project, "host", self.threads)
        assert isinstance(target, HostTarget)
        return target

    def _shipped(self, log: Path, settings: dict[str, str]) -> list[Row] | None:
        """The rows of the shipped log that was made with these settings, of this study's images; None without one."""
        path = results_folder() / self.name / f"{log.name}.gz"
        if not path.is_file():
            return None
        rows = read_log(path)
        same = [name for name in settings if name not in ("source", "select", "shard", "images")]
        if not rows or any(rows[0].extra[name] != printable(settings[name]) for name in same):
            self.say(f"note: the shipped {path.name} was made with other settings or another model; certifying anew")
            return None
        ids = {int(idx) for images in self._sets.values() for idx in images.ids}
        return [row for row in rows if row.idx in ids]

    def _compare(self, name: str, rows: list[Row], before: list[Row]) -> None:
        """Keeps what differs from the shipped log."""
        there = {row.idx: row for row in before}
        for row in rows:
            other = there.get(row.idx)
            if other is not None and any(row.extra[k] != other.extra[k] for k in ("votes", "L", "stop", "pixels")):
                self.differences.append(
                    f"{name}: image {row.idx}: votes {other.extra['votes']}, here {row.extra['votes']}"
                )
        if before:
            self.sources.append(f"{name}: {several(len(there), 'line')} compared with the shipped log")


def results_folder() -> Path:
    """The folder of the shipped logs, ``results``; it need not be there."""
    return shipped("studies").parent / "results"
