# SPDX-License-Identifier: Apache-2.0
"""What the handlers share: traced values, refusals, and the arguments of windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# (tracer, node, the module for modules, the call's arguments) -> Value; values that depend on the input are `Value`
Handler = Callable[..., Any]


class Unsupported(Exception):
    """Why a node has no quantised form, and what to do."""


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the input: the layer that gives it, and its shape without the batch."""

    layer: str
    shape: tuple[int, ...]


def axes_of(value: Any, count: int) -> tuple[int, ...]:
    """One number, or one an axis, as one an axis."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    return tuple(int(v) for v in (values * count if len(values) == 1 else values))


def one(value: Any) -> Value:
    """The value itself, where one is needed; raises Unsupported for a constant."""
    if not isinstance(value, Value):
        raise Unsupported("an operand does not depend on the input here; compute it before the network")
    return value
