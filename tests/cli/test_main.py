"""What every command does alike: exit codes, one line for bad input, a quiet broken pipe, no import without need."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import intrs_edge
from intrs_edge.children import guarded, patient
from intrs_edge.cli import main as cli
from intrs_edge.errors import IntrsError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Registers a command ``x`` whose run does what it is given."""

    def register(run) -> None:
        module = type(sys)("intrs_edge.cli.x")
        module.add_arguments = lambda parser: parser.add_argument("--flag", type=int)
        module.run = run
        monkeypatch.setitem(sys.modules, "intrs_edge.cli.x", module)
        monkeypatch.setitem(cli.COMMANDS, "x", "a command of this test")

    return register


def raising(error: BaseException):
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_every_command_has_its_module_and_help(run_cli):
    folder = Path(intrs_edge.__file__).parent / "cli"
    helpers = {"__init__", "main", "options", "parser", "defaults"}
    assert {path.stem for path in folder.glob("*.py")} - helpers == set(cli.COMMANDS)
    for name in cli.COMMANDS:
        code, out, _ = run_cli(name, "--help")
        assert code == 0
        assert f"intrs-edge {name}" in out


def test_the_exit_code_of_a_command(command, run_cli):
    command(lambda args: args.flag)
    assert run_cli("x", "--flag", 0)[0] == 0
    assert run_cli("x", "--flag", 1)[0] == 1


def test_bad_input_is_one_line(command, run_cli):
    command(raising(IntrsError("the thing\nis too big; make it smaller")))
    assert run_cli("x") == (2, "", "intrs-edge: error: the thing is too big; make it smaller\n")


def test_usage_errors_are_2(run_cli):
    for arguments in ([], ["no-such-command"], ["report"], ["report", "--radii", "x", "y.tsv"]):
        code, out, err = run_cli(*arguments)
        assert (code, out) == (2, "")
        assert "usage:" in err


def test_options_are_not_abbreviated(run_cli):
    code, _, err = run_cli("certify", "p", "digits", "--log", "l", "--no-prog")
    assert code == 2
    assert "unrecognized arguments: --no-prog;" in err


def test_an_interrupt_is_130(command, run_cli):
    command(raising(KeyboardInterrupt()))
    code, _, err = run_cli("x")
    assert code == 130
    assert "interrupted" in err


def test_a_bug_is_one_line_unless_debugging(command, run_cli, monkeypatch):
    monkeypatch.delenv("INTRS_EDGE_DEBUG", raising=False)
    command(raising(ValueError("two\nlines")))
    code, _, err = run_cli("x")
    assert code == 1
    assert err.count("\n") == 1
    assert "ValueError: two lines" in err
    assert "report it" in err
    monkeypatch.setenv("INTRS_EDGE_DEBUG", "1")
    with pytest.raises(ValueError, match="two"):
        cli.main(["x"])


def test_what_the_system_refuses_is_one_line(command, run_cli, monkeypatch):
    command(raising(PermissionError(13, "Permission denied", "/no/entry")))
    code, _, err = run_cli("x")
    assert (code, err.count("\n")) == (2, 1)
    assert "/no/entry: Permission denied" in err


def test_a_full_disk_for_the_output_is_one_line():
    command = [sys.executable, "-m", "intrs_edge.cli.main", "boards"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"intrs-edge: error: standard output.*No space left on device.*\n", done.stderr)


def test_version(run_cli):
    assert run_cli("--version")[1] == f"intrs-edge {intrs_edge.__version__}\n"


def test_a_broken_pipe_is_quiet(tmp_path):
    header = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
    (tmp_path / "l.tsv").write_text(header + "0\t1\t1\t0.5\t1\t0\n")
    radii = ",".join(str(k / 1000) for k in range(20000))  # more output than a pipe holds
    process = subprocess.Popen(
        guarded([sys.executable, "-m", "intrs_edge.cli.main", "report", str(tmp_path / "l.tsv"), "--radii", radii]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(patient(30)) == 0


def test_an_interrupted_process_ends_with_130(tmp_path):
    program = (
        "import sys, time, types; from intrs_edge.cli import main as m; x = types.ModuleType('intrs_edge.cli.x');"
        "x.add_arguments = lambda p: None; x.run = lambda a: (print('up', flush=True), time.sleep(30));"
        "sys.modules['intrs_edge.cli.x'] = x; m.COMMANDS['x'] = 'x'; sys.exit(m.main(['x']))"
    )
    process = subprocess.Popen(guarded([sys.executable, "-c", program]), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(patient(10)) == 130


def test_the_start_is_fast_and_light():
    """``--help`` imports neither numpy nor torch, and takes little of the processor, however busy that is."""
    program = (
        "import sys, time; from intrs_edge.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'torch', 'onnx', 'PIL', 'jinja2', 'mpmath'} & set(sys.modules); assert not heavy, heavy\n"
        "print(time.process_time())"
    )
    command = [sys.executable, "-c", program]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=patient(30)).stdout
    assert float(out.splitlines()[-1]) < 1
