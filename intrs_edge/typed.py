# SPDX-License-Identifier: Apache-2.0
"""Values of a TOML file as the fields of a dataclass have them; what is unknown or of another type is named."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

from intrs_edge.budget import parse_toml
from intrs_edge.errors import IntrsError

MAX_FILE_BYTES = 1 << 14


def read_toml(path: Path, what: str, limit: int = MAX_FILE_BYTES) -> dict[str, Any]:
    """The content of a TOML file of at most ``limit`` bytes. Raises IntrsError, ``what`` its kind, when it cannot
    be read."""
    try:
        with path.open("rb") as file:
            text = file.read(limit + 1)
        if len(text) > limit:
            raise IntrsError(f"{what} {path}: longer than {limit} bytes; it is a few dozen lines")
        return parse_toml(text.decode("utf-8"), f"{what} {path}:")
    except OSError as error:
        raise IntrsError(f"{what} {path}: cannot be read ({error.strerror}); name another file") from None
    except UnicodeDecodeError:
        raise IntrsError(f"{what} {path}: is no text in UTF-8; write it again") from None


def check_names(values: dict[str, Any], known: dict[str, Any], where: str) -> None:
    """Raises IntrsError for the first name that is not known."""
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise IntrsError(f"{where}: unknown {unknown[0]!r}; known: {', '.join(sorted(known))}")


def typed(value: Any, kind: Any, where: str) -> Any:
    """A value as its field has it: lists are tuples, whole numbers may stand for others. Raises IntrsError."""
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind is Decimal and type(value) in (int, float):
        return Decimal(str(value))
    if kind in (int, bool, str) and type(value) is kind:
        return value
    arguments = get_args(kind)
    if arguments[1:] == (...,) and isinstance(value, list):
        return tuple(typed(v, arguments[0], f"{where}[{k}]") for k, v in enumerate(value))
    if type(None) in arguments:
        return typed(value, next(a for a in arguments if a is not type(None)), where)
    if kind == dict[str, object] and isinstance(value, dict):
        return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return from_table(kind, value, where)
    raise IntrsError(f"{where} is {value!r}, which is no {getattr(kind, '__name__', kind)}")


def from_table(kind: Any, values: dict[str, Any], where: str, known: dict[str, Any] | None = None) -> Any:
    """A dataclass from a table. known: its fields that may be given, with their types; None: all."""
    types = get_type_hints(kind)
    known = types if known is None else known
    check_names(values, known, where)
    for field in dataclasses.fields(kind):
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if missing and field.name not in values:
            raise IntrsError(f"{where}: lacks {field.name!r}")
    return kind(**{name: typed(value, types[name], f"{where}: {name}") for name, value in values.items()})
