"""Every program, header and library that the tests use comes from a package that the Makefile names.

A machine that was prepared by hand hides a missing one: here it is looked up which Debian package owns what is used,
and that package must be named, be a dependency (not a recommendation) of a named one, or be part of every system.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from intrs_edge.boards import board_ids, load_board

ROOT = Path(__file__).resolve().parents[2]
# what .ci/run and README ask for before make can run
GIVEN = ("make", "python3", "apt")
# runners of real boards: tests put programs of their own in their places, or skip; and one that a test wants absent
ELSEWHERE = {"openocd", "pyocd", "ssh", "scp", "qemu-no-such-machine"}
# programs that pip installs: by their package in pyproject.toml
PIP = {"clang-format"}
# a string that is the name of such a program is taken for a use of it, wherever it stands
NAMES = re.compile(
    r"([a-z0-9_]+-)*(gcc|g\+\+|clang|objcopy|objdump|readelf)|(\w+-)+(as|nm|size|ld)|(qemu|gdb)-(?!(user|system-misc)$)[\w-]+|"
    r"cc|nm|chromium|node|npm|cmake|ninja|make|git|setpriv|valgrind|openocd|pyocd"
)
PROGRAM = r"[a-z0-9][\w+.-]*"
CALLS = re.compile(r"^(subprocess\.\w+|Popen|guarded|run_program|shutil\.which)$")
LINUX = {"gcc": "", "aarch64-linux-gnu-gcc": "arm_neon.h", "arm-linux-gnueabihf-gcc": "arm_neon.h"}
LIBRARIES = {
    "gcc": ("libc.a", "libasan.so", "libubsan.so"),
    "g++": ("libstdc++.so",),
    "clang": ("libclang_rt.fuzzer-x86_64.a", "libclang_rt.asan-x86_64.a", "libc.a"),
    "aarch64-linux-gnu-gcc": ("libc.a", "libgcc.a"),
    "arm-linux-gnueabihf-gcc": ("libc.a", "libgcc.a"),
    "arm-none-eabi-gcc": ("libc.a", "libgcc.a"),
}


### what is used ###


def programs(folder: Path) -> dict[str, str]:
    """The programs that the Python sources below a folder start or look for, and a place where they do."""
    sources = [path for path in sorted(folder.rglob("*.py")) if path != Path(__file__)]  # which plants some
    return {name: f"{path}:{line}" for path in sources for name, line in _named(path)}


def _named(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMES.fullmatch(node.value):
            yield node.value, node.lineno
        if not isinstance(node, ast.Call) or not node.args or not CALLS.search(ast.unparse(node.func)):
            continue
        first = node.args[0]
        while isinstance(first, ast.List | ast.Tuple) and first.elts:
            first = first.elts[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and re.fullmatch(PROGRAM, first.value):
            yield first.value, node.lineno


def board_programs() -> set[str]:
    """Compilers, binutils and emulators of all boards."""
    found = set()
    for board in map(load_board, board_ids()):
        if board.toolchain:
            found |= {board.toolchain + tool for tool in ("gcc", "objcopy", "objdump", "readelf", "size", "nm")}
        if board.emulator is not None and board.emulator.program != "rp2040js":
            found.add(board.emulator.program)
    return found


def headers() -> tuple[set[str], set[str]]:
    """System headers of the C sources and of C in tests: of all, and of those that a bare board compiles."""
    everywhere, bare = set(), set()
    for path in [*ROOT.glob("firmware/**/*.[ch]"), *ROOT.glob("templates/*.j2"), *ROOT.glob("tests/**/*.py")]:
        names = set(re.findall(r"#include <([\w/.]+)>", path.read_text(encoding="utf-8")))
        everywhere |= names
        if path.is_relative_to(ROOT / "firmware") and not {"host", "tests", "tools", "neon", "x86"} & set(path.parts):
            bare |= names
    return everywhere, bare


### where it comes from ###


def named_packages(target: str) -> dict[str, str]:
    """probe -> package, as the Makefile hands them to scripts/debian-packages for a target."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-s", "-n", "-C", str(ROOT), target]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("scripts/debian-packages")]
    return dict(pair.split("=", 1) for pair in line.split()[1:])


@cache
def installed() -> dict[str, tuple[bool, tuple[tuple[str, ...], ...]]]:
    """package -> whether every system has it, and its dependencies: groups of alternatives. Virtual ones too."""
    form = "${Package}|${Essential}|${Priority}|${Depends}, ${Pre-Depends}|${Provides}\n".replace("|", "\t")
    text = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    found: dict[str, tuple[bool, tuple[tuple[str, ...], ...]]] = {}
    for line in text.splitlines():
        name, essential, priority, depends, provides = line.split("\t")
        groups = tuple(tuple(map(_bare, group.split("|"))) for group in depends.split(",") if group.strip())
        found[name] = (essential == "yes" or priority == "required", groups)
        for virtual in filter(None, map(_bare, provides.split(","))):
            found.setdefault(virtual, (False, ((name,),)))
    return found


def _bare(dependency: str) -> str:
    return re.sub(r"[:\s(].*", "", dependency.strip())


def with_dependencies(packages: set[str]) -> set[str]:
    """The packages, every system's, and all that these depend on; of alternatives, those that are installed."""
    reached: set[str] = set()
    todo = packages | {name for name, (always, _) in installed().items() if always}
    while todo:
        reached |= todo
        groups = [group for name in todo if name in installed() for group in installed()[name][1]]
        todo = {name for group in groups for name in group if name in installed()} - reached
    return reached


def owners(paths: Iterable[str]) -> dict[str, str]:
    """path -> the package that it is from; empty: from none. One question for all: dpkg reads its lists each time."""
    places: dict[str, set[str]] = {}
    for path in paths:
        here = {path, os.path.realpath(path)}
        here |= {place.removeprefix("/usr") for place in here} | {f"/usr{place}" for place in here}
        places[path] = here
    asked = sorted(set().union(*places.values()))
    if not asked:
        return {}
    done = subprocess.run(["dpkg-query", "-S", *asked], capture_output=True, text=True, check=False)
    lines = [line.split(": ", 1) for line in done.stdout.splitlines() if not line.startswith("diversion")]
    found = {place: packages.split(",")[0].split(":")[0] for packages, place in lines}
    return {path: next((found[place] for place in sorted(here) if place in found), "") for path, here in places.items()}


def uncovered(used: dict[str, str], probes: dict[str, str]) -> list[str]:
    """Programs (name -> where it is used) that the packages of the probes do not bring."""
    reached = with_dependencies({*probes.values(), *GIVEN})
    paths = {name: shutil.which(name) for name in used if name not in probes}
    owner = owners(path for path in paths.values() if path is not None)
    wrong = []
    for name, path in sorted(paths.items()):
        if path is None or owner[path] not in reached:
            wrong.append(f"{name} ({used[name]}): {'not installed' if path is None else owner[path] or path}")
    return wrong


pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-query") is None, reason="not a Debian system: which package brings a file is unknown"
)


def test_every_program_is_from_a_named_package():
    used: dict[str, str] = dict.fromkeys(sorted(board_programs()), "boards/*.toml")
    for folder in ("tests", "intrs_edge", "scripts"):
        used |= programs(ROOT / folder)
    used = {name: where for name, where in used.items() if name not in ELSEWHERE | PIP}
    assert [name for name in PIP if f'"{name}==' not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")] == []
    # a scan that lost its eyes would find nothing wrong
    assert {"cc", "chromium", "clang", "cmake", "git", "node", "setpriv", "qemu-arm"} <= set(used)
    assert uncovered(used, named_packages("tools-test")) == []


def test_the_demo_needs_no_more_than_it_names():
    tools = ["gcc", "cc", "cmake", "ninja", "arm-none-eabi-gcc", "arm-none-eabi-objcopy", "qemu-system-arm", "setpriv"]
    assert uncovered(dict.fromkeys(tools, "demo"), named_packages("tools-demo")) == []


@pytest.mark.parametrize(
    "line",
    [
        'import shutil\nif shutil.which("valgrind") is None: pass',
        'subprocess.run(["no-such-tool", "-x"], check=True)',
        'subprocess.Popen(guarded(["no-such-tool"]))',
        'COMPILERS = {"powerpc-none-eabi-gcc": 1}',
        '@pytest.mark.parametrize("emulator", ["qemu-no-such"])\ndef f(emulator): ...',
    ],
)
def test_a_planted_program_is_found(line, tmp_path):
    (tmp_path / "test_planted.py").write_text(line)
    used = programs(tmp_path)
    assert used
    assert uncovered(used, named_packages("tools-test"))


def test_a_package_less_is_found():
    probes = {probe: package for probe, package in named_packages("tools-test").items() if "clang" not in package}
    assert any(line.startswith("clang ") for line in uncovered({"clang": "here"}, probes))


def files_used() -> Iterator[str]:
    """Headers, as each compiler finds them, and the libraries that it links."""
    everywhere, bare = headers()
    assert {"stdint.h", "sys/socket.h", "arm_neon.h", "immintrin.h"} <= everywhere
    assert {"stddef.h", "stdint.h"} <= bare
    only = {"arm_neon.h", "arm_mve.h", "immintrin.h"}
    wanted = {name: (everywhere - only) | ({own} - {""}) for name, own in LINUX.items()}
    wanted |= {"clang": everywhere - only, "gcc": wanted["gcc"] | {"immintrin.h"}, "arm-none-eabi-gcc": bare - only}
    for compiler, names in wanted.items():
        options = ["-mfpu=neon"] if "hf" in compiler else []
        text = "".join(f"#include <{name}>\n" for name in sorted(names))
        command = [compiler, *options, "-std=gnu11", "-x", "c", "-M", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{compiler}: {done.stderr[:500]}"
        yield from (word for word in done.stdout.split() if word.startswith("/"))
    for compiler, libraries in LIBRARIES.items():
        for name in libraries:
            done = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
            assert done.stdout.startswith("/"), f"{compiler} has no {name}"
            yield done.stdout.strip()


def test_every_header_and_library_is_from_a_named_package():
    probes = named_packages("tools-test")
    missing = [name for name in {*LIBRARIES, *LINUX} if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(sorted(missing))}")
    found = set(owners({os.path.realpath(path) for path in files_used()}).values())
    assert {"libc6-dev", "libc6-dev-arm64-cross", "libc6-dev-armhf-cross"} <= found
    assert found - with_dependencies({*probes.values(), *GIVEN}) == set()
    # and it is this line of the Makefile that brings them
    less = {package for package in probes.values() if not package.startswith("libc6-dev-arm")}
    assert {"libc6-dev-arm64-cross", "libc6-dev-armhf-cross"} <= found - with_dependencies({*less, *GIVEN})
