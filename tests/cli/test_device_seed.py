"""The seed of a run: what was asked for, the project's, or fresh; drawn once a log, kept when the log is resumed."""

from __future__ import annotations

import secrets

from intrs_edge.cli.certify import DEVICE, run_seed
from intrs_edge.datasets import load_images
from intrs_edge.evaluate.identity import log_settings
from intrs_edge.evaluate.log import COLUMNS, SETTINGS, certificate_row, format_row
from intrs_edge.smoothing import Certificate, Stop


class Source:
    def __init__(self) -> None:
        self.drawn = 0

    def entropy(self) -> int:
        self.drawn += 1
        return 2**63 + self.drawn


def test_drawn_once_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr(secrets, "randbits", lambda bits: 0)
    source, log = Source(), tmp_path / "log.tsv"
    assert run_seed(DEVICE, 5, log, source) == 2**63 + 1
    log.write_text("\t".join(COLUMNS) + "\n")
    assert run_seed(DEVICE, 5, log, source) == 2**63 + 2  # no image yet: nothing was seen
    log.write_text("idx\tlabel\tpre")  # cut off while the header was written
    assert run_seed(DEVICE, 5, log, source) == 2**63 + 3
    settings = {**dict.fromkeys(SETTINGS, "1"), "seed": str(2**63 + 2), "n": "1000", "mode": "fixed"}
    row = certificate_row(0, 1, Certificate(1, 1, 990, 1000, 20_000, Stop.FULL, (10, 990)), 1.0, settings)
    log.write_text("\t".join(COLUMNS) + "\n" + format_row(row))
    assert run_seed(DEVICE, 5, log, source) == 2**63 + 2
    assert source.drawn == 3


def test_a_board_cannot_choose_the_seed(tmp_path):
    seeds = {run_seed(DEVICE, 5, tmp_path / "log.tsv", Source()) for _ in range(4)}  # four boards that say the same
    assert len(seeds) == 4
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_asked_then_the_projects_then_fresh(tmp_path):
    source, log = Source(), tmp_path / "log.tsv"
    assert run_seed(7, 5, log, source) == 7
    assert run_seed(0, 5, log, source) == 0
    assert run_seed(None, 5, log, source) == 5
    fresh = {run_seed(None, None, log, source) for _ in range(4)}
    assert len(fresh) == 4
    assert all(0 <= seed < 2**64 for seed in fresh)
    settings = {**dict.fromkeys(SETTINGS, "1"), "seed": "99", "n": "1000", "mode": "fixed"}
    row = certificate_row(0, 1, Certificate(1, 1, 990, 1000, 20_000, Stop.FULL, (10, 990)), 1.0, settings)
    log.write_text("\t".join(COLUMNS) + "\n" + format_row(row))
    assert run_seed(None, None, log, source) == 99
    assert source.drawn == 0


def test_the_seed_is_logged():
    manifest = {
        "settings": {k: "1" for k in ("n0", "n", "alpha", "sigma", "noise", "certificate", "seed")},
        "model_hash": "a" * 64,
        "table_hash": "b" * 64,
    }
    images = load_images("digits:test[0:2]")
    assert log_settings(manifest, 2**64 - 1, "fixed", images)["seed"] == str(2**64 - 1)
