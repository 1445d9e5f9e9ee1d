# SPDX-License-Identifier: Apache-2.0
"""The wire's frames: COBS(payload, CRC-32) and a zero byte. docs/protocol.md, section 1."""

from __future__ import annotations

import struct
import zlib

LARGEST = 65536 + 4  # bytes of payload and CRC that any device may announce


def encode(payload: bytes) -> bytes:
    """The bytes on the wire of one payload."""
    data = payload + struct.pack("<I", zlib.crc32(payload))
    out = bytearray()
    for i, run in enumerate(pieces := data.split(b"\0")):
        start = 0
        while len(run) - start >= 254:
            out += b"\xff" + run[start : start + 254]
            start += 254
        # a full run at the very end needs no further code
        if start == 0 or start < len(run) or i + 1 < len(pieces):
            out += bytes([len(run) - start + 1]) + run[start:]
    return bytes(out) + b"\0"


def decode(frame: bytes) -> bytes | None:
    """The payload of one frame (without its final zero), or None when it is not whole."""
    data = bytearray()
    at, zero = 0, False
    while at < len(frame):
        code = frame[at]
        if code == 0 or at + code > len(frame):
            return None
        if zero:
            data.append(0)
        data += frame[at + 1 : at + code]
        zero = code != 0xFF
        at += code
    if len(data) < 4 or zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        return None
    return bytes(data[:-4])


class Decoder:
    """Cuts a byte stream into payloads; counts what was not whole."""

    def __init__(self) -> None:
        """Starts at a frame's beginning."""
        self._pending = bytearray()
        self.dropped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that ``data`` completed."""
        self._pending += data
        *frames, rest = self._pending.split(b"\0")
        self._pending = rest
        if len(rest) > 2 * LARGEST:  # noise without a delimiter
            self._pending = bytearray()
            self.dropped += 1
        payloads = []
        for frame in frames:
            payload = decode(bytes(frame)) if frame else b""
            if payload:
                payloads.append(payload)
            elif frame:
                self.dropped += 1
        return payloads
