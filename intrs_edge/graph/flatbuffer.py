# SPDX-License-Identifier: Apache-2.0
"""A flatbuffer reader for files nobody vouches for: every offset and size is checked before it is used.

The `flatbuffers` package trusts its input (a negative offset reads from the end, a huge length allocates). This one
raises IntrsError instead, reads vectors as views without copying, and charges every byte it reads to a budget of a few
times the file's size, so that a small file whose offsets all point to one large vector cannot cost more than its size
suggests.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError

Scalar = struct.Struct
INT8, UINT8, BOOL = Scalar("<b"), Scalar("<B"), Scalar("<?")
UINT16, INT32, UINT32, UINT64 = Scalar("<H"), Scalar("<i"), Scalar("<I"), Scalar("<Q")
FLOAT32 = Scalar("<f")

BUDGET_FACTOR = 16
BUDGET_BASE = 1 << 16
STRING_LIMIT = 1 << 20
TABLES_LIMIT = 20000


class FlatBuffer:
    """The bytes of a file, and how many more may be read."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.budget = BUDGET_FACTOR * len(data) + BUDGET_BASE

    def fail(self, what: str) -> IntrsError:
        """The error for damage; to be raised."""
        return IntrsError(
            f"{self.name}: not a valid .tflite file ({what}): the file is truncated or damaged, export it again"
        )

    def check(self, position: int, size: int) -> None:
        """Raises unless [position, position + size) lies in the file and in the budget."""
        if position < 0 or size < 0 or position + size > len(self.data):
            raise self.fail(f"an offset points to byte {position + size} of {len(self.data)}")
        self.budget -= size
        if self.budget < 0:
            raise self.fail("its tables refer to the same bytes over and over")

    def scalar(self, position: int, kind: Scalar) -> int | float | bool:
        """One number at a position."""
        self.check(position, kind.size)
        value: int | float | bool = kind.unpack_from(self.data, position)[0]
        return value

    def root(self) -> Table:
        """The root table."""
        return Table(self, int(self.scalar(0, UINT32)))


class Table:
    """A flatbuffer table: fields by slot number, each with its default when absent."""

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        self.buffer = buffer
        self.position = position
        self.vtable = position - int(buffer.scalar(position, INT32))
        size = int(buffer.scalar(self.vtable, UINT16))
        if size < 4 or size % 2:
            raise buffer.fail(f"a table description of {size} bytes")
        buffer.check(self.vtable, size)
        self.slots = (size - 4) // 2

    def _field(self, slot: int) -> int | None:
        if slot >= self.slots:
            return None
        offset = int(self.buffer.scalar(self.vtable + 4 + 2 * slot, UINT16))
        return self.position + offset if offset else None

    def _target(self, slot: int) -> int | None:
        field = self._field(slot)
        return None if field is None else field + int(self.buffer.scalar(field, UINT32))

    def integer(self, slot: int, kind: Scalar, default: int = 0) -> int:
        """An integer field."""
        field = self._field(slot)
        return default if field is None else int(self.buffer.scalar(field, kind))

    def number(self, slot: int, kind: Scalar, default: int | float | bool) -> int | float | bool:
        """A field of any scalar type."""
        field = self._field(slot)
        return default if field is None else self.buffer.scalar(field, kind)

    def table(self, slot: int) -> Table | None:
        """A sub-table."""
        target = self._target(slot)
        return None if target is None else Table(self.buffer, target)

    def vector(self, slot: int, dtype: str) -> npt.NDArray[np.generic] | None:
        """A vector of numbers as a read-only view on the file, little endian; None when absent."""
        target = self._target(slot)
        if target is None:
            return None
        count = int(self.buffer.scalar(target, UINT32))
        kind = np.dtype(dtype).newbyteorder("<")
        self.buffer.check(target + 4, count * kind.itemsize)
        return np.frombuffer(self.buffer.data, kind, count, target + 4)

    def tables(self, slot: int) -> list[Table]:
        """A vector of sub-tables; empty when absent."""
        target = self._target(slot)
        if target is None:
            return []
        offsets = self.vector(slot, "uint32")
        assert offsets is not None
        if offsets.size > TABLES_LIMIT:
            raise self.buffer.fail(f"a list of {offsets.size} tables, the limit is {TABLES_LIMIT}")
        return [Table(self.buffer, target + 4 + 4 * i + int(offset)) for i, offset in enumerate(offsets.tolist())]

    def string(self, slot: int, default: str = "") -> str:
        """A string; bytes that are not UTF-8 are replaced."""
        data = self.vector(slot, "uint8")
        if data is None:
            return default
        if data.size > STRING_LIMIT:
            raise self.buffer.fail(f"a string of {data.size} bytes")
        return data.tobytes().decode("utf-8", errors="replace")
