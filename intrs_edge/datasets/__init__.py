# SPDX-License-Identifier: Apache-2.0
"""Published image file formats in, uint8 NHWC images and labels out."""

from typing import TYPE_CHECKING

from intrs_edge.lazy import lazy

if TYPE_CHECKING:
    from intrs_edge.datasets.imageset import ImageSet, Shape
    from intrs_edge.datasets.load import load_images
    from intrs_edge.datasets.names import NAMES, SYNTAX

__all__ = ["NAMES", "SYNTAX", "ImageSet", "Shape", "load_images"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("NAMES", "SYNTAX"), "intrs_edge.datasets.names"),
        **dict.fromkeys(("ImageSet", "Shape"), "intrs_edge.datasets.imageset"),
        "load_images": "intrs_edge.datasets.load",
    },
)
