# SPDX-License-Identifier: Apache-2.0
"""What a kernel is to the generator: a C function, where it fits, what it costs, and how its constants are packed.

Adding a kernel variant means one subclass of `Kernel`, decorated with `@register`, in the folder of its instruction
set, and its C file in the folder of the same name below ``firmware/kernels``. Nothing else knows about it: the chooser
compares the costs that the registered kernels state for a site and takes what fits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.ir import Graph, Op, Tensor

C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
}


@dataclass(frozen=True)
class Array:
    """A constant array in flash. Equal arrays are emitted once. ``align``: bytes, a power of two."""

    data: npt.NDArray[np.generic]
    align: int = 4

    @property
    def ctype(self) -> str:
        """The C element type."""
        return C_TYPES[self.data.dtype.name]

    @property
    def bytes(self) -> int:
        """Flash that the array takes."""
        return int(self.data.size) * self.data.dtype.itemsize


@dataclass(frozen=True)
class Symbol:
    """A C identifier of the runtime (never a name from a model file)."""

    name: str


@dataclass(frozen=True)
class Struct:
    """A constant struct that a pointer field refers to."""

    ctype: str
    fields: Mapping[str, Value]


# a field of a parameter struct: a number, a pointer (None is a null pointer), a nested struct, or an array of numbers
Value = Union[int, None, Array, Symbol, Struct, Mapping[str, "Value"], Sequence["Value"]]


@dataclass(frozen=True)
class Cost:
    """What a kernel takes at a site, for one image: estimated instructions, bytes of constants in flash, bytes of
    scratch in RAM.
    """

    instructions: float
    weight_bytes: int
    scratch_bytes: int = 0


@dataclass(frozen=True)
class Emit:
    """A call, ready to be written.

    The generated call is ``function([&params,] [batch,] input..., output..., [scratch])``: params as ``const struct
    <struct> *``; ``batch`` (int32_t, the number of images) only where ``batched``; inputs as ``const int8_t *`` in the
    order of ``inputs`` (tensor indices; constant tensors are emitted to flash); outputs as ``int8_t *``; scratch as
    ``uint8_t *``, 16-byte aligned, only where ``scratch_bytes`` is not None. Without ``batched`` the generator calls
    the function once an image. Images of a tensor lie one after another without gaps; every tensor's first image is
    16-byte aligned. Where a model has batches inside (codegen.images), each of its images is one of these.

    ``inplace`` lists positions in ``inputs`` whose memory the (first) output may take over: the kernel then reads and
    writes the same address. ``aliases``: the op moves no data at all; its output is its first input (reshape), and no
    call is made.
    """

    function: str
    struct: str
    fields: Mapping[str, Value]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sources: tuple[str, ...]  # below firmware/, e.g. "kernels/portable/intrs_conv2d_portable.c"
    scratch_bytes: int | None = None
    batched: bool = False
    inplace: tuple[int, ...] = ()
    aliases: bool = False
    headers: tuple[str, ...] = ()  # below firmware/: what declares the function and the struct, besides intrs_kernels.h


@dataclass(frozen=True)
class Site:
    """Where a kernel may stand: one op, or a chain of ops that a fused kernel replaces.

    In a chain each op's only output feeds the next op alone, so that the values between them need not exist. ``batch``:
    images a call sees on this target. ``images``: how many of them the model's own tensors hold (codegen.images); the
    graph shows one.
    """

    graph: Graph
    ops: tuple[int, ...]
    batch: int = 1
    images: int = 1

    @property
    def op(self) -> Op:
        """The first op of the chain."""
        return self.graph.ops[self.ops[0]]

    @property
    def last(self) -> Op:
        """The last op of the chain."""
        return self.graph.ops[self.ops[-1]]

    @property
    def name(self) -> str:
        """A C identifier of ours: ``op3`` or ``op3_4``."""
        return "op" + "_".join(str(i) for i in self.ops)

    def input(self, position: int, op: int = 0) -> Tensor:
        """The tensor at an input position of the op-th op of the chain; IndexError where the op has none."""
        return self.graph.tensors[self.graph.ops[self.ops[op]].inputs[position]]

    def has_input(self, position: int, op: int = 0) -> bool:
        """Whether an optional input is there."""
        inputs = self.graph.ops[self.ops[op]].inputs
        return position < len(inputs) and inputs[position] >= 0

    def output(self, op: int = -1) -> Tensor:
        """The first output of an op of the chain: of the last one by default."""
        return self.graph.tensors[self.graph.ops[self.ops[op]].outputs[0]]


class Kernel(ABC):
    """One implementation of one op, or of one chain of ops. Stateless: everything comes from the site."""

    name: ClassVar[str]  # "conv2d.portable": the op's C name, a dot, the variant
    patterns: ClassVar[
        tuple[tuple[str, ...], ...]
    ]  # chains of TFLite kinds that it replaces: (("CONV_2D",),) or (("CONV_2D", "ADD"),)
    requires: ClassVar[frozenset[str]] = frozenset()  # instruction-set features (codegen.isa)
    code_bytes: ClassVar[int] = 1024  # of flash, once however often it is used; a rough figure, for the choice only

    @abstractmethod
    def reject(self, site: Site) -> str | None:
        """Why the kernel cannot stand here (a range that its arithmetic needs and these weights break, a shape), or
        None when it can.
        """

    @abstractmethod
    def cost(self, site: Site) -> Cost:
        """What it takes; called only where `reject` returned None."""

    @abstractmethod
    def emit(self, site: Site) -> Emit | tuple[Emit, ...]:
        """The call (or calls, in order) and their constants; called only where `reject` returned None."""


_REGISTRY: dict[str, Kernel] = {}
_K = TypeVar("_K", bound=type[Kernel])


def register(cls: _K) -> _K:
    """Class decorator: makes a kernel known to the chooser."""
    if cls.name in _REGISTRY:
        raise ValueError(f"kernel {cls.name} is registered twice")
    _REGISTRY[cls.name] = cls()
    return cls


def registered() -> Mapping[str, Kernel]:
    """Every kernel by name, in the order of registration."""
    return _REGISTRY


@dataclass(frozen=True)
class Choice:
    """A site and the kernel that stands there, and what else was considered: (kernel name, reason or cost in words)."""

    site: Site
    kernel: Kernel
    cost: Cost
    why: str
    others: tuple[tuple[str, str], ...] = field(default=())
