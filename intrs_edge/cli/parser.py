# SPDX-License-Identifier: Apache-2.0
"""An argparse that knows no abbreviations, proposes what was meant, and ends every help with examples."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from intrs_edge.errors import meant


class Parser(argparse.ArgumentParser):
    """``options``: what an unknown option is compared with: the command's, which its parser leaves to this one."""

    def __init__(self, *, examples: Sequence[str] = (), **more: Any) -> None:
        super().__init__(**more)
        self.allow_abbrev = False  # whole names only: --n is not --no-progress
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        if examples:
            self.epilog = "examples:\n" + "".join(f"  {line}\n" for line in examples)
        self.options: list[str] = []
        self.command: Parser | None = None  # the one that is used, with its arguments

    def check_options(self, arguments: Sequence[str]) -> None:
        """An option that nobody knows is said before one that is missing: the one may have been meant for the other."""
        known = {*self.options, *self._option_string_actions}
        before = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
        for word in before:
            if re.fullmatch(r"--[a-z][a-z0-9-]*(=.*)?", word, re.DOTALL) and word.partition("=")[0] not in known:
                self.error(f"unrecognized arguments: {word}")

    def error(self, message: str) -> NoReturn:
        """The usage, one line that says what is wrong and what may have been meant; exit code 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {self._explained(message)}\n")

    def _explained(self, message: str) -> str:
        if unknown := re.match(r"unrecognized arguments: (.*)", message, re.DOTALL):
            known = {option.lstrip("-"): option for option in self.options or self._option_string_actions}
            proposals = {
                word: meant(word.partition("=")[0].lstrip("-"), known) for word in unknown[1].split() if word[:1] == "-"
            }
            return message + "".join(p for p in proposals.values() if p)
        # a command is one of a list, and so is the value of many an option
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message, re.DOTALL)
        if choice:
            return message + meant(choice[1], [word.strip("' ") for word in choice[2].split(",")])
        return message
