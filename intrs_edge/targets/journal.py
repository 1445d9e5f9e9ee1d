"""What was counted already, on disk: a certification that was cut off goes on where it was.

A text file: a line that names model and tables, then a line for each range of samples. Every line ends with its CRC, so
that a line that was being written when the power went is seen and left out.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intrs_edge.errors import IntrsError


@dataclass(frozen=True)
class Key:
    """Which noisy copies: of the image with that number and CRC, under that seed."""

    seed: int
    image: int
    crc: int


@dataclass(frozen=True)
class Range:
    """Votes of samples first .. first+count-1, counted by the board named ``by``."""

    first: int
    count: int
    votes: tuple[int, ...]
    by: str


class Journal:
    """Ranges by key, in memory and, with a path, on disk. One writer at a time."""

    def __init__(self, path: Path | None, model_hash: int, table_hash: int) -> None:
        """Reads the file if it is there; raises IntrsError when it is another model's, or no journal."""
        self._ranges: dict[Key, list[Range]] = {}
        self._file = None
        if path is None:
            return
        head = {"journal": 1, "model": model_hash, "tables": table_hash}
        try:
            old = path.read_bytes() if path.exists() else b""
            whole = 0
            for number, line in enumerate(old.splitlines(keepends=True)):
                entry = _read(line)
                if entry is None:
                    break
                if number == 0 and entry != head:
                    raise IntrsError(
                        f"journal {path} is of another model or other tables; name another file or delete it"
                    )
                if number:
                    self._apply(entry)
                whole += len(line)
            if old and not whole:
                raise IntrsError(f"{path} is not a journal; name another file")
            self._file = path.open("r+b" if old else "w+b")
            self._file.truncate(whole)  # what follows the last whole line was torn
            self._file.seek(whole)
            if not whole:
                self._write(head)
        except OSError as error:
            raise IntrsError(f"journal {path}: {error.strerror}") from error

    def ranges(self, key: Key) -> list[Range]:
        """What is known of a key, in the order counted."""
        return list(self._ranges.get(key, ()))

    def add(self, key: Key, found: Range) -> None:
        """Keeps a range; on disk before it returns."""
        self._write(asdict(key) | asdict(found))
        self._ranges.setdefault(key, []).append(found)

    def drop(self, key: Key, by: str) -> None:
        """Forgets what a board that proved wrong had counted."""
        self._write(asdict(key) | {"drop": by})
        self._ranges[key] = [r for r in self._ranges.get(key, []) if r.by != by]

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _apply(self, entry: dict[str, Any]) -> None:
        key = Key(entry["seed"], entry["image"], entry["crc"])
        if "drop" in entry:
            self._ranges[key] = [r for r in self._ranges.get(key, []) if r.by != entry["drop"]]
        else:
            found = Range(entry["first"], entry["count"], tuple(entry["votes"]), entry["by"])
            self._ranges.setdefault(key, []).append(found)

    def _write(self, entry: dict[str, Any]) -> None:
        if self._file is not None:
            text = json.dumps(entry, separators=(",", ":")).encode()
            self._file.write(b"%s %08x\n" % (text, zlib.crc32(text)))
            self._file.flush()
            os.fsync(self._file.fileno())


def _read(line: bytes) -> dict[str, Any] | None:
    text, _, crc = line.rpartition(b" ")
    if crc != b"%08x\n" % zlib.crc32(text):
        return None
    entry: dict[str, Any] = json.loads(text)
    return entry


def disjoint(first: int, count: int, ranges: list[Range]) -> list[Range]:
    """Ranges that lie within first .. first+count-1 and do not overlap, in order."""
    chosen: list[Range] = []
    at = first
    for known in sorted(ranges, key=lambda r: r.first):
        if known.first >= at and known.first + known.count <= first + count:
            chosen.append(known)
            at = known.first + known.count
    return chosen


def missing(first: int, count: int, done: list[Range]) -> Iterator[tuple[int, int]]:
    """(first, count) of the parts of a range that ``done``, which is `disjoint`, does not cover."""
    at = first
    for known in done:
        if known.first > at:
            yield at, known.first - at
        at = known.first + known.count
    if at < first + count:
        yield at, first + count - at
