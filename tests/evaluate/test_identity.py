"""Which images a log is about: its gaps, what does not belong, parts of one run as one log, names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from intrs_edge.datasets import load_images
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate import certify_images, images_digest, read_log
from intrs_edge.evaluate.identity import expected, image_settings, rows_digest, warnings_of
from intrs_edge.evaluate.log import SETTINGS, printable
from intrs_edge.evaluate.merge import Gaps, gaps, log_text, merge
from intrs_edge.smoothing.results import Certificate, Mode, Stop, Stream

CLASSES = tuple("0123456789")


class Target:
    """Votes that depend on seed and image alone."""

    def certify(self, image: np.ndarray, stream: Stream, mode: Mode) -> Certificate:
        count = 600 + (stream.seed * 31 + stream.image * 7 + int(image.sum())) % 400
        return Certificate(3, 3, count, 1000, count, Stop.FULL, (0, 0, 0, count, *[0] * 5, 1000 - count))


def certified(path, spec, shard="1/1", seed=5, **changes):
    images = load_images(spec, shard=shard)
    settings = {**dict.fromkeys(SETTINGS, "1"), "n": "1000", "mode": "fixed", "seed": str(seed)}
    settings |= image_settings(images) | changes
    return certify_images(images, Target(), path, settings, seed=seed, classes=CLASSES, show=False)


def timeless(rows):
    return [dataclasses.replace(row, time="") for row in rows]


def test_a_finished_log_has_no_gaps_and_what_is_deleted_is_missed(tmp_path):
    path = tmp_path / "l.tsv"
    certified(path, "digits:test[3:43:2]")
    lines = path.read_text().splitlines(keepends=True)
    assert gaps(read_log(path)) == Gaps(0, ())
    path.write_text("".join(lines[:4] + lines[5:9] + lines[10:]))
    assert gaps(read_log(path)) == Gaps(2, (9, 19))
    path.write_text("".join(lines[:2]))
    assert gaps(read_log(path)) == Gaps(19, tuple(range(5, 25, 2)))
    certified(path, "digits:test[3:43:2]")  # and certify does them again
    assert timeless(read_log(path)) == timeless(certified(tmp_path / "m.tsv", "digits:test[3:43:2]"))


def test_lines_about_other_images_are_refused(tmp_path):
    rows = certified(tmp_path / "l.tsv", "digits:test[0:9]")
    assert gaps(rows) == Gaps(0, ())
    strange = dataclasses.replace(rows[0], idx=9)
    with pytest.raises(IntrsError, match="images 9 are none of those that the log is about"):
        gaps([strange, *rows[1:]])
    for change in ({"label": 7}, {"extra": {**rows[0].extra, "pixels": "0" * 16}}):
        with pytest.raises(IntrsError, match="not about the images that were certified"):
            gaps([dataclasses.replace(rows[0], **change), *rows[1:]])


@pytest.mark.parametrize(
    "changes",
    [{"size": "9" * 12}, {"size": "-1"}, {"size": "x"}, {"select": "a"}, {"select": "0:0"}, {"shard": "3/2"},
     {"shard": "0/1"}, {"shard": "5"}, {"shard": "11/11"}],
)  # fmt: skip
def test_senseless_settings_are_one_line(changes):
    with pytest.raises(IntrsError):
        expected({"size": "10", "select": "", "shard": "1/1", "source": "x"} | changes)
    # a set of 10^9 images costs nothing
    assert len(expected({"size": "999999999", "select": "", "shard": "2/2", "source": "x"})) == 499_999_999


@pytest.mark.parametrize("spec", ["digits:test", "digits:test[7:100:3]", "digits:test[40]"])
def test_shards_are_the_run_of_one_machine(tmp_path, spec):
    whole = certified(tmp_path / "whole.tsv", spec)
    shards = min(4, len(whole))
    parts = {f"p{k}": certified(tmp_path / f"p{k}.tsv", spec, shard=f"{k}/{shards}") for k in range(1, shards + 1)}
    assert max(map(len, parts.values())) - min(map(len, parts.values())) <= 1
    rows, lacking = merge(parts)
    assert lacking == Gaps(0, ())
    assert timeless(rows) == timeless(whole)
    (tmp_path / "merged.tsv").write_text(log_text(rows))
    assert read_log(tmp_path / "merged.tsv") == rows
    assert len(certified(tmp_path / "merged.tsv", spec)) == len(whole)  # one machine's run: nothing is left to do


def test_slices_of_one_set_are_merged_too_and_gaps_are_named(tmp_path):
    first, last = (
        certified(tmp_path / "a.tsv", "digits:test[0:100]"),
        certified(tmp_path / "b.tsv", "digits:test[100:]"),
    )
    rows, lacking = merge({"a": first, "b": last})
    assert timeless(rows) == timeless(certified(tmp_path / "w.tsv", "digits:test"))
    assert lacking.count == 0
    rows, lacking = merge({"a": first[:98], "b": last[1:]})
    assert lacking == Gaps(3, (98, 99, 100))
    rows, lacking = merge({"b": last, "third": certified(tmp_path / "c.tsv", "digits:test[0:100]", shard="3/3")})
    assert lacking.count == 67
    assert lacking.first == (0, 1, 3, 4, 6, 7, 9, 10, 12, 13)
    rows, _ = merge({"a": certified(tmp_path / "d.tsv", "digits:test[0,5]"), "b": last})
    with pytest.raises(IntrsError, match="no slice of their set"):
        log_text(rows)


def test_what_is_not_part_of_one_run_is_named(tmp_path):
    a = certified(tmp_path / "a.tsv", "digits:test[0:20]")
    with pytest.raises(IntrsError, match="b and a both hold images 15, 16, 17, 18, 19; give each once"):
        merge({"a": a, "b": certified(tmp_path / "b.tsv", "digits:test[15:30]")})
    with pytest.raises(IntrsError, match="b was made with seed 6, a with 5"):
        merge({"a": a, "b": certified(tmp_path / "c.tsv", "digits:test[20:30]", seed=6)})
    with pytest.raises(IntrsError, match=r"b was made with set .*, a with"):
        merge({"a": a, "b": certified(tmp_path / "d.tsv", "digits:train[20:30]")})
    with pytest.raises(IntrsError, match="b was made with sigma 2, a with 1"):
        merge({"a": a, "b": certified(tmp_path / "e.tsv", "digits:test[20:30]", sigma="2")})
    with pytest.raises(IntrsError, match="log b is no log of certify"):
        merge({"a": a, "b": [dataclasses.replace(a[0], extra={})]})
    elsewhere = certified(tmp_path / "f.tsv", "digits:test[20:30]", source="/mnt/digits")
    assert len(merge({"a": a, "b": elsewhere})[0]) == 30  # the set is known by its digest, not by where it lies


def test_the_digest_does_not_depend_on_order_and_rows_give_it_too(tmp_path):
    there, back = load_images("digits:test[1,5,9]"), load_images("digits:test[9,5,1]")
    assert images_digest(there) == images_digest(back)
    assert rows_digest(certified(tmp_path / "l.tsv", "digits:test[1,5,9]")) == images_digest(there)


### names ###


def png(path, value):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)


def test_file_and_class_names_stand_beside_the_numbers(tmp_path):
    for k, name in enumerate(("cat/a\tb.png", "cat/x.png", "dog/ü.png")):
        png(tmp_path / "photos" / name, k)
    images = load_images(str(tmp_path / "photos"), shape=(8, 8, 1))
    settings = {**dict.fromkeys(SETTINGS, "1"), "n": "1000", "mode": "fixed"} | image_settings(images)
    classes = ["cat", "dog", "bird", "cow"]
    certify_images(images, Target(), tmp_path / "l.tsv", settings, seed=1, classes=classes, show=False)
    rows = read_log(tmp_path / "l.tsv")
    assert [row.extra["file"] for row in rows] == ["cat/a\\tb.png", "cat/x.png", "dog/ü.png"]
    assert [row.extra["label_name"] for row in rows] == ["cat", "cat", "dog"]
    assert {row.extra["predict_name"] for row in rows} == {"cow"}
    assert rows[0].extra["source"] == printable(str(tmp_path / "photos"))
    assert gaps(rows) == Gaps(0, ())


def test_a_folder_is_told_by_its_listing(tmp_path):
    for k, name in enumerate(("cat/a.png", "cat/x.png", "dog/y.png")):
        png(tmp_path / "p" / name, k)

    def digest():
        return load_images(str(tmp_path / "p"), shape=(8, 8, 1)).origin.digest

    before = digest()
    assert digest() == before
    png(tmp_path / "p" / "dog" / "z.png", 9)
    after = digest()
    (tmp_path / "p" / "dog" / "z.png").rename(tmp_path / "p" / "cat" / "z.png")
    assert len({before, after, digest()}) == 3


def test_cells_hold_no_tabs_or_newlines():
    assert printable("a\tb\nc\\d\x1b[31m\udc80é") == r"a\tb\nc\\d\x1b[31m\udc80é"


def folder_set(labels, names=("cat", "dog")):
    images = load_images(f"digits:test[0:{len(labels)}]")
    return dataclasses.replace(images, labels=np.array(labels), classes=tuple(names))


def test_what_is_odd_about_the_images_is_said():
    assert warnings_of(folder_set([0, 1] * 5), ["cat", "dog"]) == []
    assert warnings_of(folder_set([-1] * 5), ["cat", "dog"]) == []
    (text,) = warnings_of(folder_set([0] * 5), ["cat", "dog"])
    assert "5 images are of 1 of 2 classes: [::71] takes some of each" in text
    (text,) = warnings_of(folder_set([0, 0, 0, 1, 1], "abc"), list("abc"))
    assert "are of 2 of 3 classes" in text
    assert warnings_of(folder_set([0, 1, 0, 1, 0], "abc"), list("abc")) == []  # no order of classes: chance
    (text,) = warnings_of(folder_set([0, 1] * 5), ["dog", "cat"])
    assert "'cat' of the images is 'dog' of the network" in text
    assert warnings_of(folder_set([0, 1] * 5), ["0", "1"]) == []  # a network without names
    with pytest.raises(IntrsError, match=r"label 2, but the network has 2 classes \(0..1\)"):
        warnings_of(folder_set([0, 1, 2], "abc"), ["a", "b"])
