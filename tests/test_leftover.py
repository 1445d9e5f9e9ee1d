"""No process outlives its test, its worker or its session; each of these checks is seen to fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intrs_edge.children import guarded, patient

START = 'import subprocess, sys, os, time; p = subprocess.Popen(["sleep", "{}"]); '
TESTS = Path(__file__).parent
ENDS = {  # how a test ends that has started a process
    "passes": "pass",
    "fails": "assert False",
    "times-out": "time.sleep(600)",
    "worker-dies": "os.kill(os.getpid(), 9)",
    "orphan": "p.kill(); subprocess.run(['sh', '-c', 'sleep {} & exit 0'])",
    "cleans-up": "p.kill(); p.wait()",
}


def command(folder: Path, body: str, *options: str) -> list[str]:
    (folder / "test_it.py").write_text(f"def test_it():\n    {body}\n\n\ndef test_another(): pass\n")
    return [sys.executable, "-m", "pytest", "-q", "-p", "leftover", "-p", "no:cacheprovider", "-o", "timeout=600",
            "--rootdir", str(folder), str(folder / "test_it.py"), *options]  # fmt: skip


def environment() -> dict[str, str]:
    paths = [str(TESTS), str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def running(seconds: str) -> bool:
    """Whether some `sleep SECONDS` is there; the number is one that nobody else would choose."""
    line = f"sleep\0{seconds}\0".encode()
    return any(line == _line(folder) for folder in Path("/proc").glob("[0-9]*"))


def _line(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("end", ENDS)
def test_what_is_left_is_killed_and_told(end, tmp_path):
    seconds = f"9{os.getpid()}.5"
    body = (START + ENDS[end]).format(seconds, seconds) if "{}" in ENDS[end] else START.format(seconds) + ENDS[end]
    options = ["-n", "1"] if end == "worker-dies" else ["--timeout", "1"] if end == "times-out" else []
    done = subprocess.run(
        guarded(command(tmp_path, body, *options)), env=environment(), capture_output=True, text=True, check=False,
        timeout=patient(120),
    )  # fmt: skip
    assert not running(seconds)
    told = f"left running, and killed now: sleep {seconds}" in done.stdout
    assert (done.returncode, told) == ((0, False) if end == "cleans-up" else (1, True)), done.stdout + done.stderr
    assert "1 passed" in done.stdout or "2 passed" in done.stdout or end == "worker-dies"


def test_a_guarded_child_ends_with_a_killed_session(tmp_path):
    """And an unguarded one does not, which shows that it is the guard."""
    seconds = f"8{os.getpid()}.5"
    start = "import subprocess, sys; from intrs_edge.children import guarded;"
    for guard, survives in (("guarded", False), ("list", True)):
        start_it = f"subprocess.Popen({guard}(['sleep', '{seconds}'])); print('up', flush=True)"
        body = f"{start} {start_it}; sys.stdin.read()"
        session = subprocess.Popen(
            guarded(command(tmp_path, body, "-s")), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert session.stdin
        assert session.stdout
        assert b"up" in session.stdout.readline()
        assert _soon(lambda: running(seconds))
        session.kill()
        session.wait()
        session.stdin.close()
        session.stdout.close()  # to its end one cannot read: the child that survives holds it open
        if survives:
            assert running(seconds)
            _kill(seconds)
        assert _soon(lambda: not running(seconds))


def _soon(condition) -> bool:
    until = time.monotonic() + patient(20)
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(0.02)
    return met


def _kill(seconds: str) -> None:
    for folder in Path("/proc").glob("[0-9]*"):
        if _line(folder) == f"sleep\0{seconds}\0".encode():
            os.kill(int(folder.name), signal.SIGKILL)


def test_patience_grows_with_the_load_and_on_request(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_: "0.1 0.1 0.1 1/100 1")
    for load, factor in ((0.0, 1), (2.0, 1), (18.0, 9), (1000.0, 30)):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert patient(10) == 10 * factor
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_: "0.1 0.1 0.1 8/100 1")  # a crowd that has just come
    assert patient(10) == 40
    for text, factor in (("2.5", 2.5), ("0.1", 1), ("nonsense", 1), ("1e9", 30), ("inf", 30)):
        monkeypatch.setenv("INTRS_PATIENCE", text)
        assert patient(10) == 40 * factor
