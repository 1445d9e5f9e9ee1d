# SPDX-License-Identifier: Apache-2.0
"""What a file may cost: one budget of values, of searching and of text, for everything that reads one.

A file can ask for far more than its size suggests: by a shape, a fill, an exponent, brackets in brackets. Each such
number is charged here before memory or time is spent on it. Work is counted, not timed, so that the same file gives
the same answer on every machine. The aim: no file below 1 MB takes more than 1 GB or ten seconds (SECURITY.md).
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from fractions import Fraction
from typing import Any

from intrs_edge.errors import IntrsError, shown

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

VALUES = 1 << 23  # that may be made out of any file
VALUES_PER_BYTE = 16  # and out of every byte of it
OPERATORS = 2048  # of a model
CONNECTIONS = 1 << 16  # inputs and outputs of all operators together
STEPS = 600_000  # of one search; a step is about a microsecond
NESTING = 32  # brackets in brackets
NUMBER_CHARACTERS = 100
EXPONENT = 400  # a little beyond a double's

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])')
_EXPONENT = re.compile(r"[eE]([+-]?[0-9_]+)\s*$")


class Values:
    """How many values may still be made out of a file of that many bytes, besides those that it holds."""

    def __init__(self, file_bytes: int) -> None:
        self.limit = VALUES + VALUES_PER_BYTE * file_bytes
        self.left = self.limit

    def take(self, count: int, what: str) -> None:
        """Charges ``count`` values; IntrsError when they are too many, before any memory is asked for."""
        self.left -= count
        if self.left < 0:
            raise IntrsError(
                f"{what} makes {count} values, {self.limit - self.left} in all; the limit for this file is "
                f"{self.limit}: store the result in the file, or use a smaller model"
            )


class Steps:
    """How many elementary steps a search may still take; one that has none left uses what it found."""

    def __init__(self, steps: int = STEPS) -> None:
        self.left = self._given = max(0, steps)

    @property
    def spent(self) -> int:
        """What was charged, at most what there was."""
        return self._given - max(0, self.left)

    def take(self, steps: int) -> bool:
        """Charges steps; False when there were not enough."""
        self.left -= steps
        return self.left >= 0


def rational(value: object, what: str) -> Fraction:
    """A number exactly as it is written (a float by its shortest text: 0.1 is 1/10).

    Raises IntrsError for what is none, is longer than 100 characters, or has an exponent beyond 400: a few characters
    such as 1e99999999 would fill all memory.
    """
    if isinstance(value, Fraction):
        return value
    text = str(value) if not isinstance(value, int) or abs(value) < 10**NUMBER_CHARACTERS else "a huge integer"
    exponent = _EXPONENT.search(text[:NUMBER_CHARACTERS])
    if len(text) > NUMBER_CHARACTERS or (exponent and abs(int(exponent[1])) > EXPONENT):
        raise IntrsError(
            f"{what} {shown(text)} is longer than {NUMBER_CHARACTERS} characters or has an exponent beyond "
            f"{EXPONENT}: give a decimal such as 0.25"
        )
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise IntrsError(f"{what} {shown(value)} is not a number: give a decimal such as 0.25") from None


def parse_json(text: str, what: str) -> Any:
    """The value of a JSON text; IntrsError when it is none, or nested deeper than 32 levels."""
    steps = (1 if opening else -1 for opening, closing in _BRACKETS.findall(text) if opening or closing)
    if max(itertools.accumulate(steps), default=0) > NESTING:
        raise IntrsError(f"{what} is nested deeper than {NESTING} levels: it is damaged, write it again")
    try:
        return json.loads(text)
    except ValueError as error:
        raise IntrsError(f"{what} is not JSON ({error}): write it again") from None


def parse_toml(text: str, what: str) -> dict[str, Any]:
    """The content of a TOML text; IntrsError when it is none, or nested too deeply."""
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise IntrsError(f"{what} is nested too deeply: write it again") from None
    except ValueError as error:  # a number of too many digits is one, besides what is no TOML
        raise IntrsError(f"{what} is not TOML: {error}") from None
    return found
