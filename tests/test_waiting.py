"""No test asserts wall-clock time, and no wait is a constant that a busy machine exceeds; seen in the sources."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
CLOCKS = {"monotonic", "perf_counter", "time", "monotonic_ns", "perf_counter_ns", "time_ns"}
SOURCES = sorted(
    [*(ROOT / "tests").rglob("*.py"), *(ROOT / "intrs_edge").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
)


def faults(text: str) -> list[str]:
    """Where a wait is a number instead of `patient(number)`, or an assertion depends on a clock of the wall."""
    tree = ast.parse(text)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            limits = [keyword.value for keyword in node.keywords if keyword.arg in ("timeout", "deadline")]
            if isinstance(node.func, ast.Attribute) and node.func.attr == "wait" and "proc" in ast.unparse(node.func):
                limits += node.args
            found += [f"line {node.lineno}: a constant time-out" for value in limits if _positive(value)]
        if isinstance(node, ast.FunctionDef):
            found += [f"line {line}: an assertion on wall-clock time" for line in _timed(node)]
    return found


def _positive(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value > 0


def _timed(function: ast.FunctionDef) -> list[int]:
    """The assertions in whose condition a clock's reading, or what was computed from one, stands."""
    names: set[str] = set()

    def clocked(node: ast.AST) -> bool:
        return any(
            (isinstance(part, ast.Name) and part.id in names)
            or (isinstance(part, ast.Attribute) and part.attr in CLOCKS and ast.unparse(part.value) == "time")
            for part in ast.walk(node)
        )

    lines = []
    for node in sorted((n for n in ast.walk(function) if isinstance(n, ast.stmt)), key=lambda n: n.lineno):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value and clocked(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        if isinstance(node, ast.Assert) and clocked(node.test):
            lines.append(node.lineno)
    return lines


def test_waits_grow_with_the_load():
    assert len(SOURCES) > 200
    found = {str(path.relative_to(ROOT)): faults(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "body",
    [
        "subprocess.run(['x'], timeout=60)",
        "settings(deadline=200)",
        "process.wait(10)",
        "process.wait(timeout=2.5)",
        "assert time.monotonic() - begun < 5",
        "start = time.perf_counter()\n    took = time.perf_counter() - start\n    assert took < 5",
        "a = b = time.time()\n    worst = max(worst, a)\n    assert worst < 1, 'slow'",
    ],
)
def test_a_planted_one_is_found(body):
    assert faults(f"def test():\n    {body}\n")


def test_what_is_right_is_not():
    right = "process.wait(patient(10)); t = time.process_time(); assert t < 5; run(timeout=0); log(time.monotonic())"
    assert faults(f"def test():\n    {right}\n") == []


def test_no_example_has_a_deadline():
    assert settings().deadline is None
