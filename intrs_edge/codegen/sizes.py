# SPDX-License-Identifier: Apache-2.0
"""Flash, RAM and stack of a board's image before anything is written: compiled and linked where the compiler is there,
else estimated.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from intrs_edge.children import patient
from intrs_edge.errors import IntrsError

# frames of compiler helpers (integer division), whose sizes the compiler does not tell
_HELPER_FRAME = 64
# machine code is smaller than its source, comments and all; seen on Thumb-2 at -O3: at most .6 of it
_CODE_PER_SOURCE_BYTE = 1.0
_TIMEOUT = 300  # seconds, on an idle machine


@dataclass(frozen=True)
class Sizes:
    """Bytes on one target.

    ``measured``: code, data and stack come from compiling and linking with the board's compiler; else code is an
    upper-bound estimate and stack is unknown (0). ``ram`` is static data besides the arena.
    """

    code: int
    weights: int
    tables: int
    arena: int
    ram: int
    stack: int
    measured: bool

    @property
    def flash(self) -> int:
        """All of the image."""
        return self.code + self.weights + self.tables


@dataclass(frozen=True)
class Build:
    """What to compile: sources and include folders are keys (prefixes of keys) of the project's files."""

    compiler: str
    cflags: tuple[str, ...]
    ldflags: tuple[str, ...]
    libraries: tuple[str, ...]
    sources: tuple[str, ...]
    folders: tuple[str, ...]
    linker_script: str
    entry: str = "intrs_reset"


def estimate(sources: Iterable[bytes], weights: int, tables: int, arena: int) -> Sizes:
    """Without a compiler: code no larger than its source text."""
    code = int(_CODE_PER_SOURCE_BYTE * sum(len(s) for s in sources))
    return Sizes(code, weights, tables, arena, 0, 0, False)


def measure(files: Mapping[str, bytes], build: Build, weights: int, tables: int, arena: int) -> Sizes | None:
    """Compiles and links in a temporary folder; None where the compiler is not there. Raises IntrsError where the image
    does not fit or does not build.
    """
    compiler = shutil.which(f"{build.compiler}gcc")
    size_tool, name_tool = (shutil.which(f"{build.compiler}{tool}") for tool in ("size", "nm"))
    if compiler is None or size_tool is None or name_tool is None:
        return None
    with tempfile.TemporaryDirectory(prefix="intrs-") as name:
        root = Path(name)
        for path, content in files.items():
            if path.endswith((".c", ".h", ".S", ".ld")):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
        include = [f"-I{root / folder}" for folder in build.folders]

        def compile_one(job: tuple[int, str]) -> str:
            number, source = job
            target = f"o{number}.o"
            # the compiler writes .su and .ci beside its output
            flags = [*build.cflags, "-std=gnu11", "-fcallgraph-info=su"]
            _run([compiler, *flags, *include, "-c", str(root / source), "-o", target], root)
            return target

        with ThreadPoolExecutor(2) as pool:
            objects = list(pool.map(compile_one, enumerate(build.sources)))
        libraries = [f"-l{library}" for library in build.libraries]
        script = ["-T", str(root / build.linker_script)]
        _run([compiler, *build.cflags, *build.ldflags, *script, *objects, *libraries, "-o", "image.elf"], root)
        sections = _sections(_run([size_tool, "-A", "image.elf"], root))
        linked = [line.split()[-1] for line in _run([name_tool, "image.elf"], root).splitlines()]
        graphs = [(root / f"o{i}.ci").read_text(errors="replace") for i in range(len(objects))]
        stack = stack_bound(graphs, build.entry, linked)
    flash = sum(
        size for section, size in sections.items() if section in (".boot2", ".text", ".data", ".rodata", ".seal")
    )
    ram = sections.get(".data", 0) + sections.get(".bss", 0) + max(sections.get(".workspace", arena) - arena, 0)
    return Sizes(max(flash - weights - tables, 0), weights, tables, arena, ram, stack, True)


def _run(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=patient(_TIMEOUT), check=False
        )
    except subprocess.TimeoutExpired:
        raise IntrsError(
            f"{Path(command[0]).name} took more than {_TIMEOUT} s: the model is too large for it"
        ) from None
    if done.returncode != 0:
        over = re.findall(r"region [`'](\S+)' overflowed by (\d+) bytes", done.stderr)
        if over:
            raise Overflow({region: int(amount) for region, amount in over})
        told = [line for line in done.stderr.splitlines() if "collect2" not in line]
        first = next((line for line in told if re.search(r"error|undefined|cannot|warning", line)), done.stderr[:200])
        raise IntrsError(f"{Path(command[0]).name} failed on the generated project: {first}")
    return done.stdout


class Overflow(Exception):
    """The linker's memory regions that were too small: name -> bytes missing."""

    def __init__(self, regions: Mapping[str, int]) -> None:
        super().__init__(", ".join(f"{k}: {v}" for k, v in regions.items()))
        self.regions = dict(regions)


def _sections(text: str) -> dict[str, int]:
    found = (line.split() for line in text.splitlines())
    return {parts[0]: int(parts[1]) for parts in found if len(parts) == 3 and parts[0].startswith(".")}


_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_FRAME = re.compile(r"(\d+) bytes \((static|dynamic|dynamic,bounded)\)")


def stack_bound(graphs: Iterable[str], entry: str, linked: Iterable[str] | None = None) -> int:
    """The most stack below ``entry`` from the call graphs that ``gcc -fcallgraph-info=su`` writes.

    A call through a pointer may reach every function that nothing calls by name and that is in the image (``linked``:
    its symbols; None: all are). IntrsError for recursion by name or a frame of unknown size.
    """
    present = None if linked is None else {_plain(symbol) for symbol in linked}
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for text in graphs:
        for title, description in _NODE.findall(text):
            match = _FRAME.search(description)
            if match:
                if match[2] == "dynamic":
                    raise IntrsError(f"the stack frame of {title} has no bound")
                frames[title] = int(match[1])
        for source, target in _EDGE.findall(text):
            if present is None or _plain(source) in present:
                calls.setdefault(source, set()).add(target)
    named = {t for targets in calls.values() for t in targets}
    by_pointer = {f for f in frames if f not in named and f != entry and (present is None or _plain(f) in present)}
    depth: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> int:
        if name in depth:
            return depth[name]
        if name in path:
            raise IntrsError(f"the firmware calls itself: {' -> '.join([*path[path.index(name) :], name])}")
        below = 0
        for callee in sorted(calls.get(name, ())):
            targets = sorted(by_pointer - set(path) - {name}) if callee == "__indirect_call" else [callee]
            below = max([below, *(visit(t, (*path, name)) for t in targets)])
        depth[name] = frames.get(name, _HELPER_FRAME) + below
        return depth[name]

    return visit(entry, ())


def _plain(name: str) -> str:
    """A function's name without its file and without what the compiler adds to a clone."""
    return name.rsplit(":", 1)[-1].split(".", 1)[0]
