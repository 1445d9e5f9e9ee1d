"""A generated project's library, compiled without its build files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from intrs_edge.children import patient

# sections that may be written at run time; .data.rel.ro holds constants with addresses, of position-independent code
_VARIABLES = re.compile(r"^\.(t?data|t?bss|sdata|sbss)(?!\.rel\.ro)")


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=patient(300), check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def includes(project: Path, target: str) -> list[str]:
    """Include options of ``host`` or ``board``: every folder with a header but the other one's."""
    other = {"host": "board", "board": "host"}[target]
    return [f"-I{folder}" for folder in sorted({p.parent for p in project.rglob("*.h")}) if folder.name != other]


def compile_all(project: Path, target: str, compiler: str, folder: Path, *flags: str) -> list[Path]:
    """The objects of a target's library."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = []
    for source in (project / target / "sources.txt").read_text().split():
        objects.append(folder / (Path(source).stem + ".o"))
        run(compiler, *flags, *includes(project, target), "-c", project / source, "-o", objects[-1], cwd=folder)
    return objects


def variables(objects: list[Path], tool: str) -> list[str]:
    """Sections of these objects that hold variables, with their sizes; tool: a ``size``."""
    found = []
    for item in objects:
        for line in run(tool, "-A", item, cwd=item.parent).splitlines():
            words = line.split()
            if len(words) == 3 and _VARIABLES.match(words[0]) and int(words[1]) > 0:
                found.append(f"{item.name} {words[0]} {words[1]}")
    return found
