"""A certification in steps: the one of the one call, wherever it is cut, moved, interrupted or damaged."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from smoothing_device import (
    CLASSES,
    Build,
    CCertificate,
    CCertification,
    CStream,
    Device,
    config_header,
    toy_classifier,
)

from intrs_edge.smoothing import Certificate, Mode, Smoothing, Stop, Stream, certify

OK, MORE, ARGUMENT, DAMAGED = 0, 1, -1, -5
BASE = Smoothing(shape=(5, 5, 1), sigma="0.25", n=300, target_radius="0.05", precision="0.2")
IMAGE = np.arange(25, dtype=np.uint8).reshape(5, 5, 1)
Image = npt.NDArray[np.uint8]
BETWEEN = ctypes.CFUNCTYPE(None)


def pixels(image: Image) -> ctypes.c_void_p:
    return image.ctypes.data_as(ctypes.c_void_p)


def begin(device: Device, image: Image, stream: Stream, mode: int = 0) -> CCertification:
    state = CCertification()
    given = CStream(stream.seed, stream.image)
    assert device.lib.intrs_certify_begin(ctypes.byref(state), pixels(image), ctypes.byref(given), mode) == OK
    return state


def step(device: Device, state: CCertification, image: Image, samples: int) -> int:
    status: int = device.lib.intrs_certify_step(device.ws, ctypes.byref(state), pixels(image), ctypes.c_uint32(samples))
    return status


def end(device: Device, state: CCertification) -> tuple[int, CCertificate]:
    out = CCertificate(label=77)
    return device.lib.intrs_certify_end(ctypes.byref(state), ctypes.byref(out)), out


def certificate(state: CCertification, out: CCertificate) -> Certificate:
    return Certificate(
        out.label, out.selected, out.count, out.samples, out.radius_squared, Stop(out.stop), tuple(state.votes)
    )


def images() -> Iterator[tuple[int, Image]]:
    for number in range(0, 24, 3):
        image = np.zeros(BASE.shape, dtype=np.uint8)
        image[: number % 6] = 40 * (number // 4)
        yield number, image


@pytest.mark.parametrize("kind", ["two-sided", "one-sided"])
@pytest.mark.parametrize("n0", [0, 20])
def test_any_cut_gives_the_certificate_of_one_call(build: Build, n0: int, kind: str) -> None:
    """Steps of 1, of primes, of everything; each state moved to other memory and gone on with by a freshly loaded
    library, its workspace full of another's leavings."""
    smoothing = replace(BASE, n0=n0, certificate=kind)
    devices = build(smoothing, batch=1), build(smoothing, batch=4)
    early = 0
    for mode in Mode:
        for number, image in images():
            stream = Stream(2**63 + 5, number)
            expected = certify(toy_classifier, image, stream, smoothing, CLASSES, mode)
            assert devices[0].certify(image, stream, mode) == (OK, expected)
            early += expected.stop != Stop.FULL
            for sizes in ([1], [7, 13, 2], [2**32 - 1], [n0 or 1, 300]):
                state, status, done = begin(devices[0], image, stream, mode), MORE, 0
                turn = 0
                while status == MORE:
                    assert end(devices[0], state)[0] == MORE
                    device = devices[turn % 2]
                    ctypes.memset(device.ws, 0xA5, device.lib.toy_workspace_bytes())
                    state = CCertification.from_buffer_copy(bytes(state))
                    status = step(device, state, image, sizes[turn % len(sizes)])
                    assert done < state.done <= done + sizes[turn % len(sizes)]
                    done, turn = state.done, turn + 1
                assert status == OK
                status, out = end(devices[0], state)
                assert (status, certificate(state, out)) == (OK, expected)
                assert done == n0 + expected.samples
                kept = bytes(state)
                assert step(devices[0], state, image, 5) == OK  # nothing is left to do
                assert bytes(state) == kept
    assert early > 5


def test_a_step_leaves_the_state_alone_until_it_is_done(build: Build) -> None:
    """A reset at any inference finds what the last step left; and a step within a step, as an interrupt would make
    it, changes neither."""
    device = build(BASE)
    other = CCertification()
    workspace = ctypes.create_string_buffer(device.lib.toy_workspace_bytes() + 16)
    inner = ctypes.c_void_p(ctypes.addressof(workspace) + -ctypes.addressof(workspace) % 16)
    seen: list[bytes] = []
    depth = [0]

    def between() -> None:
        seen.append(bytes(state))
        if depth[0] == 0:
            depth[0] = 1
            device.lib.intrs_certify_step(inner, ctypes.byref(other), pixels(IMAGE), ctypes.c_uint32(1))
            depth[0] = 0

    stream, second = Stream(9, 4), Stream(9, 5)
    expected = device.certify(IMAGE, stream)[1]
    expected_other = device.certify(IMAGE, second)[1]
    state = begin(device, IMAGE, stream)
    other = begin(device, IMAGE, second)
    call = BETWEEN(between)
    ctypes.c_void_p.in_dll(device.lib, "toy_between").value = ctypes.cast(call, ctypes.c_void_p).value
    while True:
        before = bytes(state)
        seen.clear()
        status = step(device, state, IMAGE, 50)
        assert set(seen) == {before}
        assert bytes(state) != before
        if status == OK:
            break
    assert certificate(state, end(device, state)[1]) == expected
    assert certificate(other, end(device, other)[1]) == expected_other


def test_what_is_not_as_it_was_left_is_refused(build: Build) -> None:
    """Any one byte changed, other pixels, another firmware: never a certificate."""
    device = build(BASE)
    state = begin(device, IMAGE, Stream(1, 1))
    assert step(device, state, IMAGE, 10) == MORE
    good = bytes(state)
    for i in range(len(good)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = CCertification.from_buffer_copy(good[:i] + bytes([good[i] ^ flip]) + good[i + 1 :])
            kept = bytes(damaged)
            assert step(device, damaged, IMAGE, 10) == DAMAGED
            status, out = end(device, damaged)
            assert (status, out.label, bytes(damaged)) == (DAMAGED, 77, kept)
    for blank in (b"\0", b"\xff"):  # memory that was never written
        assert step(device, CCertification.from_buffer_copy(blank * len(good)), IMAGE, 1) == DAMAGED
    changed = IMAGE.copy()
    changed[2, 2] ^= 1
    assert step(device, state, changed, 10) == ARGUMENT
    assert bytes(state) == good
    other = build(replace(BASE, sigma="0.5"))
    assert step(other, state, IMAGE, 10) == DAMAGED
    assert end(other, state)[0] == DAMAGED
    assert step(device, state, IMAGE, 300) == OK


def test_another_model_with_the_same_tables_is_refused(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    state = begin(build(BASE), IMAGE, Stream(1, 1))
    monkeypatch.setattr("smoothing_device.config_header", lambda s, batch: config_header(s, batch, model=2))
    other = build(BASE)
    assert step(other, state, IMAGE, 10) == DAMAGED
    assert end(other, state)[0] == DAMAGED


def test_bad_arguments_are_refused(build: Build) -> None:
    device = build(replace(BASE, target_radius=None, precision=None))
    null, state, stream = ctypes.c_void_p(None), begin(device, IMAGE, Stream(1, 1)), CStream(1, 1)
    lib, kept, s = device.lib, bytes(state), ctypes.byref(state)
    for mode in (1, 2, 3, 2**32 - 1):
        assert lib.intrs_certify_begin(s, pixels(IMAGE), ctypes.byref(stream), ctypes.c_uint32(mode)) == ARGUMENT
    assert lib.intrs_certify_begin(null, pixels(IMAGE), ctypes.byref(stream), 0) == ARGUMENT
    assert lib.intrs_certify_begin(s, null, ctypes.byref(stream), 0) == ARGUMENT
    assert lib.intrs_certify_begin(s, pixels(IMAGE), null, 0) == ARGUMENT
    assert lib.intrs_certify_step(null, s, pixels(IMAGE), 1) == ARGUMENT
    assert lib.intrs_certify_step(device.ws, null, pixels(IMAGE), 1) == ARGUMENT
    assert lib.intrs_certify_step(device.ws, s, null, 1) == ARGUMENT
    assert lib.intrs_certify_end(null, ctypes.byref(CCertificate())) == ARGUMENT
    assert lib.intrs_certify_end(s, null) == ARGUMENT
    assert step(device, state, IMAGE, 0) == MORE
    assert bytes(state) == kept
