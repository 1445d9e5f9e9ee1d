"""Reads a board's TOML against the dataclasses: unknown, missing and wrong fields are named."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

from intrs_edge.boards.board import Board
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

_WORDS = {int: "an integer", float: "a number", str: "a string"}


def board_ids() -> list[str]:
    """The ids of the boards that are shipped, sorted."""
    return sorted(path.stem for path in shipped("boards").glob("*.toml"))


def load_board(id_or_path: str) -> Board:
    """The board of that id, or of a user's TOML file given by path.

    Raises IntrsError when there is no such board or the file has a wrong field.
    """
    path = Path(id_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise IntrsError(f"board file {id_or_path}: no such file")
    else:
        path = shipped("boards") / f"{id_or_path}.toml"
        if not re.fullmatch(r"[a-z0-9-]+", id_or_path) or not path.is_file():
            raise IntrsError(
                f"unknown board {id_or_path!r}; known: {', '.join(board_ids())}; or give the path of a .toml"
            )
    try:
        board = parse_board(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise IntrsError(f"board file {path}: {error}") from error
    return board


def parse_board(text: str, where: str = "board") -> Board:
    """A board from TOML text; ``where`` names the file in errors (IntrsError)."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise IntrsError(f"{where}: not TOML: {error}") from error
    board: Board = _build(Board, data, where)
    _check(board, where)
    return board


def board_to_json(board: Board) -> str:
    """A board as JSON, fields that are not set left out: how a project keeps the board it was generated for."""
    return json.dumps(dataclasses.asdict(board, dict_factory=_set_fields), indent=1) + "\n"


def board_from_json(text: str, where: str) -> Board:
    """The board that `board_to_json` wrote; raises IntrsError for a wrong field, as `parse_board` does."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise IntrsError(f"{where}: not JSON: {error}") from error
    board: Board = _build(Board, data, where)
    _check(board, where)
    return board


def _set_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


def _build(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise IntrsError(f"{where}: must be a table")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise IntrsError(f"{where}: unknown field {', '.join(unknown)}; known: {', '.join(fields)}")
    values = {}
    for name, f in fields.items():
        if name not in data:
            if f.default is dataclasses.MISSING:
                raise IntrsError(f"{where}: field {name} is missing: {f.metadata['help']}")
            continue
        value = _convert(hints[name], data[name], f"{where}: {name}")
        choices = f.metadata["choices"]
        if choices and value not in choices:
            raise IntrsError(f"{where}: {name} = {value!r} is not one of {', '.join(map(repr, choices))}")
        values[name] = value
    return cls(**values)


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise IntrsError(f"{where} must be a list")
        if args[-1] is Ellipsis:
            return tuple(_convert(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
        if len(value) != len(args):
            raise IntrsError(f"{where} must have {len(args)} entries")
        return tuple(_convert(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(args, value, strict=True)))
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise IntrsError(f"{where} = {value!r} must be {_WORDS[kind]}")
    return value


# a flag from a board file goes to a compiler's command line: no shell syntax
_FLAG = re.compile(r"[A-Za-z0-9+=._/,:-]+")
_OPS = ("write", "set", "clear", "wait_set", "wait_clear", "delay")


def _check(board: Board, where: str) -> None:
    def require(good: bool, line: str) -> None:
        if not good:
            raise IntrsError(f"{where}: {line}")

    require(
        bool(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", board.id)),
        f"id = {board.id!r} must be 1 to 31 lower-case letters, digits or '-'",
    )
    require(board.name.isprintable() and "*/" not in board.name, f"name = {board.name!r} must be one line without '*/'")
    for flag in (board.cpu, *board.cflags):
        require(bool(_FLAG.fullmatch(flag)), f"flag {flag!r} has characters other than letters, digits and +=._/,:-")
    require(
        bool(re.fullmatch(r"[a-z0-9-]*", board.toolchain)), f"toolchain = {board.toolchain!r} must be a compiler prefix"
    )
    require(128 <= board.frame_bytes <= 65536, f"frame_bytes = {board.frame_bytes} must be within 128..65536")
    names = [m.name for m in board.memory]
    require(len(set(names)) == len(names), "memory names must differ")
    for m in board.memory:
        require(
            bool(re.fullmatch(r"[a-z][a-z0-9_]*", m.name)),
            f"memory name {m.name!r} must be lower-case letters, digits, '_'",
        )
        require(
            m.origin >= 0 and m.size > 0 and m.origin + m.size <= 1 << 32, f"memory {m.name} must lie within 32 bits"
        )
    ordered = sorted(board.memory, key=lambda m: m.origin)
    for a, b in itertools.pairwise(ordered):
        require(a.origin + a.size <= b.origin, f"memory {a.name} and {b.name} overlap")
    for op, address, value in board.startup:
        require(op in _OPS, f"startup operation {op!r} is not one of {', '.join(_OPS)}")
        require(
            0 <= address < 1 << 32 and 0 <= value < 1 << 32, f"startup {op} needs an address and a value of 32 bits"
        )
    if board.watchdog is not None:
        require(all(0 <= v < 1 << 32 for v in board.watchdog), "watchdog needs an address and a value of 32 bits")
    if board.arena:
        require(
            any(m.name == board.arena and m.kind == "ram" for m in board.memory),
            f"arena = {board.arena!r} is not the name of a ram",
        )
    if board.os == "none":
        require(
            bool(board.first("flash") and board.first("ram")), "a bare-metal board needs a flash and a ram in memory"
        )
        require(board.uart is not None and board.port != "", "a bare-metal board needs uart and port")
