# SPDX-License-Identifier: Apache-2.0
"""The entry point: picks the command, loads that command's module only, turns failures into one line.

Exit codes: 0 done; 1 a check did not hold, or a bug; 2 bad input or usage; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import sys
from collections.abc import Sequence

from intrs_edge import __version__
from intrs_edge.cli.defaults import apply_defaults, read_defaults, say
from intrs_edge.cli.parser import Parser
from intrs_edge.errors import IntrsError

# name -> what it does; intrs_edge/cli/<name>.py has add_arguments(parser) and run(args) -> exit code
COMMANDS = {
    "init": "write intrs.toml: settings that every command in this folder reads",
    "train": "train a network for smoothing, quantisation-aware (needs torch)",
    "convert": "turn a QDQ ONNX model into a fully-integer int8 .tflite",
    "inspect": "show the ops, cost and memory of a model, for every board",
    "generate": "write the C project of a model for a board",
    "build": "compile a generated project with CMake",
    "infer": "run a built project on raw codes, without noise",
    "predict": "smoothed predictions with abstention",
    "certify": "certified radii of images, into a log",
    "verify": "replay lines of a log on this machine, and say what differs",
    "flash": "program the board, and check that the build answers",
    "emulate": "run the board in its emulator, for any serial program",
    "audit": "prove a built project integer-only, without allocation or recursion, with a stack bound",
    "models": "list the shipped networks, or copy one",
    "boards": "list the boards, or explain one",
    "doctor": "what is installed for which board, and how to install the rest",
    "bench": "speed of this machine against other engines, instructions on a board",
    "study": "the figures of the paper, or studies of your own, each from one TOML file",
    "report": "figures, plot and page from certification logs",
}

INTERRUPTED = 130
BUG = 1
BAD_INPUT = 2


EXAMPLES = (
    "intrs-edge generate model.onnx --board mps2-an386 -o project && intrs-edge build project",
    "intrs-edge certify project 'digits:test[0:10]' --target emulator --log out.tsv",
    "intrs-edge report out.tsv -o report.html",
)
# command -> what to do next, of its arguments
NEXT = {
    "init": "intrs-edge generate; intrs-edge build; intrs-edge certify; intrs-edge report -o report.html",
    "train": "intrs-edge generate {out}/model.onnx --board ID -o project   (intrs-edge boards lists them)",
    "convert": "intrs-edge generate {output} --board ID -o project   (intrs-edge boards lists them)",
    "inspect": "intrs-edge generate {model} --board ID -o project",
    "generate": "intrs-edge build {output}",
    "build": "intrs-edge certify {project} IMAGES --log out.tsv   (and intrs-edge audit {project}, flash {project})",
    "infer": "intrs-edge predict {project} IMAGES",
    "predict": "intrs-edge certify {project} {images} --log out.tsv",
    "certify": "intrs-edge report {log} -o report.html --images {images} --project {project}",
    "verify": "intrs-edge report {log} -o report.html",
    "flash": "intrs-edge certify {project} IMAGES --log out.tsv --target serial:PORT",
    "emulate": "intrs-edge certify {project} IMAGES --log out.tsv --target emulator",
    "audit": "intrs-edge flash {project}",
    "models": "intrs-edge generate zoo:NAME --board ID -o project   (NAME: one of these)",
    "boards": "intrs-edge generate MODEL --board ID -o project   (intrs-edge doctor ID: what it needs)",
    "doctor": "intrs-edge generate MODEL --board ID -o project",
    "bench": "intrs-edge generate {model} --board ID -o project",
    "study": "intrs-edge report LOG... -o report.html   (the logs are in its folder)",
    "report": "intrs-edge verify LOG project   (computes the lines of a log again)",
}


def build_parser(command: str | None) -> Parser:
    """The parser: every command by name, the arguments of ``command`` only, so that no other module is imported."""
    parser = Parser(
        prog="intrs-edge",
        description="Integer-only certified robustness, from a trained network to a microcontroller.",
        examples=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"intrs-edge {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        if name != command:
            subparsers.add_parser(name, help=text)
            continue
        module = importlib.import_module(f"intrs_edge.cli.{name}")
        described = text[0].upper() + text[1:] + "."
        sub = subparsers.add_parser(name, help=text, description=described, examples=getattr(module, "EXAMPLES", ()))
        module.add_arguments(sub)
        parser.command, parser.options = sub, list(sub._option_string_actions)
    return parser


def _values_joined(arguments: Sequence[str]) -> list[str]:
    """``--option -1..1`` as ``--option=-1..1``: argparse takes what begins with a minus and is no plain number for an
    option."""
    joined: list[str] = []
    for argument in arguments:
        if re.match(r"-[\d.]", argument) and joined and re.fullmatch(r"--[a-z0-9-]+", joined[-1]):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code."""
    arguments = _values_joined(sys.argv[1:] if argv is None else argv)
    command = next((a for a in arguments if a in COMMANDS), None)
    code = 0
    try:
        parser = build_parser(command)
        if "_ARGCOMPLETE" in os.environ:
            import argcomplete

            argcomplete.autocomplete(parser)
        if command:
            parser.check_options(arguments)
        names = apply_defaults(command, parser.command, read_defaults()) if command and parser.command else []
        args = parser.parse_args(arguments)
        if names and command and parser.command:
            say(command, args, parser.command, names)
        code = int(importlib.import_module(f"intrs_edge.cli.{args.command}").run(args) or 0)
        sys.stdout.flush()
        if code == 0:
            _say_next(args)
        return code
    except IntrsError as error:
        print(f"intrs-edge: error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\nintrs-edge: interrupted; what was written is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone (| head): nothing to say, and nothing to say it to; what was found holds
        _say_no_more()
        return code
    except OSError as error:
        where = error.filename if error.filename is not None else "standard output or a connection"
        print(f"intrs-edge: error: {where}: {error.strerror or error}; look after the disk or name another file",
              file=sys.stderr)  # fmt: skip
        if error.filename is None:
            _say_no_more()
        return BAD_INPUT
    except Exception as error:
        if os.environ.get("INTRS_EDGE_DEBUG"):
            raise
        line = " ".join(str(error).split())
        print(
            f"intrs-edge: internal error: {type(error).__name__}: {line}; this is a bug, please report it with the "
            "output of the same command under INTRS_EDGE_DEBUG=1",
            file=sys.stderr,
        )
        return BUG


def _say_next(args: argparse.Namespace) -> None:
    """What to do next, to a person at a terminal."""
    hint = NEXT.get(args.command)
    if hint is None or getattr(args, "json", False) or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return
    dim, plain = ("", "") if "NO_COLOR" in os.environ else ("\x1b[2m", "\x1b[0m")
    words = {name: shlex.quote(str(value)) for name, value in vars(args).items()}
    print(f"{dim}next: {hint.format(**words)}{plain}", file=sys.stderr)


def _say_no_more() -> None:
    """What is left in stdout's buffer cannot be written: not another complaint when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
