# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: one checked TFLite subgraph, in memory.

Names, layouts and attribute meanings are TFLite's (NHWC activations; CONV_2D weights OHWI, DEPTHWISE_CONV_2D weights
1HWO, FULLY_CONNECTED weights OI), so that the reader, the writer, the numpy reference and the C generator speak of the
same thing. A graph is immutable data: passes return a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

import numpy as np
import numpy.typing as npt

MAX_ELEMENTS = 1 << 25  # of a tensor, in a file or inferred

Attr = Union[int, bool, float, str, tuple[int, ...]]


@dataclass(frozen=True)
class Quant:
    """Affine quantisation ``real = scale * (q - zero_point)``.

    scale: float32 ``[1]`` (per-tensor) or ``[C]`` (per-channel along ``axis``); zero_point: int64, same shape.
    """

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        """One scale for each index along the axis."""
        return self.scale.size > 1


@dataclass(frozen=True)
class Tensor:
    """A value: ``dtype`` is ``int8``, ``uint8``, ``int16``, ``int32``, ``int64``, ``bool`` or ``float32``; ``data``
    marks a constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quant: Quant | None = None
    data: npt.NDArray[np.generic] | None = None

    @property
    def constant(self) -> bool:
        """It has data."""
        return self.data is not None

    @property
    def elements(self) -> int:
        """The product of the extents."""
        n = 1
        for extent in self.shape:
            n *= extent
        return n

    @property
    def bytes(self) -> int:
        """Its size in memory."""
        return self.elements * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Op:
    """One operator. ``kind`` is TFLite's builtin name (``CONV_2D``); an absent optional input is ``-1``.

    ``attrs`` holds TFLite's option fields in snake case, enums as their TFLite names: ``padding``
    ("SAME"|"VALID"|"EXPLICIT" with ``pad`` = (top, bottom, left, right), the latter made by passes only),
    ``stride_h``, ``stride_w``, ``dilation_h``, ``dilation_w``, ``activation`` ("NONE"|"RELU"|"RELU6"|"RELU_N1_TO_1"),
    ``depth_multiplier``, ``filter_h``, ``filter_w``, ``axis``, ``keep_dims``, ``beta``, ``alpha`` ...
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Graph:
    """Tensors, ops in an order of execution, and the indices of the graph's inputs and outputs.

    ``metadata`` is text carried in the file: ``intrs.input`` says in JSON what a pixel means (`preprocessing`),
    ``intrs.sigma`` the noise it was trained for in [0,1] pixels, ``intrs.classes`` a JSON list of class names.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = "model"
    metadata: Mapping[str, str] = field(default_factory=dict)
