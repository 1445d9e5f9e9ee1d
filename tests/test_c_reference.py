"""The reference of the C interface: every name of the headers is in it, and what is not documented fails the build."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from intrs_edge.children import patient

ROOT = Path(__file__).resolve().parent.parent
HEADERS = re.findall(r"firmware/\S+\.h", (ROOT / "scripts" / "Doxyfile").read_text(encoding="utf-8"))
INTERFACE = "firmware/include/intrs.h"
FUNCTION = re.compile(r"^[a-z][\w *]*?\b(intrs_\w+)\([^;{]*\);", re.MULTILINE)

pytestmark = pytest.mark.skipif(shutil.which("doxygen") is None, reason="doxygen is not installed")


def built(root: Path) -> subprocess.CompletedProcess[str]:
    command = ["doxygen", "scripts/Doxyfile"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=patient(120), check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The headers and what builds their reference."""
    for name in ("scripts/Doxyfile", "scripts/doxygen_sections.awk", *HEADERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_function_is_in_it(copy: Path) -> None:
    done = built(copy)
    assert (done.returncode, done.stderr) == (0, "")
    page = (copy / "site/c-reference/globals_func.html").read_text(encoding="utf-8")
    names = {name for path in HEADERS for name in FUNCTION.findall((copy / path).read_text(encoding="utf-8"))}
    assert {"intrs_certify", "intrs_check", "intrs_port_read", "intrs_frame_send"} <= names
    assert {name for name in names if f"{name}()" not in page} == set()
    sections = (copy / "site/c-reference/intrs_8h.html").read_text(encoding="utf-8")
    assert "certification in steps" in sections


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        (INTERFACE, r" \* @param first .*\n", "", "parameter 'first'"),
        (INTERFACE, r" \* @param first ", " * @param last ", "'last'"),
        (INTERFACE, r" \* @return INTRS_OK or INTRS_E_ARGUMENT\n", "", "return"),
        (INTERFACE, r"(/// votes ///)", r"int intrs_new(void);\n\1", "intrs_new"),
        (INTERFACE, r"(    uint32_t crc;) .*", r"\1", "crc"),
        ("firmware/include/intrs_types.h", r"/\*\*.*\*/\n(#define INTRS_ABSTAIN)", r"\1", "INTRS_ABSTAIN"),
        ("firmware/ports/intrs_port.h", r"/\*\* Tells the watchdog.*\n", "", "intrs_port_alive"),
    ],
)
def test_what_is_not_documented_fails(copy: Path, path: str, old: str, new: str, told: str) -> None:
    text = (copy / path).read_text(encoding="utf-8")
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    (copy / path).write_text(changed, encoding="utf-8")
    done = built(copy)
    assert done.returncode != 0
    assert told in done.stderr


def undocumented_values(text: str) -> list[str]:
    """Lines of enums without a comment: Doxygen 1.9.4 does not look at them."""
    bodies = re.findall(r"^enum \w* ?\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for body in bodies for line in body.splitlines() if "/**< " not in line]


def test_every_value_of_an_enum_is_documented() -> None:
    found = {path: undocumented_values((ROOT / path).read_text(encoding="utf-8")) for path in HEADERS}
    assert {path for path, lines in found.items() if lines} == set()
    types = (ROOT / "firmware/include/intrs_types.h").read_text(encoding="utf-8")
    assert undocumented_values(re.sub(r"(INTRS_E_RANGE = -2,) .*", r"\1", types)) == ["INTRS_E_RANGE = -2,"]


def test_make_docs_builds_it() -> None:
    done = subprocess.run(["make", "-n", "-C", str(ROOT), "docs"], capture_output=True, text=True, check=True)
    assert "doxygen scripts/Doxyfile" in done.stdout.splitlines()
    assert "scripts/debian-packages doxygen=doxygen" in done.stdout


def test_the_page_leads_to_what_is_built(copy: Path) -> None:
    page = (ROOT / "docs" / "c.md").read_text(encoding="utf-8")
    built(copy)
    links = re.findall(r'href="\.\./([^"]+)"', page)
    assert len(links) == len(HEADERS)
    assert [link for link in links if not (copy / "site" / link).is_file()] == []
    names = re.findall(r"`(intrs_[a-z_]+)`", page)
    assert [name for name in names if f"{name}(" not in (ROOT / INTERFACE).read_text(encoding="utf-8")] == []
