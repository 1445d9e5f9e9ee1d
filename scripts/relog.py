"""Logs of earlier versions in today's columns, for results/: python scripts/relog.py OLD.tsv[.gz] NEW.tsv.gz ...

Cells are taken over by their names, nothing is computed anew but check values and the columns that follow from ``L``;
what a column was before there was one is in `BEFORE`. The outcome is read again as `report` reads it, and refused where
it contradicts itself. Whether the votes are those of the model, `intrs-edge verify` says.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import CHECK, COLUMNS, Row, format_row, header, norms, parse_log

BEFORE = {"method": "intrs"}


def rewritten(content: bytes, where: Path) -> bytes:
    """The log in today's columns. Raises IntrsError for a column that has no value."""
    first, *lines = content.decode().splitlines()
    names, rows = first.split("\t"), []
    for line in lines:
        cells = BEFORE | dict(zip(names, line.split("\t"), strict=True))
        cells |= norms(int(cells["L"]), cells["shape"])
        missing = [name for name in COLUMNS if name not in cells and name != CHECK]
        if missing:
            raise IntrsError(f"log {where}: has no {missing[0]}, and BEFORE says nothing of it")
        extra = {name: cells[name] for name in COLUMNS[6:] if name != CHECK}
        idx, label, predict = (int(cells[name]) for name in ("idx", "label", "predict"))
        rows.append(Row(idx, label, predict, float(cells["radius"]), cells["correct"] == "1", cells["time"], extra))
    found = (header() + "".join(map(format_row, rows))).encode()
    parse_log(found, where)
    return found


def main() -> None:
    """Pairs of files."""
    names = [Path(name) for name in sys.argv[1:]]
    for old, new in zip(names[::2], names[1::2], strict=True):
        content = old.read_bytes()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(gzip.compress(rewritten(content, old), mtime=0))
        print(f"{new}: {new.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
