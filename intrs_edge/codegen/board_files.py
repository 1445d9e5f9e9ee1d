# SPDX-License-Identifier: Apache-2.0
"""What a board contributes to a generated project: port and link sources, flags, linker script, configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from intrs_edge.boards import Board, board_to_json
from intrs_edge.codegen.render import render

# with -nostdlib: memcpy and friends are ours (ports/bare/mem.c), integer division helpers come from libgcc
_BARE_CFLAGS = ("-ffunction-sections", "-fdata-sections", "-fno-common", "-fno-tree-loop-distribute-patterns")
_BARE_LDFLAGS = (
    "-nostartfiles",
    "-nostdlib",
    "-Wl,--gc-sections",
    "-Wl,--fatal-warnings",
    "-Wl,--no-warn-rwx-segments",
)


@dataclass(frozen=True)
class BoardFiles:
    """The board's part of a project. Source and header paths are relative to ``firmware/``.

    library_sources go into libintrs.so (host only); program_sources, with the library's, into the program `intrs`
    (host, Linux) or `intrs.elf`; a board that is a library alone has neither. ``config`` is for intrs_config.h: macro
    name -> C text. ``generated`` is text of further files: name inside the project's ``board/`` folder -> text, sources
    among them ending in ``.c``; the linker script is one of them.
    """

    toolchain: str
    cflags: tuple[str, ...]
    ldflags: tuple[str, ...]
    libraries: tuple[str, ...]
    library_sources: tuple[str, ...]
    program_sources: tuple[str, ...]
    headers: tuple[str, ...]  # and other files that are only copied
    config: Mapping[str, str]
    generated: Mapping[str, str] = field(default_factory=dict)
    linker_script: str | None = None  # a key of `generated`
    bare_metal: bool = False


_LINK = ("link/intrs_frame.c", "link/intrs_server.c")
_STARTUP = {"rp2040": "cortexm", "rp2350": "cortexm"}  # what a chip's own boot block comes on top of
_BOOT = {"rp2040": ("ports/rp2040/boot2.c",), "rp2350": ("ports/rp2350/image_def.c",)}
_HEADERS = ("link/intrs_link.h", "ports/intrs_port.h")


def board_files(board: Board, placement: Mapping[str, str] | None = None) -> BoardFiles:
    """Everything the project writer and its CMakeLists.txt need to know of a board. placement: `GenerateOptions`'s."""
    config = {"INTRS_BOARD": f'"{board.id}"', "INTRS_LINK_FRAME": f"{board.frame_bytes}u"}
    if board.os == "any":
        config = {"INTRS_BOARD": config["INTRS_BOARD"]}
        return BoardFiles("", board.cflags, (), (), (), (), (), config, {"board.json": board_to_json(board)})
    if board.os == "linux":
        return BoardFiles(
            toolchain=board.toolchain,
            cflags=board.cflags,
            ldflags=() if board.id == "host" else ("-static", "-Wl,--gc-sections"),
            libraries=(),
            library_sources=("ports/host/library.c", "ports/host/looks.c"),
            program_sources=(*_LINK, "ports/host/main.c", "ports/host/port.c"),
            headers=_HEADERS,
            config=config,
            generated={"board.json": board_to_json(board)},
        )
    uart = board.uart
    assert uart is not None  # the loader's check
    config |= {
        "INTRS_UART_BASE": f"0x{uart.base:08X}u",
        "INTRS_UART_CLOCK_HZ": f"{uart.clock_hz}u",
        "INTRS_UART_BAUD": f"{uart.baud}u",
        "INTRS_UART_IRQ": str(uart.irq),
        "INTRS_UART_TX": str(uart.tx),
        "INTRS_UART_RX": str(uart.rx),
        "INTRS_CLOCK_HZ": f"{board.clock_hz or uart.clock_hz}u",  # time-outs need some clock
    }
    if board.plic is not None:
        config["INTRS_PLIC_BASE"] = f"0x{board.plic:08X}u"
    for name, write in (("WATCHDOG", board.watchdog), ("RESET", board.reset)):
        if write is not None:
            config |= {f"INTRS_{name}_AT": f"0x{write[0]:08X}u", f"INTRS_{name}_VALUE": f"0x{write[1]:08X}u"}
    generated = {
        "board.json": board_to_json(board),
        "intrs.ld": render("link.ld.j2", board=board, placed=_placed(placement or {})),
        "intrs_startup_table.c": render("startup_table.c.j2", board=board),
    }
    return BoardFiles(
        toolchain=board.toolchain,
        cflags=board.cflags + _BARE_CFLAGS,
        ldflags=_BARE_LDFLAGS,
        libraries=("gcc",),
        library_sources=(),
        program_sources=(
            *_LINK,
            *(f"ports/{_STARTUP.get(board.port, board.port)}/{name}.c" for name in ("startup", "wait")),
            *(f"ports/bare/{name}.c" for name in ("mem", "main", "image", "prepare")),
            f"ports/uart/{uart.driver}.c",
            f"ports/entropy/{board.entropy or 'none'}.c",
            *_BOOT.get(board.port, ()),
        ),
        headers=(*_HEADERS, "tools/seal.c"),
        config=config,
        generated=generated,
        linker_script="intrs.ld",
        bare_metal=True,
    )


def _placed(placement: Mapping[str, str]) -> dict[str, list[str]]:
    """Sections asked for, for the board's own linker script: it has no memory for them, so they go where they would."""
    found = {
        "constants": [
            placement[f"INTRS_{n}_SECTION"] for n in ("WEIGHTS", "TABLES") if f"INTRS_{n}_SECTION" in placement
        ],
        "arena": [placement[n] for n in ("INTRS_ARENA_SECTION",) if n in placement],
    }
    return {kind: [name.strip('"') for name in names] for kind, names in found.items()}
