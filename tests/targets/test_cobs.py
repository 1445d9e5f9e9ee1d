"""Framing: what is sent arrives, what is damaged does not."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intrs_edge.targets.cobs import Decoder, decode, encode

# runs around COBS's 254, and zeros in every place
PAYLOADS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.lists(st.sampled_from([b"\0", b"x", b"y" * 253, b"z" * 254, b"w" * 255]), min_size=1, max_size=6).map(b"".join),
)


@given(PAYLOADS)
def test_round_trip_without_zeros_inside(payload):
    wire = encode(payload)
    assert wire.endswith(b"\0")
    assert b"\0" not in wire[:-1]
    assert decode(wire[:-1]) == payload
    assert len(wire) <= len(payload) + 4 + 2 + (len(payload) + 4) // 254


@given(st.lists(PAYLOADS, max_size=5), st.integers(1, 7))
def test_decoder_takes_any_cut(payloads, step):
    wire = b"\0".join(encode(p) for p in payloads)  # empty frames in between
    decoder = Decoder()
    out = [p for at in range(0, len(wire), step) for p in decoder.feed(wire[at : at + step])]
    assert out == payloads
    assert decoder.dropped == 0


@given(PAYLOADS, st.data())
def test_damage_is_noticed(payload, data):
    wire = bytearray(encode(payload)[:-1])
    at = data.draw(st.integers(0, len(wire) - 1))
    what = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if what == "flip":
        wire[at] ^= data.draw(st.integers(1, 255))
    elif what == "cut":
        del wire[at]
    else:
        wire.insert(at, data.draw(st.integers(0, 255)))
    decoder = Decoder()
    got = decoder.feed(bytes(wire) + b"\0")
    # only what differs in its cut into runs but not in its data may still arrive
    assert all(p == payload for p in got)
    assert len(got) + decoder.dropped >= 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_are_taken(data):
    for payload in Decoder().feed(data):
        assert decode(encode(payload)[:-1]) == payload


def test_noise_without_end_is_bounded():
    decoder = Decoder()
    for _ in range(100):
        decoder.feed(b"\x01" * 10000)
    assert decoder.dropped >= 1
    assert len(decoder._pending) < 200_000


def test_the_example_of_the_protocol_page():
    assert encode(bytes.fromhex("010101000000")) == bytes.fromhex("0401010101 0105D33C42FF 00".replace(" ", ""))
    assert zlib.crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize("wire", [b"", b"\x05ab", b"\x01\x01", encode(b"abc")[1:-1], b"\x00"])
def test_broken_frames(wire):
    assert decode(wire) is None
