# SPDX-License-Identifier: Apache-2.0
"""CMake on a generated project, its errors made readable."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from intrs_edge.budget import parse_json
from intrs_edge.errors import IntrsError, shown
from intrs_edge.files import check_regular, written
from intrs_edge.terminal import redrawn

LOG = "build.log"


def build_project(project: Path, jobs: int = 1, verbose: bool = False, show: bool = False) -> list[Path]:
    """Runs ``cmake -B build`` and ``cmake --build build``; gives the files built. show: a line of progress, on a
    terminal.

    Raises IntrsError when DIR is no project, CMake is missing, or a step fails: the message holds the compiler's first
    error and names the log with the rest.
    """
    check_layout(project)
    if not (project / "CMakeLists.txt").is_file() or not (project / "project.json").is_file():
        raise IntrsError(f"{project} is not a generated project (no CMakeLists.txt); make one: intrs-edge generate")
    cmake = shutil.which("cmake")
    if cmake is None:
        raise IntrsError("cmake is not installed; install it (Debian: apt-get install cmake ninja-build)")
    build = project / "build"
    _forget_other_places(build)
    configure = [cmake, "-S", str(project), "-B", str(build)]
    if shutil.which("ninja") and not (build / "CMakeCache.txt").exists():
        configure += ["-G", "Ninja"]
    log = project / LOG
    check_regular(log)
    with written(log), log.open("w", encoding="utf-8") as out:
        shown = show and not verbose and sys.stderr.isatty()
        _step(configure, log, out.fileno(), verbose)
        with _followed(log) if shown else contextlib.nullcontext():
            _step([cmake, "--build", str(build), "--parallel", str(max(1, jobs))], log, out.fileno(), verbose)
    built = ("host/libintrs.so", "host/intrs", "board/intrs.elf", "board/intrs.bin", "board/intrs.uf2", "board/intrs")
    return [build / name for name in built if (build / name).is_file()]


def _forget_other_places(build: Path) -> None:
    """A build folder that came with a project from another place knows paths that are not its own: CMake's memory of
    it goes, also the board's (docs/generate.md); what was built stays until it is built again.
    """
    cache = build / "CMakeCache.txt"
    if not cache.is_file():
        return
    home = re.search(r"^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$", cache.read_text(errors="replace"), re.MULTILINE)
    if home is not None and Path(home[1]).resolve() == build.resolve():
        return
    for folder in (build, build / "board"):
        for name in ("CMakeFiles", "board-prefix"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "CMakeCache.txt").unlink(missing_ok=True)


def check_layout(project: Path) -> None:
    """Raises IntrsError for a project that another ecosystem builds."""
    try:
        manifest = parse_json((project / "project.json").read_text(encoding="utf-8", errors="replace"), "project.json")
    except (OSError, IntrsError):
        return  # said by those who read more of it
    layout = manifest.get("layout", "cmake") if isinstance(manifest, dict) else "cmake"
    if layout != "cmake":
        raise IntrsError(
            f"{project} is a library in the layout {shown(layout)}, which that ecosystem builds (see its README.md); "
            "for a project that is built and run here: intrs-edge generate --layout cmake"
        )


def _followed(log: Path) -> contextlib.AbstractContextManager[None]:
    """Shows how far the build is, as CMake's generators write it into the log: ``[n/m]``, or per cent."""
    return redrawn(lambda seconds: progress_line(log.read_text(encoding="utf-8", errors="replace"), seconds), 0.1)


def progress_line(text: str, seconds: float) -> str:
    """``[n/m]`` of a log so far, files a second and the time left; nothing before the first step."""
    found = re.findall(r"^\[ *(\d+)(?:/(\d+)|%)\]", text, re.MULTILINE)
    if not found:
        return ""
    done, total = int(found[-1][0]), int(found[-1][1] or 100)
    rate = done / seconds if seconds > 0 else 0.0
    left = f"{(total - done) / rate:.0f} s left" if rate else ""
    return f"[{done}/{total}]{' %' if not found[-1][1] else ''} {rate:.1f}/s, {left}"


def _step(command: list[str], log: Path, out: int, verbose: bool) -> None:
    env = {**os.environ, "LC_ALL": "C"}  # the words that _first_error looks for, in English
    code = subprocess.run(
        command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, check=False
    ).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    if verbose:
        sys.stdout.write(text)
    if code:
        raise IntrsError(f"build failed: {_first_error(text)}; everything else is in {log}")


def _first_error(text: str) -> str:
    """The line that says what went wrong: the compiler's, the linker's or CMake's first error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for k, line in enumerate(lines):
        if line.startswith("CMake Error"):
            return " ".join(lines[k : k + 2])
    for word in ("error:", "overflowed by", "undefined reference"):
        for line in lines:
            if word in line:
                return line
    return lines[-1] if lines else "no message"
