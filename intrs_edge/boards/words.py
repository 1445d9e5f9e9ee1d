# SPDX-License-Identifier: Apache-2.0
"""Words of a board file that reach a command line: an allow-list for each program.

A board file says what a board is; it must not be able to say what this computer does (SECURITY.md). So a
compiler's flag is taken when it selects a core, its ABI or an optimisation, and refused when it names a file, a
program, another tool's options or a macro of the firmware.
"""

from __future__ import annotations

import re

_VALUE = "[A-Za-z0-9+._-]+"
_COMPILER = re.compile(
    rf"""
    -m(cpu|arch|tune|fpu|abi|cmodel|isa-spec|tls-dialect|branch-protection)={_VALUE}
    | -mfloat-abi=(soft|softfp|hard)
    | -m(thumb|arm|little-endian|general-regs-only|slow-flash-data|pure-code|cmse)
    | -m(no-)?(unaligned-access|strict-align|long-calls|longcalls|text-section-literals|relax|save-restore)
    | -m(no-)?(fix-cortex-m3-ldrd|sched-prolog)
    | -f(no-)?(freestanding|builtin)
    | -f(no-)?(omit-frame-pointer|function-sections|data-sections|common|short-enums|strict-aliasing|lto|wrapv)
    | -f(no-)?(stack-protector|unroll-loops|inline|inline-functions|jump-tables|tree-vectorize|section-anchors)
    | -f(no-)?(tree-loop-distribute-patterns|asynchronous-unwind-tables|unwind-tables|schedule-insns2?)
    | -ffixed-{_VALUE}
    | -O[0-3sgz]?
    | -g[0-3]?
    | -W(no-)?[a-z][a-z0-9+-]*
    """,
    re.VERBOSE,
)
# an option's name, and what its value, the next word, must look like
_QEMU = {
    "-cpu": r"[A-Za-z0-9][A-Za-z0-9_.,=+-]*",
    "-m": "[0-9]+[kKMG]?",
    "-smp": "[0-9]+",
    "-icount": "[a-z0-9,=]+",
    "-bios": "none",
}
_PYOCD = {"--frequency": "[0-9]+[kM]?", "--erase": "(auto|chip|sector)", "--connect": "(halt|pre-reset|under-reset)"}
_SCRIPT = r"(interface|target|board|cpld|tools)/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.cfg"  # of OpenOCD's own collection
_OPENOCD = {"-f": _SCRIPT}

_EMULATOR = r"qemu-[a-z0-9_-]+|rp2040js"
_MACHINE = r"[a-z0-9][a-z0-9_.-]*"
_TARGETS = {
    "pyocd": "[A-Za-z0-9_]+",
    "openocd": _SCRIPT,
    "uf2": "[A-Za-z0-9_][A-Za-z0-9_ -]*",
    "ssh": r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*",
    "gdb": "",
    "dfu-util": "[0-9a-f]{4}:[0-9a-f]{4}",
    "st-flash": "",
    "stm32cubeprogrammer": "SWD|JTAG|USB[1-9]",
    "jlink": "[A-Za-z0-9][A-Za-z0-9_-]*",
    "probe-rs": "[A-Za-z0-9][A-Za-z0-9_-]*",
    "esptool": "esp[a-z0-9]+",
}
_ARGUMENTS: dict[str, dict[str, str]] = {
    "pyocd": _PYOCD,
    "openocd": _OPENOCD,
    "jlink": {"-if": "SWD|JTAG", "-speed": "[0-9]+"},
    "probe-rs": {"--protocol": "swd|jtag", "--speed": "[0-9]+"},
    "esptool": {
        "--baud": "[0-9]+",
        "--before": "default_reset|no_reset|usb_reset",
        "--after": "hard_reset|soft_reset|no_reset",
        "--offset": "0x[0-9a-f]{1,8}",
    },
}
# runner "command": programs that write flash and do nothing else, and the words that each may be told
_COMMANDS = {
    "bossac": r"-[eivwRUbo]|--(erase|info|verify|write|reset|boot|port=\{where\}|offset=0x[0-9a-f]+)",
    "nrfjprog": r"-f|NRF5[1-4]|NRF91|--(program|sectorerase|chiperase|verify|reset|snr|coprocessor)|CP_[A-Z]+",
    "picotool": r"load|reboot|-[vxfut]|bin|elf",
    "teensy_loader_cli": r"--mcu=[A-Za-z0-9_]+|-[wvsrnb]",
    "wchisp": r"flash|-[sup]|\{where\}",
    "wlink": r"flash|--(chip|speed|address)|[A-Z0-9]+|high|medium|low|0x[0-9a-f]+",
}
_PLACES = r"\{(elf|bin|where)\}"


def compiler_flag(flag: str) -> bool:
    """Whether a flag may go to the compiler."""
    return _COMPILER.fullmatch(flag) is not None


def emulator(program: str, machine: str, args: tuple[str, ...]) -> str:
    """The first word that may not reach an emulator's command line; empty when all may."""
    if not re.fullmatch(_EMULATOR, program):
        return program or "an empty program"
    if machine and not re.fullmatch(_MACHINE, machine):
        return machine
    return _options(args, {} if program == "rp2040js" else _QEMU)


def flasher(runner: str, target: str, args: tuple[str, ...]) -> str:
    """The first word that may not reach a programmer's command line; empty when all may."""
    if runner == "command":
        if target not in _COMMANDS:
            return target or "an empty program"
        words = f"{_COMMANDS[target]}|{_PLACES}"
        return next((word or "an empty word" for word in args if not re.fullmatch(words, word)), "")
    if not re.fullmatch(_TARGETS[runner], target):
        return target or "an empty target"
    return _options(args, _ARGUMENTS.get(runner, {}))


def _options(args: tuple[str, ...], allowed: dict[str, str]) -> str:
    for name, value in zip(args[::2], (*args[1::2], ""), strict=False):
        if name not in allowed:
            return name or "an empty word"
        if not re.fullmatch(allowed[name], value):
            return f"{name} {value}"
    return ""
