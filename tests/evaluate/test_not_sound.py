"""A log of the published quantile is labelled wherever its figures are shown, and a sound one is not."""

from __future__ import annotations

from intrs_edge.evaluate.log import SETTINGS, certificate_row
from intrs_edge.evaluate.plot import draw, text_table
from intrs_edge.evaluate.report import write_report
from intrs_edge.smoothing import Certificate, Stop


def rows(certificate):
    settings = {**dict.fromkeys(SETTINGS, "1"), "certificate": certificate}
    return [certificate_row(0, 3, Certificate(3, 3, 990, 1000, 20_000, Stop.FULL), 1.0, settings)]


def test_labels(tmp_path):
    for certificate, expected in (("sound", False), ("paper", True)):
        logs = {"mine": rows(certificate)}
        for suffix in ("html", "md"):
            write_report(logs, tmp_path / f"report.{suffix}")
            assert ("NOT SOUND" in (tmp_path / f"report.{suffix}").read_text()) == expected
        draw(logs, tmp_path / "plot.svg")
        assert ("NOT SOUND" in (tmp_path / "plot.svg").read_text()) == expected
        assert ("NOT SOUND" in text_table(logs, [0.25])) == expected
