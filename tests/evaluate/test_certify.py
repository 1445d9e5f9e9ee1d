"""Images into a log: the right streams, nothing lost by an interruption, other images refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import certify_images, images_digest, progress, read_log
from intrs_edge.smoothing.results import Mode


def without_time(path):
    return [dataclasses.replace(row, time="") for row in read_log(path)]


def test_every_image_has_its_line(tmp_path, images, settings, fake_target):
    target = fake_target()
    rows = certify_images(images, target, tmp_path / "log.tsv", settings, seed=7, show=False)
    assert target.asked == [3, 5, 7, 9, 11, 13]
    assert rows == read_log(tmp_path / "log.tsv")
    assert [row.predict for row in rows] == [0, 2, -1, 0, 2, 1]
    assert [row.correct for row in rows] == [True, False, False, True, False, False]
    assert [row.extra["L"] for row in rows] == ["3000", "5000", "0", "9000", "11000", "13000"]


@pytest.mark.parametrize("at", [3, 7, 13])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path, images, settings, fake_target, at):
    whole, part = tmp_path / "whole.tsv", tmp_path / "part.tsv"
    certify_images(images, fake_target(), whole, settings, seed=7, show=False)
    with pytest.raises(KeyboardInterrupt):
        certify_images(images, fake_target(interrupt=at), part, settings, seed=7, show=False)
    again = fake_target()
    certify_images(images, again, part, settings, seed=7, show=False)
    assert again.asked == [idx for idx in (3, 5, 7, 9, 11, 13) if idx >= at]
    assert without_time(part) == without_time(whole)


def test_a_slow_board_shows_how_far_it_is_within_an_image(tmp_path, images, settings, fake_target, monkeypatch, capsys):
    target, clock = fake_target(), [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    target.on_progress, certify = None, target.certify

    def slowly(*asked):
        for done in (100, 200, 300):
            clock[0] += 6
            target.on_progress(done, 1000)
        return certify(*asked)

    target.certify = slowly
    certify_images(images, target, tmp_path / "log.tsv", settings, seed=7)
    said = capsys.readouterr().err
    assert said.startswith("0/6 images, 200/1000 samples of the next\n")
    assert "100/1000" not in said.partition("\n")[0]  # a line every ten seconds at most
    certify_images(images, target, tmp_path / "other.tsv", settings, seed=7, show=False)
    assert capsys.readouterr().err == ""


def test_the_mode_reaches_the_target(tmp_path, images, settings, fake_target):
    settings |= {"mode": "target-radius=0.1"}
    rows = certify_images(images, fake_target(), tmp_path / "l.tsv", settings, seed=7, mode=Mode.TARGET, show=False)
    assert {row.extra["stop"] for row in rows} == {"accept"}


def test_the_digest_sees_every_part_of_a_selection(images):
    digest = images_digest(images)
    pixels = images.images.copy()
    pixels[0, 0, 0, 0] ^= 1
    changed = [
        dataclasses.replace(images, images=pixels),
        dataclasses.replace(images, labels=images.labels[::-1]),
        dataclasses.replace(images, ids=images.ids + np.uint32(1)),
    ]
    assert len({digest, *(images_digest(other) for other in changed)}) == 4


def test_a_log_of_other_images_is_refused(tmp_path, images, settings, fake_target):
    certify_images(images, fake_target(), tmp_path / "log.tsv", settings, seed=7, show=False)
    with pytest.raises(IntrsError, match="was made with images"):
        certify_images(images, fake_target(), tmp_path / "log.tsv", settings | {"images": "x"}, seed=7, show=False)


def test_an_image_that_is_in_doubt_when_it_is_given_is_certified_again(tmp_path, images, settings, fake_target):
    """The board that took part in it proved wrong between its last range and its line."""
    target, doubts = fake_target(), [set(), {5}, {3}]
    target.take_suspects = lambda: doubts.pop(0) if doubts else set()
    rows = certify_images(images, target, tmp_path / "log.tsv", settings, seed=7, show=False)
    assert target.asked == [3, 5, 7, 9, 11, 13, 5, 3]
    assert [row.idx for row in read_log(tmp_path / "log.tsv")] == [7, 9, 11, 13, 5, 3]
    assert [row.idx for row in rows] == [3, 5, 7, 9, 11, 13]
