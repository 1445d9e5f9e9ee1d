# SPDX-License-Identifier: Apache-2.0
"""What a board is. Every field carries the help text that ``intrs-edge boards ID`` and docs/boards.md print."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any

WORD = (0, (1 << 32) - 1)  # an address, or a register's value
SIZE = (1, 1 << 32)


def _f(
    text: str, default: Any = MISSING, choices: tuple[str, ...] = (), limits: tuple[float, float] | None = None
) -> Any:
    """A dataclass field with its explanation, and the values allowed: words, or the least and the most of every
    number in it."""
    meta = {"help": text, "choices": choices, "limits": limits}
    return field(metadata=meta) if default is MISSING else field(default=default, metadata=meta)


@dataclass(frozen=True)
class Memory:
    """One range of a board's address space."""

    name: str = _f("the range's name, as in the linker script")
    kind: str = _f("flash (read-only at run time, programmed) or ram", choices=("flash", "ram"))
    origin: int = _f("first address", limits=WORD)
    size: int = _f("bytes", limits=SIZE)


@dataclass(frozen=True)
class Uart:
    """The serial port that carries the link."""

    driver: str = _f(
        "which driver of firmware/ports/uart serves it",
        choices=("cmsdk", "stm32v1", "stm32v2", "nrf", "uarte", "pl011", "ns16550"),
    )
    base: int = _f("address of the peripheral's first register", limits=WORD)
    clock_hz: int = _f("frequency of the clock that the baud rate is divided from", limits=(1, (1 << 32) - (1 << 24)))
    baud: int = _f("bits per second, 8N1", 115200, limits=(300, 1 << 23))
    irq: int = _f(
        "number of its receive interrupt, at which the server wakes; -1: not known, so the server never sleeps",
        -1,
        limits=(-1, 495),
    )
    tx: int = _f("pin of TX where the driver selects pins (nRF); -1: set by `startup`", -1, limits=(-1, 255))
    rx: int = _f("pin of RX where the driver selects pins (nRF); -1: set by `startup`", -1, limits=(-1, 255))


@dataclass(frozen=True)
class Emulator:
    """How to run an image here."""

    program: str = _f("the emulator's program, such as qemu-system-arm, qemu-aarch64 or rp2040js")
    machine: str = _f("QEMU's machine (-M); empty for user-mode emulation", "")
    args: tuple[str, ...] = _f("further arguments", ())


@dataclass(frozen=True)
class Flash:
    """How to program the board."""

    runner: str = _f(
        "the tool",
        choices=("pyocd", "openocd", "uf2", "ssh", "gdb", "dfu-util", "st-flash", "stm32cubeprogrammer", "jlink",
                 "probe-rs", "esptool", "command"),
    )  # fmt: skip
    target: str = _f(
        "what the tool calls this chip, machine or connection (docs/boards.md); of `command`: the program", ""
    )
    args: tuple[str, ...] = _f("further arguments; of `command`: all, with {elf}, {bin} and {where}", ())


@dataclass(frozen=True)
class Board:
    """A board: everything the generator, the linker, the emulator and the flasher have to know."""

    id: str = _f("short name used on the command line; lower case, digits, '-'")
    name: str = _f("the board's name in its vendor's words")
    status: str = _f(
        "what is claimed: 'emulated' (the tests run it in an emulator), 'built' (built and its image layout checked,"
        " not run), 'library' (no image: a library, compiled and run for several cores by the tests) or 'host'",
        choices=("emulated", "built", "library", "host"),
    )
    os: str = _f("none (bare metal), linux, or any (a library alone: no image)", choices=("none", "linux", "any"))
    cpu: str = _f("core, as the compiler calls it")
    isa: tuple[str, ...] = _f("instruction sets that kernels may use: dsp, mve, neon, dotprod, avx2", ())
    clock_hz: int = _f("core clock in Hz after start-up; 0: unknown", 0, limits=WORD)
    cycles_per_instruction: float = _f(
        "mean cycles per instruction, for estimates of time only", 1.0, limits=(0.1, 100)
    )
    cycles_source: str = _f("where that estimate comes from", "")
    toolchain: str = _f("prefix of the compiler, such as 'arm-none-eabi-'; empty for the system's own", "")
    cflags: tuple[str, ...] = _f("compiler and linker flags that select the core", ())
    memory: tuple[Memory, ...] = _f("address ranges; the first flash and the first ram take code and data", ())
    arena: str = _f("the ram range for the workspace (arena); empty: the first ram", "")
    stack_bytes: int = _f("stack reserved by the linker script", 2048, limits=(256, 1 << 24))
    frame_bytes: int = _f("largest link frame, in bytes before encoding", 1024, limits=(128, 65536))
    port: str = _f(
        "the start-up code: a folder of firmware/ports; none for a library alone",
        "",
        choices=("", "host", "cortexm", "rp2040", "rp2350", "riscv"),
    )
    uart: Uart | None = _f("the serial port of the link", None)  # noqa: RUF009
    startup: tuple[tuple[str, int, int], ...] = _f(
        "register script run before the UART: [op, address, value]; op write, set, clear, wait_set, wait_clear (bits),"
        " or delay (address ignored, value loops)",
        (),
        limits=WORD,
    )
    watchdog: tuple[int, int] | None = _f(
        "[address, value]: the write that keeps the watchdog, which `startup` has started, from resetting the board",
        None,
        limits=WORD,
    )
    reset: tuple[int, int] | None = _f(
        "[address, value]: the write that resets a RISC-V board after a trap (a Cortex-M has its own register)",
        None,
        limits=WORD,
    )
    plic: int | None = _f(
        "first address of a RISC-V board's platform-level interrupt controller, through which the UART wakes the core",
        None,
        limits=WORD,
    )
    entropy: str = _f("hardware random source", "", choices=("", "host", "nrf"))
    emulator: Emulator | None = _f("how to run it here", None)  # noqa: RUF009
    flash: tuple[Flash, ...] = _f("ways of programming it, the default first", ())
    notes: str = _f("what a user should know", "")

    def first(self, kind: str) -> Memory | None:
        """The first memory of a kind: where code (flash) and data (ram) go."""
        return next((m for m in self.memory if m.kind == kind), None)

    @property
    def workspace_memory(self) -> Memory | None:
        """The ram range that holds the arena."""
        if not self.arena:
            return self.first("ram")
        return next(m for m in self.memory if m.name == self.arena)

    @property
    def flash_bytes(self) -> int:
        """Bytes for code, weights and tables; 0: no limit known (an operating system)."""
        memory = self.first("flash")
        return memory.size if memory else 0

    @property
    def ram_bytes(self) -> int:
        """Bytes of the ram that holds the arena; 0: no limit known (an operating system)."""
        memory = self.workspace_memory
        return memory.size if memory else 0

    @property
    def data_ram_bytes(self) -> int:
        """Bytes of the ram that holds data, link buffers and stack (the arena's too, unless `arena` names another)."""
        memory = self.first("ram")
        return memory.size if memory else 0
