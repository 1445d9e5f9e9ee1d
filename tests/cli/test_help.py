"""Help, mistyped words, and settings of a folder: what a person meets first."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys

import pytest

from intrs_edge.children import guarded, patient
from intrs_edge.cli import main as cli
from intrs_edge.cli.defaults import FILE, KEYS, USES

HEAVY = {"torch", "tensorflow", "onnx", "PIL", "mpmath", "jinja2", "matplotlib", "rich", "serial"}
LIGHT = set(cli.COMMANDS) - {"train"}  # whose networks need numpy to be listed


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_no_help_and_no_mistake_imports_what_is_heavy():
    """One process that asks for every help and makes a mistake with every command."""
    program = (
        "import sys; from intrs_edge.cli.main import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    for more in ('--help', '--no-such-option'):\n"
        "        try: main([name, more])\n        except SystemExit: pass\n"
        f"    heavy = {HEAVY!r} & set(sys.modules); assert not heavy, (name, heavy)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.parametrize("name", sorted(LIGHT))
def test_help_needs_no_numpy(name):
    program = f"import sys; from intrs_edge.cli.main import build_parser; build_parser({name!r}); "
    program += "sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=patient(30), check=False).returncode == 0


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_help_ends_with_examples_that_parse(name, run_cli):
    code, out, _ = run_cli(name, "--help")
    assert code == 0
    examples = re.findall(r"^  (intrs-edge .*)$", out.partition("examples:\n")[2], re.MULTILINE)
    assert len(examples) >= 2
    for line in examples:
        words = shlex.split(line)
        assert words[:2] == ["intrs-edge", name]
        cli.build_parser(name).parse_args(words[1:])


def test_python_m():
    done = subprocess.run([sys.executable, "-m", "intrs_edge", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("intrs-edge ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["certifi"], "certify"),
        (["bord"], "boards"),
        (["certify", "p", "i", "--lgo", "x"], "--log"),
        (["certify", "p", "i", "--log", "x", "--sharde=1/2"], "--shard"),
        (["generate", "m", "-o", "x", "--noise", "discret"], "discrete"),
        (["boards", "nrf52480dk"], "nrf52840dk"),
        (["boards", "microbitv2"], "microbit-v2"),
    ],
)
def test_did_you_mean(arguments, meant, run_cli):
    code, _, err = run_cli(*arguments)
    assert code == 2
    assert err.rstrip().endswith(f"did you mean {meant}?")


def test_nothing_is_proposed_for_what_is_like_nothing(run_cli):
    for arguments in (["qqqqq"], ["boards", "zzzz"], ["report", "--qqqq"]):
        code, _, err = run_cli(*arguments)
        assert code == 2
        assert "did you mean" not in err


@pytest.mark.parametrize(
    "words", [("--versio",), ("generate", "m", "-o", "x", "--targ", "0.5"), ("build", "p", "--verb")]
)
def test_no_option_is_abbreviated(words, run_cli):
    code, _, err = run_cli(*words)
    assert code == 2
    assert "unrecognized arguments" in err or "required" in err


### intrs.toml ###


def test_init_writes_what_every_command_then_reads(run_cli, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    assert run_cli("init", "m.onnx", "--board", "microbit", "--n", "1e4", "--images", "digits:test[0:3]")[0] == 0
    text = FILE.read_text()
    assert {'model = "m.onnx"', 'board = "microbit"', "n = 10000", "# seed = 1"} <= set(text.splitlines())
    code, _, err = run_cli("build")
    assert code == 2
    assert "from intrs.toml: project project" in err
    assert "project is not a generated project" in err
    code, _, err = run_cli("build", "other")
    assert "other is not a generated project" in err
    assert "intrs.toml" not in err
    code, _, err = run_cli("certify")
    assert "images digits:test[0:3], log certified.tsv" in err
    code, _, err = run_cli("generate", "--board", "nonsense")
    assert "unknown board 'nonsense'" in err  # the option overrules the file
    assert "n 10000" in err
    assert run_cli("init", "m.onnx")[0] == 2
    assert FILE.read_text() == text
    assert run_cli("init", "m.onnx", "--force")[0] == 0


def test_the_values_of_the_file_arrive(run_cli, monkeypatch):
    FILE.write_text('model = "m.tflite"\nsigma = 0.5\nn = 2000\nalpha = 0.01\nproject = "p"\n')
    seen = {}
    import intrs_edge.cli.generate as module

    monkeypatch.setattr(module, "run", lambda args: seen.update(vars(args)) or 0)
    assert run_cli("generate")[0] == 0
    assert (str(seen["model"]), str(seen["sigma"]), seen["n"], str(seen["alpha"]), str(seen["output"])) == (
        "m.tflite", "0.5", 2000, "0.01", "p")  # fmt: skip
    assert run_cli("generate", "other.tflite", "--n", "5")[0] == 0
    assert (str(seen["model"]), seen["n"], str(seen["sigma"])) == ("other.tflite", 5, "0.5")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('modle = "x"', "unknown 'modle'"),
        ('modle = "x"', "did you mean model?"),
        ("n = 1.5", "a whole number"),
        ('n = "many"', "a whole number"),
        ("n = true", "a whole number"),
        ("model = 3", 'text, such as "name"'),
        ("model = ", "intrs.toml"),
        ("n = -1", "not a whole number"),
    ],
)
def test_a_file_that_is_wrong_is_named(text, says, run_cli):
    FILE.write_text(text + "\n")
    code, out, err = run_cli("generate", "m", "-o", "p")
    assert (code, out) == (2, "")
    assert says in err


def test_every_key_is_used_by_a_command_and_names_an_argument():
    assert {key for uses in USES.values() for key in uses} == set(KEYS)
    for name, uses in USES.items():
        parser = cli.build_parser(name)
        assert parser.command is not None
        dests = {action.dest for action in parser.command._actions}
        assert set(uses.values()) <= dests, name


def test_missing_images_are_named_before_torch_is_loaded():
    program = (
        "import sys; from intrs_edge.cli.main import main; code = main(sys.argv[1:]); print('torch' in sys.modules)"
    )
    words = ["train", "no-such-set:train", "-o", "run"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert "no such data set" in done.stderr
    assert done.stdout == "False\n"


### what comes next ###


def at_a_terminal(*arguments: str, **environment: str) -> str:
    """What a command prints at a terminal."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        guarded([sys.executable, "-m", "intrs_edge", *arguments]),
        stdout=its,
        stderr=its,
        env={**os.environ, **environment},
    )
    os.close(its)
    said = b""
    try:
        while part := os.read(mine, 4096):
            said += part
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(mine)
    assert process.wait(patient(60)) == 0
    return said.decode()


def test_a_person_is_told_what_comes_next_and_a_program_is_not(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    said = at_a_terminal("init", "m.onnx")
    assert "next: intrs-edge generate; intrs-edge build" in said
    assert "\x1b[" in said
    assert "\x1b[" not in at_a_terminal("init", "m.onnx", "--force", NO_COLOR="1")
    command = [sys.executable, "-m", "intrs_edge", "init", "m.onnx", "--force"]
    assert "next:" not in subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_every_hint_can_be_given():
    assert set(cli.NEXT) == set(cli.COMMANDS)
    for name, hint in cli.NEXT.items():
        parser = cli.build_parser(name)
        assert parser.command is not None
        fields = dict.fromkeys((action.dest for action in parser.command._actions), "x")
        assert "intrs-edge" in hint.format(**fields)


### completion ###


def test_the_shell_completes():
    pytest.importorskip("argcomplete")
    line = "intrs-edge gen"
    environment = {**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)),
                   "_ARGCOMPLETE_STDOUT_FILENAME": "out", "_ARGCOMPLETE_IFS": "\n"}  # fmt: skip
    subprocess.run([sys.executable, "-m", "intrs_edge"], env=environment, check=False, timeout=patient(30))
    with open("out", encoding="utf-8") as found:
        assert found.read().split() == ["generate"]
