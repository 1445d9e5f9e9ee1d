# SPDX-License-Identifier: Apache-2.0
"""The certification log: tab-separated, the community's six columns first, then all that a replay needs, on every
line.

``idx label predict radius correct time`` are those of Cohen et al. 2019, so that their analysis scripts read this
file as it is. ``radius`` is in [0,1] pixels, the largest of six digits that ``L`` proves; ``L`` is the certificate
itself, floor(R^2) in lattice steps squared; ``linf`` and ``l1`` are what it says of those norms (lattice steps). The
settings are columns too, rather than a comment: a line means
something by itself, and an interrupted run is resumed only when every setting of every line agrees. The last column
is a CRC-32 of the line.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import prod
from pathlib import Path
from types import MappingProxyType, TracebackType

from intrs_edge.errors import IntrsError, several
from intrs_edge.evaluate.methods import INTRS
from intrs_edge.files import LockedFile
from intrs_edge.smoothing.results import ABSTAIN, Certificate, Stop, l1, linf, radius_text
from intrs_edge.smoothing.settings import COLUMNS as CERTIFIED

COMMUNITY = ("idx", "label", "predict", "radius", "correct", "time")
NORMS = ("linf", "l1")
RESULT = ("selected", "count", "samples", "votes", "L", *NORMS, "stop")
NAMES = ("file", "label_name", "predict_name", "pixels")
IMAGES = ("shape", "source", "set", "size", "select", "shard", "images")
SETTINGS = ("method", *CERTIFIED, "mode", "seed", "model", "tables", *IMAGES)
CHECK = "check"
COLUMNS = (*COMMUNITY, *RESULT, *NAMES, *SETTINGS, CHECK)
EARLIER = tuple(name for name in COLUMNS if name not in NORMS)  # of earlier versions, and read all the same

NOT_SOUND = "NOT SOUND: the published quantile"
NO_PROOF = "NO PROOF: noise in floating point"
_GZIP, _MOST_BYTES = b"\x1f\x8b", 1 << 28
_STOPS = tuple(stop.name.lower() for stop in Stop)


@dataclass(frozen=True)
class Row:
    """One image's line. radius in [0,1] pixels; ``predict`` is -1 for abstain; ``extra``: the columns after those,
    without the check value.
    """

    idx: int
    label: int
    predict: int
    radius: float
    correct: bool
    time: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def abstained(self) -> bool:
        """Whether the smoothed classifier gave no answer."""
        return self.predict == ABSTAIN

    @property
    def squared(self) -> int | None:
        """The exact ``L``, lattice steps squared, where the log has it."""
        return int(self.extra["L"]) if "L" in self.extra else None


def certificate_row(
    idx: int,
    label: int,
    result: Certificate,
    seconds: float,
    settings: Mapping[str, str],
    names: Mapping[str, str] = MappingProxyType({}),
) -> Row:
    """The line of one certificate. ``settings`` gives every column of SETTINGS, ``names`` some of NAMES."""
    extra = {
        "selected": str(result.selected),
        "count": str(result.count),
        "samples": str(result.samples),
        "votes": ",".join(map(str, result.votes)),
        "L": str(result.radius_squared),
        **norms(result.radius_squared, settings["shape"]),
        "stop": result.stop.name.lower(),
        **{name: printable(names.get(name, "")) for name in NAMES},
        **{name: printable(settings[name]) for name in SETTINGS},
    }
    return Row(
        idx,
        label,
        result.label,
        result.radius,
        result.label == label and result.label != ABSTAIN,
        str(timedelta(seconds=round(seconds, 6))),
        extra,
    )


def norms(squared: int, shape: str) -> dict[str, str]:
    """The columns NORMS of a squared radius and an image's shape, ``HxWxC``. Raises ValueError for no such shape."""
    sides = shape.split("x")
    if not all(_SIDE.fullmatch(side) for side in sides):
        raise ValueError(f"shape {shape[:40]!r} is not HxWxC")
    return {"linf": str(linf(squared, prod(map(int, sides)))), "l1": str(l1(squared))}


def printable(text: str) -> str:
    """A name as a cell: tabs, newlines and whatever is not printed, as Python writes it."""
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


def labelled(logs: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """The logs, with a warning in the name of each that was made with a certificate that is not sound."""
    return {name + (f" [{warning(rows)}]" if warning(rows) else ""): rows for name, rows in logs.items()}


def warning(rows: Sequence[Row]) -> str:
    """What must stand beside every figure of these rows: that their certificate is not sound, or that floating-point
    noise carries no proof on a machine; else nothing.
    """
    if any(row.extra.get("method", INTRS) != INTRS for row in rows):
        return NO_PROOF
    return NOT_SOUND if any(row.extra.get("certificate") == "paper" for row in rows) else ""


def header(columns: Sequence[str] = COLUMNS) -> str:
    """The first line, with its newline."""
    return "\t".join(columns) + "\n"


def format_row(row: Row, columns: Sequence[str] = COLUMNS) -> str:
    """The line, with its newline. columns: COLUMNS or EARLIER."""
    first = (str(row.idx), str(row.label), str(row.predict), radius_text(int(row.extra["L"])), str(int(row.correct)))
    line = "\t".join((*first, row.time, *(row.extra[name] for name in columns[len(COMMUNITY) : -1])))
    return f"{line}\t{_check_value(line)}\n"


def _check_value(line: str) -> str:
    """CRC-32 of everything before the last tab."""
    return f"{zlib.crc32(line.encode()):08x}"


def read_log(path: Path) -> list[Row]:
    """The rows of a log of this project or of the community's six columns, plain or in gzip; raises IntrsError
    naming the line that is damaged, contradicts itself or another, or names an image twice.

    A last line without its newline is what an interrupted run leaves behind; it is not a result and is not returned.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise IntrsError(f"log {path}: no such file") from None
    except OSError as error:
        raise IntrsError(f"log {path}: cannot be read ({error.strerror})") from None
    return parse_log(_unpacked(content, path) if content.startswith(_GZIP) else content, path)


def _unpacked(content: bytes, path: Path) -> bytes:
    """What a gzip file holds, of a log's size at most."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(content, _MOST_BYTES)
    except zlib.error as error:
        raise IntrsError(f"log {path}: cannot be unpacked ({error})") from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise IntrsError(f"log {path}: damaged, or larger than {_MOST_BYTES} bytes; unpack it first")
    return found


def rows_so_far(path: Path) -> list[Row]:
    """What the run that writes this log has done; nothing where it has not begun. Raises IntrsError as `read_log`."""
    return [] if not path.is_file() or _begun(path.read_bytes()) else read_log(path)


def _begun(content: bytes) -> bool:
    """Whether this is a log's first line, or its beginning, and no more."""
    return any(header(columns).encode().startswith(content) for columns in _OURS)


def parse_log(content: bytes, path: Path) -> list[Row]:
    """As `read_log`, of what was read already; ``path`` is for the errors."""
    lines = content.split(b"\n")[:-1]  # what follows the last newline is incomplete, or empty
    columns = _columns(lines[0] if lines else b"", path)
    rows: list[Row] = []
    where: dict[int, int] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            row = _row(line, columns)
            if row.idx in where:
                raise ValueError(f"image {row.idx} is in line {where[row.idx]} already; a log has one line an image")
            for name in SETTINGS if rows and columns in _OURS else ():
                if row.extra[name] != rows[0].extra[name]:
                    raise ValueError(f"{name} is {row.extra[name]}, in line 2 {rows[0].extra[name]}; a log is one run")
        except ValueError as error:  # a UnicodeDecodeError is one
            raise IntrsError(f"log {path}, line {number}: {error}") from None
        where[row.idx] = number
        rows.append(row)
    return rows


def _columns(line: bytes, path: Path) -> tuple[str, ...]:
    """Those of a log of ours, or the community's and perhaps others: a mixture is a header that was damaged."""
    columns = tuple(line.decode("utf-8", "replace").split("\t"))
    if columns[: len(COMMUNITY)] != COMMUNITY:
        raise IntrsError(f"log {path}: its first line is not the header {' '.join(COMMUNITY)} (tab-separated)")
    if columns not in _OURS and {*COLUMNS[len(COMMUNITY) :]} & {*columns}:
        raise IntrsError(
            f"log {path}: its columns are not those that this version writes: another version made it, or its header "
            f"is damaged; `cut -f1-{len(COMMUNITY)}` leaves what report needs"
        )
    if len({*columns}) < len(columns):
        raise IntrsError(f"log {path}: its header names a column twice")
    return columns


def _row(line: bytes, columns: tuple[str, ...]) -> Row:
    """One line; ValueError when it cannot be right."""
    text = line.decode()
    cells = text.split("\t")
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} columns where the header has {len(columns)}")
    values = dict(zip(columns, cells, strict=True))
    if columns in _OURS and values.pop(CHECK) != _check_value(text.rpartition("\t")[0]):
        raise ValueError("damaged, its check value does not fit; without the line, certify does its image again")
    idx, label, predict = (_whole(values, name) for name in ("idx", "label", "predict"))
    radius = float(values["radius"])
    if idx < 0 or label < -1 or predict < ABSTAIN:
        raise ValueError(f"idx {idx}, label {label}, predict {predict}: at least 0, -1, -1")
    if not 0 <= radius < float("inf"):
        raise ValueError(f"radius {values['radius']} is not a distance")
    if predict == ABSTAIN and radius > 0:
        raise ValueError(f"a radius of {values['radius']} where it abstains")
    correct = label == predict and predict != ABSTAIN
    if values["correct"] != str(int(correct)):
        raise ValueError(f"correct is {values['correct']}, but label is {label} and predict {predict}")
    if columns == EARLIER:
        values |= norms(max(0, _whole(values, "L")), values["shape"])
    names = columns[len(COMMUNITY) :] if columns not in _OURS else COLUMNS[len(COMMUNITY) : -1]
    row = Row(idx, label, predict, radius, correct, values["time"], {name: values[name] for name in names})
    if columns in _OURS:
        _agrees(row, values["radius"])
    return row


def _agrees(row: Row, radius: str) -> None:
    """ValueError unless votes, counts, class, radius and settings fit together."""
    for what in _contradictions(row, radius):
        raise ValueError(what)


def _contradictions(row: Row, radius: str) -> Iterator[str]:
    cells = row.extra
    if not _VOTES.fullmatch(cells["votes"]):
        yield f"votes {cells['votes'][:40]!r} are not whole numbers by commas"
    votes = [int(part) for part in cells["votes"].split(",")]
    selected, count, samples, squared, n, seed = (
        _whole(cells, name) for name in ("selected", "count", "samples", "L", "n", "seed")
    )
    fixed, full, classes = cells["mode"] == "fixed", cells["stop"] == Stop.FULL.name.lower(), len(votes)
    if not 0 <= seed < 1 << 64:
        yield f"seed {seed} is not of 64 bits"
    if not (0 <= selected < classes and row.label < classes):
        yield f"selected {selected}, label {row.label}: there are votes of {several(classes, 'class', 'classes')}"
    if sum(votes) != samples:
        yield f"{several(samples, 'sample')}, but {several(sum(votes), 'vote')}"
    if votes[selected] != count:
        yield f"count {count}, but class {selected} has {votes[selected]} votes"
    if cells["n0"] == "0" and selected != votes.index(max(votes)):
        yield f"class {selected}, but class {votes.index(max(votes))} leads, and none was selected before (n0 0)"
    if not 0 < samples <= n:
        yield f"{several(samples, 'sample')} of n {n}"
    if full != (samples == n) or (fixed and not full and cells["stop"] != Stop.CALLER.name.lower()):
        yield f"stop {cells['stop']} after {samples} of {several(n, 'sample')}"
    if cells["stop"] not in _STOPS:
        yield f"stop {cells['stop']} is none of {_STOPS}"
    if row.predict != (selected if squared else ABSTAIN):
        yield f"predict {row.predict} with L {squared} and class {selected}"
    if squared < 0 or radius != radius_text(squared):
        yield f"radius {radius} with L {squared}"
    for name, value in norms(max(0, squared), cells["shape"]).items():
        if cells[name] != value:
            yield f"{name} {cells[name]} with L {squared} and shape {cells['shape']}"


_VOTES = re.compile(r"[0-9]{1,20}(,[0-9]{1,20})*")
_WHOLE = re.compile(r"-?[0-9]{1,20}")
_SIDE = re.compile(r"[1-9][0-9]{0,8}")
_OURS = (COLUMNS, EARLIER)


def _whole(values: Mapping[str, str], name: str) -> int:
    if not _WHOLE.fullmatch(values[name]):
        raise ValueError(f"{name} {values[name][:40]!r} is not a whole number")
    return int(values[name])


class LogWriter:
    """Appends rows, each on the disk before the next image starts; opening an existing log resumes it.

    No other process can write the log meanwhile. Raises IntrsError when one does, when the file is not a log, when a
    line is damaged, or when any line in it was made with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, str]) -> None:
        self.path, self.settings = path, dict(settings)
        self.columns: tuple[str, ...] = COLUMNS  # an earlier version's log is resumed as it is
        self._sizes: list[int] = []  # bytes of each row's line
        self._file = LockedFile(path, "log")
        try:
            self.rows = self._resume(self._file.content)
        except BaseException:
            self._file.close()
            raise

    def withdraw(self, images: Collection[int]) -> set[int]:
        """Takes the lines of these images out; gives the ``idx`` of those that had one.

        What stands behind the first of them is written anew: a kill in between loses such lines and keeps no wrong one.
        """
        gone = [k for k, row in enumerate(self.rows) if row.idx in images]
        if not gone:
            return set()
        found = {self.rows[k].idx for k in gone}
        kept = [row for row in self.rows[gone[0] :] if row.idx not in images]
        self._file.keep(len(header(self.columns)) + sum(self._sizes[: gone[0]]))
        del self.rows[gone[0] :], self._sizes[gone[0] :]
        lines = [format_row(row, self.columns).encode() for row in kept]
        self._file.append(b"".join(lines))
        self.rows += kept
        self._sizes += map(len, lines)
        return found

    def _resume(self, content: bytes) -> list[Row]:
        """Drops the torn last line of a run that was cut off, which may have been the header."""
        if _begun(content):
            self._file.keep(0)
            self._file.append(header().encode())
            return []
        rows = parse_log(content, self.path)
        first = content[: content.index(b"\n") + 1].decode()
        self.columns = next((columns for columns in _OURS if header(columns) == first), ())
        if not self.columns:
            raise IntrsError(f"log {self.path}: has other columns than certify writes; give another name to --log")
        for name in SETTINGS if rows else ():
            if rows[0].extra[name] != printable(self.settings[name]):
                raise IntrsError(
                    f"log {self.path}: was made with {name} {rows[0].extra[name]}, this run has {self.settings[name]}; "
                    "resume with the same settings, or give another name to --log"
                )
        self._file.keep(content.rindex(b"\n") + 1)
        self._sizes = [len(line) + 1 for line in content.split(b"\n")[1:-1]]
        return rows

    @property
    def done(self) -> set[int]:
        """The ``idx`` of the images that have a line."""
        return {row.idx for row in self.rows}

    def append(self, row: Row) -> None:
        """Writes one line; it stays when this returns, and is not there when this raises IntrsError."""
        line = format_row(row, self.columns).encode()
        self._file.append(line)
        self.rows.append(row)
        self._sizes.append(len(line))

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by ``idx``."""
    return sorted(rows, key=lambda row: row.idx)
