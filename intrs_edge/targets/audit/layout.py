# SPDX-License-Identifier: Apache-2.0
"""Whether an image begins as its chip's boot code wants it to."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from intrs_edge.boards import Board
from intrs_edge.integers import ceil_div
from intrs_edge.targets.audit.binary import run_tool
from intrs_edge.targets.uf2 import FAMILIES, boot_crc, from_uf2, to_uf2

_IMAGE_DEF = struct.pack("<5I", 0xFFFFDED3, 0x10210142, 0x000001FF, 0, 0xAB123579)  # RP2350 datasheet, 5.9.5.1


def flash_image(toolchain: str, image: Path) -> bytes:
    """What is programmed, from the start of flash (objcopy -O binary)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "image.bin"
        run_tool([f"{toolchain}objcopy", "-O", "binary", str(image), str(out)])
        return out.read_bytes()


def layout_faults(data: bytes, board: Board) -> list[str]:
    """What is wrong with the image ``data`` of a bare-metal board; empty when its layout is right."""
    flash = board.first("flash")
    assert flash is not None
    faults = []
    vectors = 256 if board.port == "rp2040" else 0
    if board.port == "rp2040":
        stored = int.from_bytes(data[252:256], "little")
        if boot_crc(data) != stored:
            faults.append(f"boot block's CRC is {boot_crc(data):08x}, stored {stored:08x}")
    if board.port == "rp2350" and not any(data[at : at + 20] == _IMAGE_DEF for at in range(0, 4096, 4)):
        faults.append("no IMAGE_DEF in the first 4 KiB")
    if len(data) < vectors + 64:
        return [*faults, "shorter than its vector table"]
    if board.port == "riscv":
        return faults + _riscv_start(data, board, range(flash.origin, flash.origin + len(data)))
    code = range(flash.origin + vectors + 64, flash.origin + len(data))
    stack, *handlers = struct.unpack_from("<16I", data, vectors)
    faults += _stack_faults(stack, 8, board)
    for number, handler in enumerate(handlers, 1):
        needed = number in (1, 2, 3)
        if (handler or needed) and not (handler & 1 and handler - 1 in code):
            faults.append(f"vector {number} ({handler:08x}) is no Thumb code of this image")
    if any(f.runner == "uf2" for f in board.flash):
        family, padded = FAMILIES[board.port], data.ljust(ceil_div(len(data), 256) * 256, b"\0")
        if from_uf2(to_uf2(data, flash.origin, family)) != (padded, flash.origin, family):
            faults.append("UF2 blocks do not give the image back")
    return faults


def _stack_faults(stack: int, step: int, board: Board) -> list[str]:
    inside = any(m.kind == "ram" and m.origin < stack <= m.origin + m.size for m in board.memory)
    return (
        [] if inside and stack % step == 0 else [f"initial stack pointer {stack:08x} is no end of {step} bytes in ram"]
    )


# lui t0 and addi sp, t0; lui t0 and addi t0, t0; csrw mtvec, t0: register fields and opcodes, the immediates masked out
_START = ((0xFFF, 0x2B7), (0xFFFFF, 0x28113), (0xFFF, 0x2B7), (0xFFFFF, 0x28293), (0xFFFFFFFF, 0x30529073))


def _riscv_start(data: bytes, board: Board, code: range) -> list[str]:
    """The first words of ports/riscv/startup.c: a stack in ram, a trap handler in the image."""
    words = struct.unpack_from("<5I", data)
    for number, (word, (mask, expected)) in enumerate(zip(words, _START, strict=True)):
        if word & mask != expected:
            return [f"start word {number} ({word:08x}) is not that of the start-up code"]
    stack, handler = (_address(*words[at : at + 2]) for at in (0, 2))
    faults = _stack_faults(stack, 16, board)
    if handler % 4 or handler not in code:
        faults.append(f"trap handler {handler:08x} is no code of this image")
    return faults


def _address(lui: int, addi: int) -> int:
    low = (addi >> 20 ^ 0x800) - 0x800
    return ((lui & ~0xFFF) + low) & 0xFFFFFFFF
