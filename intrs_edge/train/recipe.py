"""Recipes: a training in a TOML file, those of the paper among them (``recipes/``)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from intrs_edge.budget import parse_toml
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.train.config import TrainConfig

MAX_FILE_BYTES = 1 << 14
ZOO = "zoo:"
_OF_A_RUN = ("out", "resume", "progress", "threads")  # what a recipe does not decide
_SIDE_MAX = 4096


@dataclass(frozen=True)
class Recipe:
    """A training. data, test: images as `load_images` takes them; size: (H, W) that image files are stretched to, None
    for images of one size; start: what ``--start`` has to be given, in words, where that is nothing shipped."""

    name: str
    about: str
    data: str
    test: str | None
    size: tuple[int, int] | None
    start: str | None
    config: TrainConfig


def recipe_names() -> list[str]:
    """The names of those that are shipped, sorted."""
    return sorted(path.stem for path in shipped("recipes").glob("*.toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by its name, or one in a TOML file by its path.

    Raises IntrsError when there is none, or for a field that is unknown, missing or of a wrong type.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = shipped("recipes") / f"{name_or_path}.toml"
        if name_or_path not in recipe_names():
            raise IntrsError(
                f"unknown recipe {name_or_path!r}; known: {', '.join(recipe_names())}; or give the path of a .toml"
            )
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise IntrsError(f"recipe {path}: longer than {MAX_FILE_BYTES} bytes: a recipe is a few dozen lines")
        content = parse_toml(text.decode("utf-8"), f"recipe {path}:")
    except OSError as error:
        raise IntrsError(f"recipe {path}: cannot be read ({error.strerror}); name one of recipes/ or a file") from None
    except UnicodeDecodeError:
        raise IntrsError(f"recipe {path}: is no text in UTF-8; write it again") from None
    return parse_recipe(content, path)


def parse_recipe(content: dict[str, Any], path: Path) -> Recipe:
    """A recipe from what its file holds; ``path`` names it, and is where its network's file lies."""
    known = {"about": str, "data": str, "test": str, "size": list, "start": str, "train": dict}
    _check_names(content, known, path, "")
    for name in ("about", "data", "train"):
        if name not in content:
            raise IntrsError(f"recipe {path}: lacks {name!r}")
    for name, value in content.items():
        if not isinstance(value, known[name]):
            raise IntrsError(f"recipe {path}: {name!r} is {value!r}, which is no {known[name].__name__}")
    size = content.get("size")
    if size is not None and (len(size) != 2 or any(type(n) is not int or not 1 <= n <= _SIDE_MAX for n in size)):
        raise IntrsError(f"recipe {path}: size {size} is not [height, width] of 1 to {_SIDE_MAX} pixels")
    config, start = _config(content["train"], path), content.get("start")
    if start is not None and start.startswith(ZOO):
        config = dataclasses.replace(config, start=shipped("models") / f"{start.removeprefix(ZOO)}.onnx")
        start = None
    return Recipe(
        path.stem, content["about"], content["data"], content.get("test"), tuple(size) if size else None, start, config
    )


def _config(values: dict[str, Any], path: Path) -> TrainConfig:
    types = get_type_hints(TrainConfig)
    fields = {f.name: types[f.name] for f in dataclasses.fields(TrainConfig) if f.name not in (*_OF_A_RUN, "start")}
    _check_names(values, fields, path, "train.")
    read = {name: _value(value, fields[name], f"recipe {path}: train.{name}") for name, value in values.items()}
    network = str(read.get("network", ""))
    if ".py:" in network:  # beside the recipe
        read["network"] = str(path.parent / network)
    config = TrainConfig(**read)
    try:
        config.check()
    except IntrsError as error:
        raise IntrsError(f"recipe {path}: {error}") from None
    return config


def _check_names(values: dict[str, Any], known: dict[str, Any], path: Path, where: str) -> None:
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise IntrsError(f"recipe {path}: unknown {where}{unknown[0]!r}; known: {', '.join(sorted(known))}")


def _value(value: Any, kind: Any, where: str) -> Any:
    """A value as its field has it: lists are tuples, whole numbers may stand for others."""
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (int, bool, str) and type(value) is kind:
        return value
    if get_args(kind)[1:] == (...,) and isinstance(value, list) and all(type(v) in (int, float) for v in value):
        return tuple(float(v) for v in value)
    if isinstance(value, dict) and kind == dict[str, object]:
        return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    raise IntrsError(f"{where} is {value!r}, which is no {getattr(kind, '__name__', kind)}")
