# SPDX-License-Identifier: Apache-2.0
"""The one exception a user sees: a line that names the thing, the limit and the remedy."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping

LONGEST = 8000  # characters of a message
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


class IntrsError(Exception):
    """Bad input or an impossible request.

    The message is one line: what was wrong (named), which limit it broke, what to do. Names in it may come from a file
    that nobody vouches for: characters that a terminal would obey are replaced.
    The command line prints it after ``intrs-edge: error:`` and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def meant(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` for the known word that is nearest, or nothing where none is near. A mapping's values are
    what its keys are called.
    """
    names = known if isinstance(known, Mapping) else {name: name for name in known}
    near = difflib.get_close_matches(word, list(names), 1, 0.6)
    return f"; did you mean {names[near[0]]}?" if near else ""


def several(count: int, thing: str, things: str = "") -> str:
    """``1 image`` or ``2 images``; things: where that is not thing and an s."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def one_line(text: str) -> str:
    """The text as one line of bounded length that is safe to print."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ... ({len(line) - LONGEST} more characters)"


def shown(value: object) -> str:
    """A value in a message: a short form of its repr, whatever it is, however large or deep."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write thousands of digits
    return _SHOWN.repr(value)
