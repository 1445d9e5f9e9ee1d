"""--seed device: drawn once a log, kept when the log is resumed."""

from __future__ import annotations

from intrs_edge.cli.certify import device_seed, log_settings
from intrs_edge.evaluate.log import COLUMNS, SETTINGS, certificate_row, format_row
from intrs_edge.smoothing import Certificate, Stop


class Source:
    def __init__(self) -> None:
        self.drawn = 0

    def entropy(self) -> int:
        self.drawn += 1
        return 2**63 + self.drawn


def test_drawn_once_a_log(tmp_path):
    source, log = Source(), tmp_path / "log.tsv"
    assert device_seed(source, log) == 2**63 + 1
    log.write_text("\t".join(COLUMNS) + "\n")
    assert device_seed(source, log) == 2**63 + 2  # no image yet: nothing was seen
    log.write_text("idx\tlabel\tpre")  # cut off while the header was written
    assert device_seed(source, log) == 2**63 + 3
    settings = {**dict.fromkeys(SETTINGS, "1"), "seed": str(2**63 + 2), "n": "1000", "mode": "fixed"}
    row = certificate_row(0, 1, Certificate(1, 1, 990, 1000, 20_000, Stop.FULL, (10, 990)), 1.0, settings)
    log.write_text("\t".join(COLUMNS) + "\n" + format_row(row))
    assert device_seed(source, log) == 2**63 + 2
    assert source.drawn == 3


def test_the_seed_is_logged():
    manifest = {
        "settings": {k: "1" for k in ("n0", "n", "alpha", "sigma", "noise", "certificate", "seed")},
        "model_hash": "a" * 64,
        "table_hash": "b" * 64,
    }
    assert log_settings(manifest, 2**64 - 1, "fixed", "c")["seed"] == str(2**64 - 1)
