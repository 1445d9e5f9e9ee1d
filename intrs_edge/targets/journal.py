# SPDX-License-Identifier: Apache-2.0
"""What was counted already, on disk: a certification that was cut off goes on where it was.

A text file: a line that names model and tables, then a line for each range of samples. Every line has a number and ends
with its CRC, so that a torn last line is cut off, and a damaged one is skipped and what it held is counted again. What
must not be lost, that a board proved wrong, is written twice: a line that is missing is a range, and where more than
one is missing nothing before them is believed.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from intrs_edge.errors import IntrsError
from intrs_edge.files import LockedFile
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets.base import Image, TargetInfo, check_image

VERSION = 2
_LONGEST = 1 << 20  # bytes of a line: votes of some 10^5 classes


@dataclass(frozen=True)
class Key:
    """Which noisy copies: of the image with that number and CRC, under that seed."""

    seed: int
    image: int
    crc: int


@dataclass(frozen=True)
class Range:
    """Votes of samples first .. first+count-1, counted by the board named ``by``; ``audited``: the host has recomputed
    them.
    """

    first: int
    count: int
    votes: tuple[int, ...]
    by: str
    audited: bool = False


class Journal:
    """Ranges by key, in memory and, with a path, on disk. One writer at a time: another process is refused."""

    def __init__(self, path: Path | None, model_hash: int, table_hash: int) -> None:
        """Reads the file if it is there; raises IntrsError when it is another model's, or no journal. Says on stderr
        what was damaged.
        """
        self._ranges: dict[Key, list[Range]] = {}
        self._read_back: dict[Key, list[Range]] = {}
        self._file: LockedFile | None = None
        self._at = 0  # number of the last line; the first has none
        if path is None:
            return
        self._file = LockedFile(path, "journal")
        try:
            self._load(self._file, {"journal": VERSION, "model": model_hash, "tables": table_hash})
        except BaseException:
            self.close()
            raise
        self._read_back = {key: list(ranges) for key, ranges in self._ranges.items()}

    @property
    def on_disk(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def ranges(self, key: Key) -> list[Range]:
        """What is known of a key, in the order counted."""
        return list(self._ranges.get(key, ()))

    def read_back(self, key: Key) -> list[Range]:
        """What the file held of a key when it was opened, not recomputed by a host yet; each is given once."""
        found, left = self._read_back.pop(key, []), self._ranges.get(key, [])
        return [r for r in found if not r.audited and r in left]

    def counted_by(self, by: str) -> set[int]:
        """The numbers of the images that a board has ranges of."""
        return {key.image for key, ranges in self._ranges.items() if any(r.by == by for r in ranges)}

    def add(self, key: Key, found: Range) -> None:
        """Keeps a range; on disk before it returns."""
        self._write([asdict(key) | asdict(found)])
        self._ranges.setdefault(key, []).append(found)

    def drop(self, key: Key | None, by: str | None) -> None:
        """Forgets what a board that proved wrong had counted; None: of every key, and what every board had."""
        entry = (asdict(key) if key is not None else {}) | {"drop": by}
        self._write([entry, entry])
        self._apply(entry)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _load(self, file: LockedFile, head: dict[str, Any]) -> None:
        whole = file.content.rfind(b"\n") + 1
        lines = [_entry(line) for line in file.content[:whole].split(b"\n")[:-1]]
        if _line(head).startswith(file.content):  # new, or cut off while its first line was written
            file.keep(0)
            file.append(_line(head))
            return
        if not any(lines):
            raise IntrsError(f"{file.path} is not a journal; name another file")
        if lines[0] is None:
            _warn(f"journal {file.path}: its first line is damaged; all of it is counted again")
            file.keep(0)
            file.append(_line(head))
            return
        if lines[0] != head:
            raise IntrsError(
                f"journal {file.path} is of another model, other tables or another version; name another file or "
                "delete it"
            )
        lost = damaged_at_end = 0
        for entry in lines[1:]:
            if entry is None or not _sensible(entry) or entry["at"] <= self._at:
                damaged_at_end += 1
                continue
            missing = entry["at"] - self._at - 1
            if missing > 1:  # among them may be both lines that say of a board that it proved wrong
                self._ranges.clear()
            self._apply(entry)
            lost, damaged_at_end, self._at = lost + missing, 0, entry["at"]
        file.keep(whole)  # what follows the last whole line was torn
        if lost + damaged_at_end:
            _warn(f"journal {file.path}: {lost + damaged_at_end} damaged line(s); what they held is counted again")
        if damaged_at_end:
            self._at += damaged_at_end
            self.drop(None, None)

    def _apply(self, entry: dict[str, Any]) -> None:
        key = Key(entry["seed"], entry["image"], entry["crc"]) if "seed" in entry else None
        if "drop" not in entry:
            assert key is not None
            found = Range(entry["first"], entry["count"], tuple(entry["votes"]), entry["by"], entry["audited"])
            self._ranges.setdefault(key, []).append(found)
            return
        by = entry["drop"]
        for one in [key] if key is not None else list(self._ranges):
            self._ranges[one] = [r for r in self._ranges.get(one, []) if by is not None and r.by != by]

    def _write(self, entries: list[dict[str, Any]]) -> None:
        if self._file is not None:
            lines = [_line({"at": self._at + k} | entry) for k, entry in enumerate(entries, 1)]
            self._file.append(b"".join(lines))
            self._at += len(lines)


# who counts by this package's own code: this computer, and a cluster's workers by their addresses. Boards may lie
_OURS = re.compile(r"host$|(tcp|tls|inproc|ucx|wss?)://")


class Kept:
    """A journal as `sharing.Sharing` keeps ranges in it, without what boards left there: nobody audits that here."""

    def __init__(self, journal: Journal, info: TargetInfo) -> None:
        self._journal, self._info = journal, info

    def known(self, image: Image, stream: Stream) -> list[Range]:
        """The ranges that are there of an image's noisy copies."""
        known = self._journal.ranges(self._key(image, stream))
        return [r for r in known if len(r.votes) == self._info.classes and self._believed(r.by)]

    def _believed(self, name: str) -> bool:
        """Whether what somebody left in the journal counts."""
        return _OURS.match(name) is not None

    def keep(self, image: Image, stream: Stream, found: Range) -> None:
        """On disk before it returns."""
        if self._journal.on_disk:
            self._journal.add(self._key(image, stream), found)

    def disbelieve(self, name: str, why: str) -> None:
        """What the journal has of somebody is dropped."""
        self._journal.drop(None, name)

    def _key(self, image: Image, stream: Stream) -> Key:
        return Key(stream.seed, stream.image, zlib.crc32(check_image(image, self._info)))


def _line(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, separators=(",", ":")).encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line (without its newline) says; None when it is damaged."""
    text, _, crc = line.rpartition(b" ")
    if len(line) > _LONGEST or crc != b"%08x" % zlib.crc32(text):
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _sensible(entry: Mapping[str, Any]) -> bool:
    """Whether it is a range or a drop with values that can be."""
    keys = {"seed": 64, "image": 32, "crc": 32}
    whole = {"at": 63} | (keys if "drop" not in entry or entry.keys() & keys.keys() else {})
    if "drop" not in entry:
        whole |= {"first": 32, "count": 32}
    for name, bits in whole.items():
        value = entry.get(name)
        if type(value) is not int or not 0 <= value < 1 << bits:
            return False
    if "drop" in entry:
        return entry["drop"] is None or isinstance(entry["drop"], str)
    votes, first, count = entry.get("votes"), int(entry["first"]), int(entry["count"])
    return (
        isinstance(entry.get("by"), str)
        and type(entry.get("audited")) is bool
        and isinstance(votes, list)
        and all(type(v) is int and v >= 0 for v in votes)
        and sum(votes) == count > 0
        and first + count < 1 << 32
    )


def _warn(text: str) -> None:
    print(f"intrs-edge: warning: {text}", file=sys.stderr)


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
