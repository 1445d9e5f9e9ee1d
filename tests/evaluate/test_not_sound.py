"""A log of the published quantile is labelled wherever its figures are shown, and a sound one is not."""

from __future__ import annotations

import json

import pytest

from intrs_edge.evaluate.identity import rows_digest
from intrs_edge.evaluate.log import SETTINGS, LogWriter, certificate_row
from intrs_edge.evaluate.page import html
from intrs_edge.evaluate.plot import draw, text_table
from intrs_edge.evaluate.report import csv_table, latex, markdown, table
from intrs_edge.smoothing import Certificate, Smoothing, Stop


def rows(certificate):
    settings = {**dict.fromkeys(SETTINGS, "1"), "certificate": certificate, "n": "1000", "mode": "fixed"}
    settings |= {"method": "intrs", "select": "", "size": "1", "shard": "1/1"}
    settings |= {"shape": "8x8x1", "sigma": "0.25", "alpha": "0.001", "noise": "discrete"}
    squared = Smoothing((8, 8, 1), sigma="0.25", n=1000, certificate=certificate).radius.lookup(990)
    result = Certificate(3, 3, 990, 1000, squared, Stop.FULL, (0, 0, 10, 990))
    settings["images"] = rows_digest([certificate_row(0, 3, result, 1.0, settings)])
    return settings, [certificate_row(0, 3, result, 1.0, settings)]


@pytest.mark.parametrize(("certificate", "expected"), [("one-sided", False), ("paper", True)])
def test_labels(tmp_path, certificate, expected):
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    logs = {"mine": rows(certificate)[1]}
    draw(logs, tmp_path / "plot.svg")
    assert ("NOT SOUND" in (tmp_path / "plot.svg").read_text()) == expected
    for text in (
        text_table(logs, [0.25]),
        html(logs),
        markdown(logs),
        str(table(logs)[0]),
        latex(logs),
        csv_table(logs),
    ):
        assert ("NOT SOUND" in text) == expected


@pytest.mark.parametrize(("certificate", "expected"), [("one-sided", False), ("paper", True)])
def test_the_report_command_says_it(run_cli, tmp_path, certificate, expected):
    settings, results = rows(certificate)
    with LogWriter(tmp_path / "mine.tsv", settings) as log:
        log.append(results[0])
    code, out, _ = run_cli("report", tmp_path / "mine.tsv")
    assert (code, "NOT SOUND" in out) == (0, expected)
    code, out, _ = run_cli("report", tmp_path / "mine.tsv", "--json")
    assert code == 0
    assert ("NOT SOUND" in json.loads(out)["mine"]["warning"]) == expected
