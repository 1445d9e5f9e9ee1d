# SPDX-License-Identifier: Apache-2.0
"""Reads a board's TOML against the dataclasses: unknown, missing and wrong fields are named."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shlex
import types
import typing
from pathlib import Path
from typing import Any

from intrs_edge.boards import cores, words
from intrs_edge.boards.board import Board
from intrs_edge.budget import parse_json, parse_toml
from intrs_edge.errors import IntrsError, meant, shown
from intrs_edge.paths import shipped

_WORDS = {int: "an integer", float: "a number", str: "a string"}
MAX_FILE_BYTES = 1 << 14
MAX_ENTRIES = 1000
MAX_CHARACTERS = 1000


def board_ids() -> list[str]:
    """The ids of the boards that are shipped, sorted."""
    return sorted(path.stem for path in shipped("boards").glob("*.toml"))


def load_board(id_or_path: str) -> Board:
    """The board of that id, or of a user's TOML file given by path.

    Raises IntrsError when there is no such board or the file has a wrong field.
    """
    path, text = _read(id_or_path)
    return parse_board(text, str(path))


def board_template(id_or_path: str) -> str:
    """The board's file, to start one of your own from: its text behind a comment that says how. Raises IntrsError as
    `load_board` does.
    """
    board = load_board(id_or_path)
    return (
        f"# The description of {board.id}, to start your own from: change id and name, then what differs.\n"
        f"# intrs-edge boards {shlex.quote(id_or_path)} explains every field; use it with --board FILE.toml.\n"
        + _read(id_or_path)[1]
    )


def _read(id_or_path: str) -> tuple[Path, str]:
    path = Path(id_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise IntrsError(f"board file {id_or_path}: no such file")
    else:
        path = shipped("boards") / f"{id_or_path}.toml"
        if not re.fullmatch(r"[a-z0-9-]+", id_or_path) or not path.is_file():
            raise IntrsError(
                f"unknown board {shown(id_or_path)}; known: {', '.join(board_ids())}; or give the path of a .toml"
                + meant(id_or_path, board_ids())
            )
    try:
        with path.open("rb") as file:
            return path, file.read(MAX_FILE_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise IntrsError(f"board file {path}: {error}") from error


def parse_board(text: str, where: str = "board") -> Board:
    """A board from TOML text; ``where`` names the file in errors (IntrsError)."""
    if len(text) > MAX_FILE_BYTES:
        raise IntrsError(f"{where}: longer than {MAX_FILE_BYTES} bytes: a board is a few dozen lines")
    board: Board = _build(Board, parse_toml(text, f"{where}:"), where)
    _check(board, where)
    return board


def board_to_json(board: Board) -> str:
    """A board as JSON, fields that are not set left out: how a project keeps the board it was generated for."""
    return json.dumps(dataclasses.asdict(board, dict_factory=_set_fields), indent=1) + "\n"


def board_from_json(text: str, where: str) -> Board:
    """The board that `board_to_json` wrote; raises IntrsError for a wrong field, as `parse_board` does."""
    board: Board = _build(Board, parse_json(text, f"{where}:"), where)
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
        raise IntrsError(f"{where}: unknown field {', '.join(map(_short, unknown))}; known: {', '.join(fields)}")
    values = {}
    for name, f in fields.items():
        if name not in data:
            if f.default is dataclasses.MISSING:
                raise IntrsError(f"{where}: field {name} is missing: {f.metadata['help']}")
            continue
        value = _convert(hints[name], data[name], f"{where}: {name}", f.metadata["limits"])
        choices = f.metadata["choices"]
        if choices and value not in choices:
            raise IntrsError(f"{where}: {name} = {shown(value)} is not one of {', '.join(map(repr, choices))}")
        values[name] = value
    return cls(**values)


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."


def _convert(kind: Any, value: Any, where: str, limits: tuple[float, float] | None) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in args if a is not type(None)), value, where, limits)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise IntrsError(f"{where} must be a list")
        if len(value) > MAX_ENTRIES:
            raise IntrsError(f"{where} has {len(value)} entries, the limit is {MAX_ENTRIES}")
        if args[-1] is Ellipsis:
            args = args[:1] * len(value)
        if len(value) != len(args):
            raise IntrsError(f"{where} must have {len(args)} entries")
        pairs = zip(args, value, strict=True)
        return tuple(_convert(a, v, f"{where}[{i}]", limits) for i, (a, v) in enumerate(pairs))
    if kind is float and type(value) is int and abs(value) < 1 << 64:
        value = float(value)
    if type(value) is not kind:
        raise IntrsError(f"{where} = {shown(value)} must be {_WORDS[kind]}")
    if limits is not None and kind is not str and not limits[0] <= value <= limits[1]:  # nan fails too
        raise IntrsError(f"{where} = {shown(value)} must be within {limits[0]}..{limits[1]}")
    if kind is str and not (value.isprintable() and len(value) <= MAX_CHARACTERS):
        raise IntrsError(f"{where} = {shown(value)} must be one printable line of at most {MAX_CHARACTERS} characters")
    return value


_OPS = ("write", "set", "clear", "wait_set", "wait_clear", "delay")


def _check(board: Board, where: str) -> None:
    def require(good: bool, line: str) -> None:
        if not good:
            raise IntrsError(f"{where}: {line}")

    require(
        bool(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", board.id)),
        f"id = {board.id!r} must be 1 to 31 lower-case letters, digits or '-'",
    )
    require("*/" not in board.name, f"name = {board.name!r} must be one line without '*/'")
    require(bool(re.fullmatch(r"[a-z0-9][a-z0-9+._-]*", board.cpu)), f"cpu = {board.cpu!r} must be a core's name")
    wrong = cores.trouble(board.cpu, board.isa, board.cflags)
    require(not wrong, wrong)
    for flag in board.cflags:
        require(
            words.compiler_flag(flag),
            f"cflags: {shown(flag)} is not on the list of flags that select a core, its ABI or an optimisation "
            "(docs/boards.md): build the generated project by hand with it",
        )
    if board.emulator is not None:
        e = board.emulator
        bad = words.emulator(e.program, e.machine, e.args)
        require(not bad, f"emulator: {shown(bad)} is not on the list of programs and options (docs/boards.md)")
    for f in board.flash:
        bad = words.flasher(f.runner, f.target, f.args)
        require(not bad, f"flash: {shown(bad)} is not a target or option of {f.runner} (docs/boards.md)")
    require(
        bool(re.fullmatch(r"[a-z0-9-]*", board.toolchain)), f"toolchain = {board.toolchain!r} must be a compiler prefix"
    )
    names = [m.name for m in board.memory]
    require(len(set(names)) == len(names), "memory names must differ")
    for m in board.memory:
        require(
            bool(re.fullmatch(r"[a-z][a-z0-9_]*", m.name)),
            f"memory name {m.name!r} must be lower-case letters, digits, '_'",
        )
        require(m.origin + m.size <= 1 << 32, f"memory {m.name} must lie within 32 bits")
    ordered = sorted(board.memory, key=lambda m: m.origin)
    for a, b in itertools.pairwise(ordered):
        require(a.origin + a.size <= b.origin, f"memory {a.name} and {b.name} overlap")
    for op, _, _ in board.startup:
        require(op in _OPS, f"startup operation {shown(op)} is not one of {', '.join(_OPS)}")
    if board.uart is not None and board.uart.driver not in ("nrf", "uarte"):
        u, most = board.uart, 1 << 30 if board.uart.driver == "pl011" else 1 << 32
        require(16 * u.baud <= u.clock_hz < most, f"uart: clock_hz = {u.clock_hz} must be within 16 baud..{most}")
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
        asleep = board.port == "riscv" and board.uart is not None and board.uart.irq >= 0
        require(
            not asleep or board.plic is not None, "uart: irq of a RISC-V board needs plic; leave irq out without one"
        )
