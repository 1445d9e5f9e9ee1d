"""The C of firmware/ and examples/ has one style, and every hand-written file says its license."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from intrs_edge.children import patient
from intrs_edge.typed import read_toml

ROOT = Path(__file__).parents[2]
LICENSE = read_toml(ROOT / "pyproject.toml", "project")["project"]["license"]
GENERATED = {"intrs_jump_table.c"}
C_FILES = sorted(
    path
    for folder in ("firmware", "examples")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".c", ".h", ".cpp", ".S", ".ld") and path.name not in GENERATED
)
COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.DOTALL)
BANNER = re.compile(r"/// .+ ///")
LINES, COLUMNS = 400, 120


def complaints(name: str, text: str) -> list[str]:
    """What is wrong with a file: license, head comment, the form of comments, its size."""
    wrong = []
    first, _, rest = text.partition("\n")
    if first != f"/* SPDX-License-Identifier: {LICENSE} */":
        wrong.append("the first line is no SPDX line")
    if not re.match(rf"/\*\n \* {re.escape(name)} - \S|/\*\*\n \* @file\n \* \S", rest):
        wrong.append("no head comment, which says what the file is")
    for found in COMMENT.findall(text):
        lines = found.split("\n")
        if found.startswith("//") and not BANNER.fullmatch(found):
            wrong.append(f"a comment with slashes: {found}")
        if found.startswith("/*") and len(lines) > 1:
            middle = all(re.match(r"\s* \*( |$)", line) for line in lines[1:-1])
            if lines[0] not in ("/*", "/**") or not middle or lines[-1].strip() != "*/":
                wrong.append(f"a comment of several lines in another form: {lines[0]}")
    if len(text.splitlines()) > LINES:
        wrong.append(f"more than {LINES} lines")
    return wrong + [f"line {i} is too long" for i, x in enumerate(text.splitlines(), 1) if len(x) > COLUMNS]


def test_every_c_file() -> None:
    assert len(C_FILES) > 100
    found = {str(path.relative_to(ROOT)): complaints(path.name, path.read_text()) for path in C_FILES}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


GOOD = f"""/* SPDX-License-Identifier: {LICENSE} */
/*
 * a.c - nothing.
 */

/// none ///

/* one */
int a;
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LICENSE, "MIT", "no SPDX line"),
        ("a.c - nothing.", "nothing.", "no head comment"),
        ("/*\n * a.c - nothing.\n */\n", "", "no head comment"),
        ("/* one */", "// one", "with slashes"),
        ("int a;", "int a; // one", "with slashes"),
        ("/* one */", "/* one\n * two */", "another form"),
        ("/* one */", "/*\n   one\n */", "another form"),
        ("int a;", "int a;" + 114 * " " + ";", "line 9 is too long"),
        ("int a;", LINES * "\n", f"more than {LINES} lines"),
    ],
)
def test_another_style_is_seen(old: str, new: str, message: str) -> None:
    assert complaints("a.c", GOOD) == []
    assert old in GOOD
    assert message in " ".join(complaints("a.c", GOOD.replace(old, new)))


def test_slashes_in_a_string_are_no_comment() -> None:
    assert complaints("a.c", GOOD + 'const char *b = "http://x";\n') == []


def unlicensed(root: Path) -> list[str]:
    """Files of the package and of the templates without their SPDX line."""
    lines = {".py": f"# SPDX-License-Identifier: {LICENSE}", ".j2": f"{{# SPDX-License-Identifier: {LICENSE} #}}"}
    files = [*(root / "intrs_edge").rglob("*.py"), *(root / "templates").rglob("*.j2")]
    return sorted(str(p.relative_to(root)) for p in files if p.read_text().partition("\n")[0] != lines[p.suffix])


def test_the_package_and_the_templates_say_their_license() -> None:
    assert unlicensed(ROOT) == []


def test_a_missing_line_is_seen(tmp_path: Path) -> None:
    for name, text in (("intrs_edge/a.py", "x = 1\n"), ("templates/b.j2", "{# SPDX-License-Identifier: MIT #}\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    assert unlicensed(tmp_path) == ["intrs_edge/a.py", "templates/b.j2"]


FORMAT = shutil.which("clang-format", path=Path(sys.executable).parent)


@pytest.mark.skipif(FORMAT is None, reason="clang-format comes with the extra dev")
@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("int f(int a)\n{\n    if (a) {\n        return 1;\n    }\n    return 0;\n}\n", True),
        ("int f(int a)\n{\n    if (a)\n        return 1;\n    return 0;\n}\n", False),
        ("int f(int a) {\n    return a;\n}\n", False),
        ("int f(int a)\n{\n  return a;\n}\n", False),
    ],
)
def test_one_rule_for_braces(text: str, good: bool) -> None:
    """`make lint` runs this over all of them."""
    assert FORMAT is not None
    words = [FORMAT, "--dry-run", "--Werror", f"--assume-filename={ROOT / 'firmware' / 'a.c'}"]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=patient(60))
    assert (done.returncode == 0) == good, done.stderr


def test_lint_looks_at_every_c_file() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lint = makefile[makefile.index("\nlint:") :].partition("\n\n")[0]
    assert "clang-format --dry-run --Werror $$(find firmware examples -name '*.[ch]')" in lint
    ignored = (ROOT / ".clang-format-ignore").read_text().split("\n")
    assert [Path(x).name for x in ignored if x and not x.startswith("#")] == sorted(GENERATED)
