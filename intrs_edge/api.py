# SPDX-License-Identifier: Apache-2.0
"""What the command line does, from Python: ``import intrs_edge as ie``. Paths are str or Path, errors IntrsError."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intrs_edge.errors import IntrsError, several
from intrs_edge.smoothing.settings import SETTINGS

if TYPE_CHECKING:
    import pandas as pd

    from intrs_edge.codegen import Report
    from intrs_edge.datasets import ImageSet
    from intrs_edge.evaluate.log import Row
    from intrs_edge.graph.ir import Graph
    from intrs_edge.targets import Target
    from intrs_edge.train import TrainResult

PathLike = str | os.PathLike[str]


class Log(list["Row"]):
    """The rows of a log, by the image's number. ``name``: what reports call it."""

    def __init__(self, rows: Iterable[Row], name: str) -> None:
        super().__init__(rows)
        self.name = name

    def to_pandas(self) -> pd.DataFrame:
        """A line an image: Cohen's columns, then those of docs/evaluate.md; numbers are numbers. Needs pandas."""
        try:
            import pandas  # noqa: PLC0415 - not needed otherwise
        except ImportError:
            raise IntrsError("to_pandas needs pandas: pip install pandas") from None
        lines = [
            {"idx": r.idx, "label": r.label, "predict": r.predict, "radius": r.radius, "correct": r.correct, **r.extra}
            for r in self
        ]
        table = pandas.DataFrame(lines)
        for column in ("selected", "count", "samples", "L", "linf", "l1", "n0", "n"):
            if column in table:
                table[column] = pandas.to_numeric(table[column])
        return table

    def report(self, output: PathLike, **more: Any) -> Path:
        """See `report`."""
        return report({self.name: self}, output, **more)

    def __repr__(self) -> str:
        from intrs_edge.evaluate.log import warning  # noqa: PLC0415

        certified = sum(not row.abstained for row in self)
        unsound = f", {warning(self)}" if warning(self) else ""
        return f"<Log {self.name}: {several(len(self), 'image')}, {certified} certified{unsound}>"

    def _repr_html_(self) -> str:
        from intrs_edge.evaluate.report import table  # noqa: PLC0415

        if not self:
            return escape(repr(self))
        header, lines = table({self.name: self})
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
        return f"<table><tr>{head}</tr>{body}</table>"


@dataclass(frozen=True)
class Project:
    """A generated project. ``told``: what `generate` had to say, None for one that was opened."""

    path: Path
    told: Report | None = None

    def build(self) -> Project:
        """See `build`."""
        return build(self)

    def certify(self, images: str | ImageSet, log: PathLike, **more: Any) -> Log:
        """See `certify`."""
        return certify(self, images, log, **more)

    def open(self, target: str = "host", **settings: Any) -> Target:
        """What runs it, for images one by one: a context manager with infer, votes, predict and certify. settings: n0,
        n, alpha, target_radius or precision other than the project's, where no board is.
        """
        from intrs_edge.targets import open_target  # noqa: PLC0415
        from intrs_edge.targets.manifest import read_manifest  # noqa: PLC0415

        return open_target(read_manifest(self.path).revised(**_decimals(settings)), target)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.told.as_text() if self.told else f'project {self.path}')}</pre>"


def load(model: PathLike) -> Graph:
    """An int8 .tflite or a QDQ .onnx as a graph."""
    from intrs_edge.convert import load_model  # noqa: PLC0415

    return load_model(Path(model))


def train(images: str, out: PathLike, *, data_dir: PathLike | None = None, **settings: Any) -> TrainResult:
    """Trains on images such as "digits:train", quantisation-aware and under noise; ``.model`` of the result is a file
    for `load`. settings: fields of ``TrainConfig``, such as network, sigma, epochs. Needs torch.
    """
    from intrs_edge.datasets import load_images  # noqa: PLC0415
    from intrs_edge.train import TrainConfig  # noqa: PLC0415

    config = TrainConfig(out=Path(out), **settings)
    data = load_images(images, _optional(data_dir))
    from intrs_edge.train import train as run  # noqa: PLC0415 - torch takes seconds, and what is missing was named

    return run(config, data, None)


def generate(model: PathLike | Graph, out: PathLike, **options: Any) -> Project:
    """The C project of a model. options: fields of ``GenerateOptions``: board, sigma, n0, n, alpha, seed, ..."""
    from intrs_edge.codegen import GenerateOptions, ModelFile  # noqa: PLC0415
    from intrs_edge.codegen import generate as run  # noqa: PLC0415

    options = _decimals(options)
    graph = load(model) if isinstance(model, str | os.PathLike) else model
    source = ModelFile.of(model) if isinstance(model, str | os.PathLike) else None
    return Project(Path(out), run(graph, GenerateOptions(**options), Path(out), source=source))


def build(project: PathLike | Project, jobs: int | None = None) -> Project:
    """Compiles a project with CMake. jobs: compilers at a time, all cores without it."""
    from intrs_edge.targets.build import build_project  # noqa: PLC0415

    opened = project if isinstance(project, Project) else Project(Path(project))
    build_project(opened.path, jobs or os.cpu_count() or 1)
    return opened


def certify(
    project: PathLike | Project,
    images: str | ImageSet,
    log: PathLike,
    *,
    target: str = "host",
    seed: int | None = None,
    data_dir: PathLike | None = None,
    progress: bool = False,
    deadline: float | None = None,
    **settings: Any,
) -> Log:
    """Certifies images (text as ``intrs-edge certify`` takes it, or a set that `load_images` gave) into a log.

    A log that is there is resumed. seed: for replays; without it the project's, else fresh random bits. deadline:
    seconds for each image, after which what its samples prove is its certificate. settings: n0, n or alpha other than
    the project's (not on boards); target_radius (or target_linf: every value within so many steps of 1/255) or
    precision ask for that sequential mode. What the command line says on stderr, and of boards that were proved wrong,
    is a Python warning (`warnings`).
    """
    from intrs_edge.cli.certify import mode_of, run_seed, target_of  # noqa: PLC0415
    from intrs_edge.datasets import load_images  # noqa: PLC0415
    from intrs_edge.evaluate.certify import certify_images  # noqa: PLC0415
    from intrs_edge.evaluate.deadline import within  # noqa: PLC0415
    from intrs_edge.evaluate.identity import log_settings, warnings_of  # noqa: PLC0415
    from intrs_edge.targets import open_target  # noqa: PLC0415
    from intrs_edge.targets.manifest import read_manifest  # noqa: PLC0415

    folder = project.path if isinstance(project, Project) else Path(project)
    settings, manifest = _decimals(settings), read_manifest(folder)
    target_radius = target_of(manifest, settings.get("target_radius"), settings.pop("target_linf", None))
    manifest = manifest.revised(**settings | {"target_radius": target_radius})
    mode, said = mode_of(settings | {"target_radius": target_radius})
    manifest.check_images()
    if isinstance(images, str):
        images = load_images(images, _optional(data_dir), manifest.image_shape, resize=manifest.resize)
    classes = [str(name) for name in manifest.raw["classes"]]
    for line in warnings_of(images, classes):
        warnings.warn(line, stacklevel=2)
    with open_target(manifest, target) as opened, within(deadline, opened, manifest) as certifier:
        drawn = run_seed(seed, manifest.raw["settings"]["seed"], Path(log), opened)
        columns = log_settings(manifest.raw, drawn, said, images)
        rows = certify_images(
            images, certifier, Path(log), columns, seed=drawn, mode=mode, classes=classes, show=progress
        )
        for name, why in getattr(opened, "liars", {}).items():
            told = "every image that it took part in was certified again without it"
            warnings.warn(f"PROVED WRONG: {name}: {why}; {told}", stacklevel=2)
    return Log(rows, Path(log).stem)


def read_log(path: PathLike) -> Log:
    """A log of certify, or any with Cohen's six columns."""
    from intrs_edge.evaluate.log import read_log as read  # noqa: PLC0415

    return Log(read(Path(path)), Path(path).stem)


def report(
    logs: Log | Sequence[Log] | Mapping[str, Sequence[Row]],
    output: PathLike,
    *,
    images: str | None = None,
    project: PathLike | Project | None = None,
    data_dir: PathLike | None = None,
) -> Path:
    """Writes a page (.html), a plot (.svg, .png, .pdf) or a table (.md, .tex, .csv) on one or several logs.

    images: for a gallery in the page; project: for the firmware in it. Gives the file's path.
    """
    named: Mapping[str, Sequence[Row]]
    if isinstance(logs, Log):
        named = {logs.name: logs}
    elif isinstance(logs, Mapping):
        named = logs
    else:
        named = {log.name: log for log in logs}
    path = Path(output)
    if path.suffix == ".html":
        from intrs_edge.evaluate.firmware import firmware_of  # noqa: PLC0415
        from intrs_edge.evaluate.gallery import gallery  # noqa: PLC0415
        from intrs_edge.evaluate.page import Extras, write_page  # noqa: PLC0415

        found = (
            None if project is None else firmware_of(project.path if isinstance(project, Project) else Path(project))
        )
        pictures = {name: gallery(rows, images, _optional(data_dir)) for name, rows in named.items()} if images else {}
        write_page(named, path, extras=Extras(pictures, dict.fromkeys(named, found) if found else {}))
    elif path.suffix in (".svg", ".png", ".pdf"):
        from intrs_edge.evaluate.plot import draw  # noqa: PLC0415

        draw(named, path)
    else:
        from intrs_edge.evaluate.report import write_table  # noqa: PLC0415

        write_table(named, path)
    return path


def _decimals(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the command line has them: 0.1 is one tenth."""
    exact = [setting.name for setting in SETTINGS if setting.metadata["kind"] == "decimal"]
    return {
        name: Decimal(str(value)) if name in exact and isinstance(value, float | int | str) else value
        for name, value in settings.items()
    }


def _optional(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)
