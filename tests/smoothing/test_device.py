"""The C runtime equals the numpy reference: states, noise, votes, predictions, certificates."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from smoothing_device import CLASSES, PROGRESS, CStream, compile_runtime, toy_classifier

from intrs_edge.children import guarded, patient
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Mode, Smoothing, Stop, Stream, certify, predict, votes

INTRS_E_ARGUMENT, INTRS_E_RANGE, INTRS_E_ABORTED = -1, -2, -3
SMALL = Smoothing(shape=(7, 5, 3), sigma="0.25", n0=20, n=200)
IMAGE = np.random.default_rng(0).integers(0, 256, SMALL.shape, dtype=np.uint8)


@pytest.mark.parametrize("rng", ["xoshiro128++", "lfsr113"])
def test_seek_lands_on_the_same_state(build, rng):
    smoothing = Smoothing(shape=(4, 4, 1), sigma="0.12", n=20, rng=rng)
    device = build(smoothing)
    for seed, image, sample in [(0, 0, 0), (1, 2, 3), (2**64 - 1, 2**32 - 1, 2**32 - 1), (77, 9999, 100099)]:
        state = (ctypes.c_uint32 * 4)()
        stream = CStream(seed, image)
        device.lib.toy_seek(ctypes.byref(stream), ctypes.c_uint32(sample), state)
        assert list(state) == smoothing.generator.states(seed, image, sample, 1)[:, 0].tolist()


@pytest.mark.parametrize(
    ("sigma", "noise", "rng", "shape", "batch"),
    [
        ("0.25", "discrete", "xoshiro128++", (7, 5, 3), 1),
        ("0.25", "rounded", "xoshiro128++", (8, 8, 1), 4),
        ("1.0", "discrete", "lfsr113", (7, 5, 3), 8),
        ("0.002", "discrete", "xoshiro128++", (1, 1, 1), 3),
        ("2", "discrete", "xoshiro128++", (9, 11, 3), 1),
    ],
)
def test_votes_equal_the_reference(build, sigma, noise, rng, shape, batch):
    smoothing = Smoothing(shape=shape, sigma=sigma, noise=noise, rng=rng, n0=20, n=400)
    device = build(smoothing, batch)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    for first, count in [(0, 200), (199, 1), (5, 0), (2**32 - 30, 30)]:
        stream = Stream(seed=0x0123456789ABCDEF, image=41)
        status, counted = device.votes(image, stream, first, count)
        assert status == 0
        assert counted.tolist() == votes(toy_classifier, image, stream, smoothing, first, count, CLASSES).tolist()


def test_ranges_add_up(build):
    device = build(SMALL, batch=4)
    stream = Stream(3, 5)
    whole = device.votes(IMAGE, stream, 0, 200)[1]
    parts = sum(device.votes(IMAGE, stream, first, count)[1] for first, count in [(150, 50), (0, 33), (33, 117)])
    assert whole.tolist() == parts.tolist()
    assert len(set(whole.tolist())) > 1


@pytest.mark.parametrize("image_number", range(4))
def test_predict_and_certify_equal_the_reference(build, image_number):
    device = build(SMALL)
    rng = np.random.default_rng(image_number)
    image = rng.integers(0, 256, SMALL.shape, dtype=np.uint8)
    stream = Stream(11, image_number)
    assert device.predict(image, stream) == predict(toy_classifier, image, stream, SMALL, CLASSES)
    status, certificate = device.certify(image, stream)
    assert status == 0
    assert certificate == certify(toy_classifier, image, stream, SMALL, CLASSES)


SEQUENTIAL = Smoothing(shape=(5, 5, 1), sigma="0.25", n=300, target_radius="0.05", precision="0.2")


@pytest.mark.parametrize("n0", [0, 20])
@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_stops_where_the_reference_stops(build, mode, n0):
    smoothing = replace(SEQUENTIAL, n0=n0)
    device = build(smoothing, batch=4)
    stops = set()
    for number in range(24):
        # from black to white: the toy's margin, and with it p_A, changes from image to image
        image = np.full(SEQUENTIAL.shape, 0, dtype=np.uint8)
        image[: number % 6] = 40 * (number // 4)
        stream = Stream(5, number)
        status, certificate = device.certify(image, stream, mode)
        assert status == 0
        assert certificate == certify(toy_classifier, image, stream, smoothing, CLASSES, mode)
        stops.add(certificate.stop)
    assert stops == {Stop.FULL} if mode == Mode.FIXED else {Stop.ACCEPT, Stop.REJECT} <= stops


def test_modes_without_tables_are_refused(build):
    device = build(SMALL)
    for mode in (1, 2, 3, 2**32 - 1):
        assert device.certify(IMAGE, Stream(1, 1), mode)[0] == INTRS_E_ARGUMENT
    with pytest.raises(IntrsError, match="target radius"):
        certify(toy_classifier, IMAGE, Stream(1, 1), SMALL, CLASSES, Mode.TARGET)


def test_ranges_beyond_the_last_sample_are_refused(build):
    device = build(SMALL)
    assert device.votes(IMAGE, Stream(1, 1), 2**32 - 1, 2)[0] == INTRS_E_RANGE
    assert device.votes(IMAGE, Stream(1, 1), 2**32 - 1, 1)[0] == 0
    with pytest.raises(IntrsError, match="pass the last sample"):
        votes(toy_classifier, IMAGE, Stream(1, 1), SMALL, 2**32 - 1, 2, CLASSES)


def test_null_pointers_are_refused(build):
    device = build(SMALL)
    null = ctypes.c_void_p(None)
    stream, counted = CStream(1, 1), (ctypes.c_uint32 * CLASSES)()
    good = [device.ws, IMAGE.ctypes.data_as(ctypes.c_void_p), ctypes.byref(stream)]
    for i in range(3):
        arguments = [null if k == i else a for k, a in enumerate(good)]
        assert device.lib.intrs_votes(*arguments, 0, 1, counted, PROGRESS(), None) == INTRS_E_ARGUMENT
        assert device.lib.intrs_predict(*arguments, PROGRESS(), None, counted) == INTRS_E_ARGUMENT
        assert device.lib.intrs_certify(*arguments, 0, PROGRESS(), None, counted) == INTRS_E_ARGUMENT
    assert device.lib.intrs_votes(*good, 0, 1, null, PROGRESS(), None) == INTRS_E_ARGUMENT
    assert device.lib.intrs_predict(*good, PROGRESS(), None, null) == INTRS_E_ARGUMENT
    assert device.lib.intrs_certify(*good, 0, PROGRESS(), None, null) == INTRS_E_ARGUMENT


def test_progress_counts_every_batch_and_can_stop(build):
    device = build(SMALL, batch=8)
    calls: list[tuple[int, int]] = []
    status, _ = device.certify(IMAGE, Stream(1, 1), 0, lambda done, total: calls.append((done, total)) or 0)
    assert status == 0
    assert [t for _, t in calls] == [SMALL.n0 + SMALL.n] * len(calls)
    assert calls[-1][0] == SMALL.n0 + SMALL.n
    assert all(0 < b[0] - a[0] <= 8 for a, b in pairwise(calls))

    status, certificate = device.certify(IMAGE, Stream(1, 1), 0, lambda done, _: int(done >= 50))
    assert status == INTRS_E_ABORTED
    assert certificate.samples == 0  # nothing is written


@pytest.mark.parametrize("n", [400, 5000])
def test_radius_table_of_the_device(build, n):
    smoothing = Smoothing(shape=(2, 2, 1), sigma="0.25", n=n)
    device = build(smoothing)
    device.lib.intrs_radius_squared.restype = ctypes.c_uint32
    found = [device.lib.intrs_radius_squared(ctypes.c_uint32(c), ctypes.c_uint32(0)) for c in range(n + 1)]
    assert found == [smoothing.radius.lookup(c) for c in range(n + 1)]
    assert found[-1] > 0
    assert device.lib.intrs_radius_squared(ctypes.c_uint32(n + 1), ctypes.c_uint32(0)) == 0
    assert device.lib.intrs_radius_squared(ctypes.c_uint32(n - 1), ctypes.c_uint32(2)) == 0  # more votes than samples


def judged(device, mode: int, samples: int, count: int, other: int = 0) -> tuple[int, int, int]:
    """Status, squared radius and stop of ``intrs_judge``."""
    squared, stop = ctypes.c_uint32(), ctypes.c_uint32()
    numbers = (ctypes.c_uint32(v) for v in (mode, samples, count, other))
    status = device.lib.intrs_judge(*numbers, ctypes.byref(squared), ctypes.byref(stop))
    return status, squared.value, stop.value


def test_the_device_judges_any_count_as_the_tables_say(build):
    """Every count at every checkpoint of every mode, what is none, and PREDICT's answer for every pair of votes."""
    smoothing = SEQUENTIAL
    device = build(smoothing)
    device.lib.intrs_next_look.restype = ctypes.c_uint32
    n = smoothing.n
    plans = {Mode.FIXED: None, Mode.TARGET: smoothing.target_plan, Mode.PRECISION: smoothing.precision_plan}
    for mode, plan in plans.items():
        looks = [n] if plan is None else [look.samples for look in plan.looks]
        following = [min((x for x in looks if x > samples), default=0) for samples in range(n + 2)]
        assert [device.lib.intrs_next_look(mode, samples) for samples in range(n + 2)] == following
        for samples in range(n + 1):
            found = [judged(device, mode, samples, c) for c in range(samples + 2)]
            assert found[-1][0] == INTRS_E_ARGUMENT
            for count, (status, squared, stop) in enumerate(found[:-1]):
                if samples not in looks:
                    assert status == INTRS_E_ARGUMENT
                    continue
                decision = plan.decide(looks.index(samples), count) if plan is not None else None
                if plan is None:
                    decision = (Stop.FULL, smoothing.radius.lookup(count))
                assert (status, squared, stop) == ((1, 0, 0) if decision is None else (0, decision[1], decision[0]))
    assert device.lib.intrs_next_look(3, 0) == 0
    assert judged(device, 3, n, n)[0] == INTRS_E_ARGUMENT
    assert judged(device, 0, n, n - 1, 1)[0] == 0
    assert judged(device, 0, n, n - 1, 2)[0] == INTRS_E_ARGUMENT  # more votes than samples
    for top in range(n + 1):
        for second in range(n - top + 1):
            right = top >= second and smoothing.predict.decides(top, second)
            assert bool(device.lib.intrs_decides(top, second)) == right
    for top, second in ((n, 1), (1, n), (0xFFFFFFFF, 1), (n, 0xFFFFFFFF)):
        assert device.lib.intrs_decides(ctypes.c_uint32(top), ctypes.c_uint32(second)) == 0


def expected_rows(images: int) -> list[tuple[int, ...]]:
    """What ``smoothing_study certify 5 IMAGES`` must print: predict and every mode, by the reference."""
    image = np.arange(SEQUENTIAL.dimension, dtype=np.uint8).reshape(SEQUENTIAL.shape)
    expected: list[tuple[int, ...]] = []
    for number in range(images):
        p = predict(toy_classifier, image, Stream(5, number), SEQUENTIAL, CLASSES)
        expected.append((p.label, p.top, *p.votes, p.samples))
        for mode in Mode:
            c = certify(toy_classifier, image, Stream(5, number), SEQUENTIAL, CLASSES, mode)
            expected.append((c.label, c.selected, c.count, c.samples, c.radius_squared, int(c.stop)))
    return expected


def printed_rows(*command: str) -> list[tuple[int, ...]]:
    done = subprocess.run(
        guarded([*command, "certify", "5", "3"]), capture_output=True, text=True, check=True, timeout=patient(120)
    )
    return [tuple(int(v) for v in line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_sanitizers_see_nothing(tmp_path, compiler):
    """votes, predict and all three modes under ASan and UBSan, any finding fatal; results as the reference's."""
    flags = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = compile_runtime(tmp_path, SEQUENTIAL, 3, compiler, flags, "study", "smoothing_study.c")
    assert printed_rows(str(program)) == expected_rows(3)


@pytest.mark.parametrize(
    ("compiler", "emulator"),
    [("arm-linux-gnueabihf-gcc", "qemu-arm"), ("aarch64-linux-gnu-gcc", "qemu-aarch64")],
)
def test_emulated_arm_stops_where_the_reference_stops(tmp_path, compiler, emulator):
    """Counts, radii and stopping points of predict and all three modes on 32- and 64-bit Arm."""
    if shutil.which(emulator) is None:
        pytest.skip(f"{emulator} is not installed")
    program = compile_runtime(tmp_path, SEQUENTIAL, 1, compiler, ["-static"], "study", "smoothing_study.c")
    assert printed_rows(emulator, str(program)) == expected_rows(3)
