# SPDX-License-Identifier: Apache-2.0
"""Recipes: a training in a TOML file, those of the paper among them (``recipes/``)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.train.config import OF_A_RUN, TrainConfig
from intrs_edge.typed import check_names, read_toml, typed
from intrs_edge.zoo import PREFIX, model_file

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
    return parse_recipe(read_toml(path, "recipe"), path)


def parse_recipe(content: dict[str, Any], path: Path) -> Recipe:
    """A recipe from what its file holds; ``path`` names it, and is where its network's file lies."""
    known = {"about": str, "data": str, "test": str, "size": list, "start": str, "train": dict}
    check_names(content, known, f"recipe {path}")
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
    if start is not None and start.startswith(PREFIX):
        config, start = dataclasses.replace(config, start=model_file(start)), None
    return Recipe(
        path.stem, content["about"], content["data"], content.get("test"), tuple(size) if size else None, start, config
    )


def _config(values: dict[str, Any], path: Path) -> TrainConfig:
    types = get_type_hints(TrainConfig)
    fields = {f.name: types[f.name] for f in dataclasses.fields(TrainConfig) if f.name not in (*OF_A_RUN, "start")}
    check_names(values, fields, f"recipe {path}, train")
    read = {name: typed(value, fields[name], f"recipe {path}: train.{name}") for name, value in values.items()}
    network = str(read.get("network", ""))
    if ".py:" in network:  # beside the recipe
        read["network"] = str(path.parent / network)
    config = TrainConfig(**read)
    try:
        config.check()
    except IntrsError as error:
        raise IntrsError(f"recipe {path}: {error}") from None
    return config
