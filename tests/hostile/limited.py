"""Calls of the project under limits of memory and processor time, each in a process of its own.

One server imports everything once and forks for every call; the fork gets RLIMIT_AS and RLIMIT_CPU, so that what
hangs or eats memory dies by itself, and no clock on the wall is looked at.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pickle
import resource
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

CPU_SECONDS = 20  # ten on an idle machine
ADDRESSES = 4 << 30  # what it may reserve; what it touches is measured
MEGABYTES = 1000

BAD_INPUT = 2


@dataclass(frozen=True)
class Outcome:
    """code: the exit code, or minus the signal that ended it; text: what was printed; megabytes: the most memory held
    at once."""

    code: int
    text: str
    megabytes: int

    def refused(self, *words: str) -> str:
        """The one line of a refusal that cost little; fails for anything else."""
        assert self.code == BAD_INPUT, self
        lines = [line for line in self.text.splitlines() if line.startswith("intrs-edge: error: ")]
        assert len(lines) == 1, self
        assert lines[0].isprintable(), self
        assert all(word in lines[0] for word in words), (words, self.text)
        self.cheap()
        return lines[0]

    def done(self) -> str:
        """What a success that cost little printed; fails for anything else."""
        assert self.code == 0, self
        self.cheap()
        return self.text

    def cheap(self) -> None:
        """It kept below the limit of memory (the kernel saw to the time)."""
        assert self.megabytes < MEGABYTES, self


class Limited:
    """The server; use as a context manager. ``seconds``: of processor time, of the calls to come."""

    seconds = CPU_SECONDS

    def __enter__(self) -> Limited:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
        self.server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def _stop(self) -> None:
        self.server.kill()
        self.server.wait()
        for pipe in (self.server.stdin, self.server.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def cli(self, *arguments: object) -> Outcome:
        """A command line."""
        return self.call("intrs_edge.cli.main:main", [str(a) for a in arguments])

    def call(self, function: str, *arguments: Any, **options: Any) -> Outcome:
        """``module:function`` with picklable arguments; an IntrsError is printed and is exit code 2, as the command
        line does it."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        try:
            pickle.dump((self.seconds, function, arguments, options), self.server.stdin)
            self.server.stdin.flush()
            return Outcome(**json.loads(self.server.stdout.readline()))
        except BaseException:  # its answer must not be taken for the next one's
            self._stop()
            self._start()
            raise


### the server's side ###


def _limited(seconds: int, function: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[int, str]:
    from intrs_edge.errors import IntrsError

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    module, name = function.split(":")
    out = io.StringIO()
    code = 1
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            result = getattr(importlib.import_module(module), name)(*arguments, **options)
            code = result if isinstance(result, int) else 0
        except IntrsError as error:
            print(f"intrs-edge: error: {error}")
            code = BAD_INPUT
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException as error:
            print(f"raised {type(error).__name__}: {str(error)[:500]}")
    return code, out.getvalue()


def _peak_megabytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))


def _serve() -> None:
    for module in ("cli.main", "convert", "codegen", "datasets", "boards", "targets", "evaluate"):
        importlib.import_module(f"intrs_edge.{module}")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a child prints past redirect_stdout is not an answer
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receive)
            code, text = _limited(*request)
            with os.fdopen(send, "w") as pipe:
                json.dump({"code": code, "text": text, "megabytes": _peak_megabytes()}, pipe)
            os._exit(0)
        os.close(send)
        with os.fdopen(receive) as pipe:
            told = pipe.read()
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status) or not told:
            told = json.dumps({"code": -os.WTERMSIG(status), "text": "", "megabytes": 0})
        answers.write(told + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
