# SPDX-License-Identifier: Apache-2.0
"""Constants as C text. Arrays are pooled, so that equal data is written once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from intrs_edge.codegen.kernels import Array, Struct, Symbol, Value
from intrs_edge.integers import ceil_div

_PER_LINE = {1: 24, 2: 16, 4: 10, 8: 5}
_LINES = 4096  # written at a time, to bound memory


def array_body(data: npt.NDArray[np.generic]) -> str:
    """The numbers of an integer array, comma-separated, a few a line."""
    flat = data.reshape(-1)
    width = _PER_LINE[flat.dtype.itemsize]
    if flat.dtype == np.int64:
        texts = [f"INT64_C({v})" if v != -(2**63) else "INT64_MIN" for v in flat.tolist()]
    elif flat.dtype == np.uint64:
        texts = [f"UINT64_C({v})" for v in flat.tolist()]
    elif flat.dtype == np.int32 and (flat == -(2**31)).any():  # no literal of its own
        texts = [number(v) for v in flat.tolist()]
    else:
        suffix = b"u" if flat.dtype == np.uint32 else b""
        step = width * _LINES
        whole = [_decimal(flat[i : i + step], width, suffix) for i in range(0, flat.size, step)]
        return "".join(whole).removesuffix(",\n")
    return ",\n".join("    " + ",".join(texts[i : i + width]) for i in range(0, len(texts), width))


def _decimal(values: npt.NDArray[np.generic], width: int, suffix: bytes) -> str:
    """Indented lines of numbers of up to 32 bits, each number with a comma; millions of weights make Python loops slow.

    Every character has a column of its own; those not needed hold 0 and are dropped at the end.
    """
    wide = values.astype(np.int64)
    magnitude = np.abs(wide).astype(np.uint32)
    digits = len(str(int(magnitude.max())))
    count, rows = values.size, ceil_div(values.size, width)
    cells = np.zeros((rows * width, 1 + digits + len(suffix) + 1), np.uint8)
    used = cells[:count]
    used[:, 0] = (wide < 0) * ord("-")
    used[:, digits] = ord("0") + magnitude % 10
    for column in range(digits - 1, 0, -1):
        magnitude //= 10
        used[:, column] = (magnitude > 0) * (ord("0") + magnitude % 10)
    used[:, 1 + digits :] = np.frombuffer(suffix + b",", np.uint8)
    lines = np.full((rows, 4 + width * cells.shape[1] + 1), ord(" "), np.uint8)
    lines[:, 4:-1] = cells.reshape(rows, -1)
    lines[:, -1] = ord("\n")
    return lines.tobytes().translate(None, b"\0").decode("ascii")


def number(value: int) -> str:
    """A number that fits int32, as C text."""
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"{value} does not fit in 32 bits")
    return "INT32_MIN" if value == -(2**31) else str(int(value))


def crc_text(data: npt.NDArray[np.generic]) -> str:
    """CRC-32 of the bytes that an array has on a little-endian machine, as C text."""
    plain = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
    return f"0x{zlib.crc32(plain.tobytes()):08x}u"


# nested structs whose own name says nothing
_UNSAID = {"q", "conv"}


@dataclass
class Pool:
    """Collects constant arrays and structs; an array is named by what uses it first, such as ``conv3_weights``."""

    arrays: dict[tuple[str, bytes], tuple[str, Array]] = field(default_factory=dict)
    structs: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def array(self, array: Array, hint: str) -> str:
        """The name of an array; equal arrays share the strictest alignment."""
        key = (array.ctype, array.data.tobytes())
        name, known = self.arrays.get(key) or (self.unique(hint), array)
        self.arrays[key] = (name, known if known.align >= array.align else Array(known.data, array.align))
        return name

    def unique(self, hint: str) -> str:
        """A name that nothing here has yet."""
        name, number = hint, 1
        while name in self.names:
            number += 1
            name = f"{hint}_{number}"
        self.names.add(name)
        return name

    def value(self, value: Value, hint: str, depth: int = 0) -> str:
        """A struct field as C text; ``hint`` names what it points to."""
        if value is None:
            return "0"
        if isinstance(value, (bool, int, np.integer)):
            return number(int(value))
        if isinstance(value, Array):
            return self.array(value, hint)
        if isinstance(value, Symbol):
            return value.name
        if isinstance(value, Struct):
            name = self.unique(hint)
            self.structs.append(self.definition(value.ctype, name, value.fields, hint))
            return f"&{name}"
        if isinstance(value, Mapping):
            return self.struct(value, hint, depth)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return "{" + ", ".join(self.value(v, f"{hint}_{i}", depth) for i, v in enumerate(value)) + "}"
        raise TypeError(f"no C text for {type(value).__name__}")

    def struct(self, fields: Mapping[str, Value], hint: str, depth: int = 0) -> str:
        """A struct initialiser with designators, a field a line."""
        indent = "    " * (depth + 1)
        lines = [
            f"{indent}.{name} = {self.value(value, hint if name in _UNSAID else f'{hint}_{name}', depth + 1)},\n"
            for name, value in fields.items()
        ]
        return "{\n" + "".join(lines) + "    " * depth + "}"

    def definition(self, ctype: str, name: str, fields: Mapping[str, Value], hint: str) -> str:
        """A constant struct; hint: names what it points to."""
        return f"static const struct {ctype} {name} = {self.struct(fields, hint)};"

    @property
    def bytes(self) -> int:
        """Flash of all arrays."""
        return sum(array.bytes for _, array in self.arrays.values())

    def blocks(self, names: set[str]) -> list[tuple[str, str]]:
        """Those of the arrays with the given names, each with the CRC-32 of its bytes on a little-endian machine."""
        return [(name, crc_text(array.data)) for name, array in self.arrays.values() if name in names]

    def declarations(self, names: set[str] | None = None, zeros: bool = False) -> list[str]:
        """The arrays' definitions: all, or those with the given names; ``zeros``: of their size, without the data."""
        texts = []
        for name, array in self.arrays.values():
            if names is None or name in names:
                alignment = f"_Alignas({array.align}) " if array.align > array.data.dtype.itemsize else ""
                body = "0" if zeros else f"\n{array_body(array.data)}"
                texts.append(
                    f"static INTRS_WEIGHTS const {alignment}{array.ctype} {name}[{array.data.size}] = {{{body}}};"
                )
        return texts
