# SPDX-License-Identifier: Apache-2.0
"""UF2 images and the RP2040's boot block: what a drag-and-drop boot loader takes.

UF2: https://github.com/microsoft/uf2. Boot block: RP2040 datasheet, 2.8.1.3.1.
"""

from __future__ import annotations

import struct

from intrs_edge.errors import IntrsError

FAMILIES = {"rp2040": 0xE48BFF56, "rp2350": 0xE48BFF59}  # the RP2350's Arm cores, secure
_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_FAMILY_PRESENT = 0x2000
_PAGE = 256


def to_uf2(image: bytes, origin: int, family: int) -> bytes:
    """The UF2 file of an image that lies at ``origin`` (a multiple of 256)."""
    pages = [image[at : at + _PAGE].ljust(_PAGE, b"\0") for at in range(0, len(image), _PAGE)]
    out = bytearray()
    for number, page in enumerate(pages):
        head = struct.pack(
            "<8I", *_MAGIC[:2], _FAMILY_PRESENT, origin + number * _PAGE, _PAGE, number, len(pages), family
        )
        out += head + page.ljust(476, b"\0") + struct.pack("<I", _MAGIC[2])
    return bytes(out)


def from_uf2(data: bytes) -> tuple[bytes, int, int]:
    """Image, origin and family of a UF2 file of one contiguous image; raises IntrsError for anything else."""
    if not data or len(data) % 512:
        raise IntrsError("not a UF2 file: its size is no multiple of 512 bytes")
    image, origin, kind = bytearray(), 0, 0
    for number in range(len(data) // 512):
        block = data[number * 512 : number * 512 + 512]
        magic0, magic1, _, address, size, index, count, family = struct.unpack_from("<8I", block)
        if (magic0, magic1, struct.unpack_from("<I", block, 508)[0]) != _MAGIC:
            raise IntrsError(f"UF2 block {number}: wrong magic numbers")
        if number == 0:
            origin, kind = address, family
        if (index, count, family, size) != (number, len(data) // 512, kind, _PAGE) or address != origin + len(image):
            raise IntrsError(f"UF2 block {number}: wrong number, address, size or family")
        image += block[32 : 32 + size]
    return bytes(image), origin, kind


def boot_crc(block: bytes) -> int:
    """CRC-32/MPEG-2 of the boot block's first 252 bytes, as the RP2040's boot ROM computes it."""
    crc = 0xFFFFFFFF
    for byte in block[:252].ljust(252, b"\0"):
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc
