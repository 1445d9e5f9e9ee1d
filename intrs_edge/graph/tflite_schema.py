# SPDX-License-Identifier: Apache-2.0
"""The part of TFLite's schema that the project speaks: numbers of operators and tensor types (from the `tflite`
package), names of enumerations, and how an operator's options are stored; `operators` says which it has."""

from __future__ import annotations

from dataclasses import dataclass

from tflite.BuiltinOperator import BuiltinOperator
from tflite.TensorType import TensorType

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3

KINDS: dict[int, str] = {v: k for k, v in vars(BuiltinOperator).items() if not k.startswith("_")}
KIND_CODES: dict[str, int] = {v: k for k, v in KINDS.items()}
TENSOR_TYPES: dict[int, str] = {v: k.lower() for k, v in vars(TensorType).items() if not k.startswith("_")}
TENSOR_CODES: dict[str, int] = {v: k for k, v in TENSOR_TYPES.items()}

PADDING = ("SAME", "VALID")
ACTIVATION = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
MIRROR = ("REFLECT", "SYMMETRIC")
WEIGHTS_FORMAT = ("DEFAULT", "SHUFFLED4x16INT8")


@dataclass(frozen=True)
class Field:
    """One option field: attribute name, slot, type ("enum" is an int8 with names), TFLite's default."""

    name: str
    slot: int
    type: str  # int32 | int8 | bool | float32 | enum | ints
    default: int | float | bool = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """The options table of an operator: the union member's number, the number of slots, the fields."""

    type: int
    slots: int
    fields: tuple[Field, ...] = ()
