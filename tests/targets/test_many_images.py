"""Many images at once on the host's threads: every certificate that of the firmware's own loop, in order, and an
interrupt at any of them ends the threads and leaves a log that goes on.
"""

import dataclasses
import itertools
import threading
import zlib
from decimal import Decimal

import numpy as np
import pytest
from small_project import SHAPE, build_small

from intrs_edge.datasets import ImageSet
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.certify import certify_images
from intrs_edge.evaluate.log import SETTINGS, read_log
from intrs_edge.smoothing import Mode, Stream
from intrs_edge.targets import host as host_module
from intrs_edge.targets import sharing as sharing_module
from intrs_edge.targets.crew import ALONE, ThreadCrew
from intrs_edge.targets.host import open_host
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.sharing import Sharing

IMAGES = 60
MODES = (Mode.TARGET, Mode.PRECISION, Mode.FIXED)
SEQUENTIAL = MODES[:2]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    directory = tmp_path_factory.mktemp("many") / "p"
    build_small(directory, n=9000, target_radius=Decimal("0.02"), precision=Decimal("0.02"))
    return read_manifest(directory)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(8)
    # from flat to harsh: the moment of stopping changes from image to image
    contrast = np.linspace(0, 1, IMAGES)[:, None, None, None]
    pixels = (rng.integers(0, 256, (IMAGES, *SHAPE)) * contrast).astype(np.uint8)
    ids = np.arange(100, 100 + IMAGES, dtype=np.uint32)
    return ImageSet("random", pixels, np.zeros(IMAGES, np.int64), ids, tuple("abcdefghij"))


def work(images):
    return [(image, Stream(4, int(idx))) for image, idx in zip(images.images, images.ids, strict=True)]


@pytest.fixture(scope="module")
def expected(manifest, images):
    """What the firmware's own loop says, in one thread."""
    with open_host(manifest, 1) as host:
        return {mode: [host.certify_alone(image, stream, mode) for image, stream in work(images)] for mode in MODES}


def test_the_images_stop_at_all_kinds_of_moments(expected):
    samples = [certificate.samples for mode in SEQUENTIAL for certificate in expected[mode]]
    assert min(samples) < host_module._PIECE < ALONE < max(samples)
    assert len(set(samples)) > 5


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("mode", MODES)
def test_certificates_are_those_of_one_thread_in_order(manifest, images, expected, mode, threads):
    with open_host(manifest, threads) as host:
        found = list(host.certify_many(work(images), mode))
    assert [stream for stream, _, _ in found] == [stream for _, stream in work(images)]
    assert [certificate for _, certificate, _ in found] == expected[mode]
    assert all(seconds > 0 for _, _, seconds in found)


@pytest.mark.parametrize("mode", MODES)
def test_images_are_begun_while_the_first_is_at_work(manifest, images, mode):
    rest = iter(work(images))
    with open_host(manifest, 2) as host:
        found = host.certify_many(rest, mode)
        next(found)
        found.close()
        begun = IMAGES - len(list(rest))
        assert 1 < begun < IMAGES
        assert host._spaces.qsize() == 2  # every thread has given its workspace back


def test_a_long_image_is_cut_for_all_threads(manifest, images, monkeypatch):
    jobs = []
    with open_host(manifest, 2) as host:
        count = host.count
        monkeypatch.setattr(host, "count", lambda some, stopped: (jobs.extend(some), count(some, stopped))[1])
        list(host.certify_many(work(images)[:1], Mode.FIXED))
    assert len(jobs) > 2
    assert sum(job.count for job in jobs) == host.info.n0 + host.info.n


def rows_of(images, log, host):
    settings = dict.fromkeys(SETTINGS, "1") | {"seed": "4", "n": "9000", "mode": "target-radius=0.02"}
    rows = certify_images(images, host, log, settings, seed=4, mode=Mode.TARGET, show=False)
    return [dataclasses.replace(row, time="") for row in rows]


@pytest.mark.parametrize("at", [0, 5, 40])
def test_an_interrupt_keeps_the_lines_and_ends_the_threads(manifest, images, tmp_path, monkeypatch, at):
    log = tmp_path / "l.tsv"
    with open_host(manifest, 2) as host:
        whole = rows_of(images, tmp_path / "whole.tsv", host)
        given = []

        def interrupted(judge, mode, selected, counted):
            if threading.current_thread() is threading.main_thread():
                given.append(1)
                if len(given) > at:
                    raise KeyboardInterrupt
            return certificate_of(judge, mode, selected, counted)

        certificate_of = sharing_module.certificate_of
        monkeypatch.setattr(sharing_module, "certificate_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rows_of(images, log, host)
        assert host._spaces.qsize() == 2  # every thread has given its workspace back
        written = [dataclasses.replace(row, time="") for row in read_log(log)]
        assert written == [row for row in whole if row in written]
        assert len(written) < len(whole)
        monkeypatch.undo()
        assert rows_of(images, log, host) == whole


def test_what_was_finished_before_an_interrupt_is_given(manifest, images, expected, monkeypatch):
    """The first image is held back until others are done, and then comes the interrupt."""
    with open_host(manifest, 2) as host:
        count, held = host.count, threading.Event()

        def holding(jobs, stopped):
            if any(job.stream.image == 100 for job in jobs):
                while not stopped.wait(0.01):
                    pass
            return count(jobs, stopped)

        monkeypatch.setattr(host, "count", holding)
        monkeypatch.setattr(ThreadCrew, "probe", 1)  # an image a task
        take = Sharing._take

        def taking(sharing, outcome):
            take(sharing, outcome)
            if not held.is_set() and sum(goal.found is not None for goal in sharing._goals.values()) > 5:
                held.set()
                raise KeyboardInterrupt

        monkeypatch.setattr(Sharing, "_take", taking)
        found = []
        with pytest.raises(KeyboardInterrupt):
            found.extend(host.certify_many(work(images), Mode.TARGET))
    assert len(found) > 5
    numbers = [stream.image for stream, _, _ in found]
    assert numbers == sorted(numbers)
    assert 100 not in numbers
    assert [certificate for _, certificate, _ in found] == [expected[Mode.TARGET][n - 100] for n in numbers]


def test_a_journal_keeps_what_was_counted_of_an_image(manifest, images, expected, tmp_path, monkeypatch):
    """Interrupted in the middle of the first image: the next run counts what is missing, and no more."""
    monkeypatch.setattr(ThreadCrew, "seconds", 1e-6)  # tasks of a batch
    given = work(images)[:1]
    counted = []

    def run(stop_after):
        with open_host(manifest, 1, tmp_path / "journal") as host:
            begun, take, count = len(counted), Sharing._take, host.count
            monkeypatch.setattr(
                host, "count", lambda jobs, stopped: [counted.extend(j.count for j in jobs), count(jobs, stopped)][1]
            )

            def taking(sharing, outcome):
                take(sharing, outcome)
                if len(counted) - begun > stop_after:
                    raise KeyboardInterrupt

            monkeypatch.setattr(Sharing, "_take", taking)
            try:
                return list(host.certify_many(given, Mode.FIXED))
            finally:
                monkeypatch.setattr(Sharing, "_take", take)

    with pytest.raises(KeyboardInterrupt):
        run(20)
    before = sum(counted)
    assert 0 < before < 9000
    ((_, certificate, _),) = run(1 << 30)
    assert certificate == expected[Mode.FIXED][0]
    twice = 2 * 64 + 2 * 16  # at most what was under way when it was interrupted
    assert 9016 <= sum(counted) <= 9016 + twice
    counted.clear()  # what a board left there is not believed
    text = (tmp_path / "journal").read_bytes()
    lines = [line.rpartition(b" ")[0].replace(b'"by":"host"', b'"by":"run:board"') for line in text.splitlines()]
    (tmp_path / "journal").write_bytes(b"".join(b"%s %08x\n" % (line, zlib.crc32(line)) for line in lines))
    ((_, certificate, _),) = run(1 << 30)
    assert certificate == expected[Mode.FIXED][0]
    assert sum(counted) >= 9016
    other = manifest.revised(n=500)
    with pytest.raises(IntrsError, match="other tables"):
        open_host(other, 1, tmp_path / "journal")


def test_a_failure_in_a_thread_is_the_callers(manifest, images):
    with open_host(manifest, 2) as host:
        wrong = work(images)
        wrong[30] = (wrong[30][0][:, :-1], wrong[30][1])
        found = host.certify_many(wrong, Mode.TARGET)
        assert len(list(itertools.islice(found, 30))) == 30
        with pytest.raises(IntrsError, match="this model takes uint8"):
            next(found)
        assert host._spaces.qsize() == 2
        assert host.votes(*work(images)[0], 0, 300).sum() == 300
