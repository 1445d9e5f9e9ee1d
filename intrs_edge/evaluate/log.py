"""The certification log: tab-separated, the community's six columns first, then all that a replay needs, on every
line.

``idx label predict radius correct time`` are those of Cohen et al. 2019, so that their analysis scripts read this
file as it is. ``radius`` is in [0,1] pixels, rounded down to six digits; ``L`` is the exact certificate, floor(R^2)
in lattice steps squared. The settings are columns too, rather than a comment: a line means something by itself, and
an interrupted run is resumed only when every setting of every line agrees.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import isqrt
from pathlib import Path
from types import TracebackType

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import ABSTAIN, Certificate

COMMUNITY = ("idx", "label", "predict", "radius", "correct", "time")
RESULT = ("selected", "count", "samples", "votes", "L", "stop")
SETTINGS = ("n0", "n", "alpha", "sigma", "noise", "certificate", "mode", "seed", "model", "tables", "images")
COLUMNS = (*COMMUNITY, *RESULT, *SETTINGS)

NOT_SOUND = " [NOT SOUND: the published quantile]"
_LEVELS = 255  # lattice steps in one unit of [0,1] pixels
_DIGITS = 6


@dataclass(frozen=True)
class Row:
    """One image's line. radius in [0,1] pixels; ``predict`` is -1 for abstain; ``extra``: the columns after those."""

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


def radius_text(radius_squared: int) -> str:
    """The radius in [0,1] pixels of ``radius_squared`` lattice steps squared, rounded down to six digits, exactly."""
    scaled = isqrt(radius_squared * 10 ** (2 * _DIGITS) // _LEVELS**2)
    return f"{scaled // 10**_DIGITS}.{scaled % 10**_DIGITS:0{_DIGITS}d}"


def certificate_row(idx: int, label: int, result: Certificate, seconds: float, settings: Mapping[str, str]) -> Row:
    """The line of one certificate. ``settings`` gives every column of SETTINGS."""
    extra = {
        "selected": str(result.selected),
        "count": str(result.count),
        "samples": str(result.samples),
        "votes": ",".join(map(str, result.votes)),
        "L": str(result.radius_squared),
        "stop": result.stop.name.lower(),
        **{name: settings[name] for name in SETTINGS},
    }
    return Row(
        idx,
        label,
        result.label,
        float(radius_text(result.radius_squared)),
        result.label == label and result.label != ABSTAIN,
        str(timedelta(seconds=round(seconds, 6))),
        extra,
    )


def labelled(logs: Mapping[str, Sequence[Row]]) -> dict[str, Sequence[Row]]:
    """The logs, with a warning in the name of each that was made with a certificate that is not sound."""
    return {name + (NOT_SOUND if _unsound(rows) else ""): rows for name, rows in logs.items()}


def _unsound(rows: Sequence[Row]) -> bool:
    return any(row.extra.get("certificate", "sound") != "sound" for row in rows)


def format_row(row: Row) -> str:
    """The line, with its newline."""
    radius = radius_text(int(row.extra["L"])) if "L" in row.extra else f"{row.radius:.6f}"
    first = (str(row.idx), str(row.label), str(row.predict), radius, str(int(row.correct)), row.time)
    return "\t".join((*first, *(row.extra[name] for name in COLUMNS[len(COMMUNITY) :]))) + "\n"


def read_log(path: Path) -> list[Row]:
    """The rows of a log of this project or of the community's six columns; raises IntrsError naming the line that is
    wrong.

    A last line without its newline is what an interrupted run leaves behind; it is not a result and is not returned.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise IntrsError(f"log {path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise IntrsError(f"log {path}: cannot be read ({error})") from None
    lines = text.split("\n")[:-1]  # what follows the last newline is incomplete, or empty
    columns = lines[0].split("\t") if lines else []
    if tuple(columns[: len(COMMUNITY)]) != COMMUNITY:
        raise IntrsError(f"log {path}: its first line is not the header {' '.join(COMMUNITY)} (tab-separated)")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        try:
            if len(cells) != len(columns):
                raise ValueError(f"{len(cells)} columns where the header has {len(columns)}")
            values = dict(zip(columns, cells, strict=True))
            if not 0 <= float(values["radius"]) < float("inf"):
                raise ValueError(f"radius {values['radius']} is not a distance")
            rows.append(
                Row(
                    int(values["idx"]),
                    int(values["label"]),
                    int(values["predict"]),
                    float(values["radius"]),
                    bool(int(values["correct"])),
                    values["time"],
                    {name: values[name] for name in columns[len(COMMUNITY) :]},
                )
            )
        except ValueError as error:
            raise IntrsError(f"log {path}, line {number}: {error}") from None
    return rows


class LogWriter:
    """Appends rows, each on the disk before the next image starts; opening an existing log resumes it.

    Raises IntrsError when the file is not a log or any line in it was made with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, str]) -> None:
        self.path, self.settings = path, dict(settings)
        self.rows: list[Row] = []
        if path.exists() and path.stat().st_size:
            self.rows = _resumable(path, self.settings)
        self._rewrite()
        self._file = path.open("a", encoding="utf-8", newline="\n")

    @property
    def done(self) -> set[int]:
        """The ``idx`` of the images that have a line."""
        return {row.idx for row in self.rows}

    def append(self, row: Row) -> None:
        """Writes one line and makes sure that it stays."""
        self._file.write(format_row(row))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows.append(row)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _rewrite(self) -> None:
        """Header and complete lines: drops the torn last line of a run that was cut off."""
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text("\t".join(COLUMNS) + "\n" + "".join(map(format_row, self.rows)), encoding="utf-8")
            temporary.replace(self.path)
        except OSError as error:
            raise IntrsError(f"log {self.path}: cannot be written ({error.strerror})") from None


def _resumable(path: Path, settings: Mapping[str, str]) -> list[Row]:
    rows = read_log(path)
    header = path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
    if tuple(header) != COLUMNS:
        raise IntrsError(f"log {path}: has other columns than this version writes; give another name to --log")
    for row in rows:
        for name in SETTINGS:
            if row.extra[name] != settings[name]:
                raise IntrsError(
                    f"log {path}: was made with {name} {row.extra[name]}, this run has {settings[name]}; "
                    "resume with the same settings, or give another name to --log"
                )
    return rows


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by ``idx``."""
    return sorted(rows, key=lambda row: row.idx)
