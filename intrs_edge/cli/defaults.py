# SPDX-License-Identifier: Apache-2.0
"""``intrs.toml`` in the current folder: what a project's commands need not be told every time; options overrule it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from intrs_edge.errors import IntrsError, meant
from intrs_edge.typed import read_toml

FILE = Path("intrs.toml")
# name -> (what it is, type)
KEYS: dict[str, tuple[str, type]] = {
    "model": ("the model: an int8 .tflite or a QDQ .onnx", str),
    "board": ("a board's id (intrs-edge boards) or TOML file", str),
    "project": ("the folder of the generated project", str),
    "images": ("images to certify: NAME[:train|:test][SLICE], a folder or a file", str),
    "data_dir": ("the folder of the data sets", str),
    "log": ("the log of certify", str),
    "sigma": ("the noise, in [0,1] pixels", float),
    "n0": ("samples that choose the class", int),
    "n": ("samples that count it", int),
    "alpha": ("probability of a false certificate, per image", float),
    "seed": ("of the noise, for replays and demonstrations; without it every log draws its own", int),
}
_PROJECT = {"project": "project"}
_IMAGES = {**_PROJECT, "images": "images", "data_dir": "data_dir"}
# command -> its arguments by the file's names
USES: dict[str, dict[str, str]] = {
    "convert": {"data_dir": "data_dir"},
    "inspect": {"model": "model"},
    "generate": {"model": "model", "board": "board", "project": "output", "sigma": "sigma", "n0": "n0", "n": "n",
                 "alpha": "alpha"},
    "build": _PROJECT,
    "infer": _PROJECT,
    "predict": {**_IMAGES, "seed": "seed", "n": "n", "alpha": "alpha"},
    "certify": {**_IMAGES, "seed": "seed", "log": "log", "n0": "n0", "n": "n", "alpha": "alpha"},
    "verify": {"log": "log", "project": "project", "data_dir": "data_dir"},
    "flash": _PROJECT,
    "emulate": _PROJECT,
    "audit": _PROJECT,
    "doctor": {"board": "board"},
    "bench": {"model": "model", "data_dir": "data_dir"},
    "report": {"log": "logs", "data_dir": "data_dir"},
    "study": {"data_dir": "data_dir"},
    "train": {"data_dir": "data_dir"},
}  # fmt: skip


def read_defaults() -> dict[str, Any]:
    """The file's values; nothing where there is no file. Raises IntrsError for what is no key, or no value of one."""
    if not FILE.is_file():
        return {}
    values = read_toml(FILE, "settings")
    for name, value in values.items():
        if name not in KEYS:
            raise IntrsError(f"{FILE}: unknown {name!r}; known: {', '.join(KEYS)}{meant(name, list(KEYS))}")
        kind = KEYS[name][1]
        good = type(value) in (int, float) if kind is float else type(value) is kind
        if not good:
            raise IntrsError(f"{FILE}: {name} is {value!r}; it is {KEYS[name][0]}, written as {_FORMS[kind]}")
    return values


_FORMS = {str: 'text, such as "name"', int: "a whole number", float: "a number"}


def apply_defaults(command: str, parser: argparse.ArgumentParser, values: dict[str, Any]) -> list[str]:
    """Gives the command's arguments these values where they are not named; the names of those that it has a use for.

    A positional argument can then be left out, as long as those before it can be, too.
    """
    uses = USES.get(command, {})
    actions = {action.dest: action for action in parser._actions}
    used = []
    for name, value in values.items():
        action = actions.get(uses.get(name, ""))
        if action is None:
            continue
        text = str(value)  # argparse converts text as if it had been typed
        several = action.nargs == "+"
        action.default = [Path(text)] if several else text
        action.required = False
        if not action.option_strings:
            action.nargs = "*" if several else "?"
        used.append(name)
    return used


def say(command: str, args: argparse.Namespace, parser: argparse.ArgumentParser, names: list[str]) -> None:
    """Says on stderr what was taken from the file rather than from the command line."""
    uses, actions = USES[command], {action.dest: action for action in parser._actions}
    taken = [name for name in names if _as_text(getattr(args, uses[name])) == _as_text(actions[uses[name]].default)]
    if taken:
        told = ", ".join(f"{name} {_as_text(actions[uses[name]].default)}" for name in taken)
        print(f"intrs-edge: from {FILE}: {told}", file=sys.stderr)


def _as_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
