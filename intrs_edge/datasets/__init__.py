"""Published image file formats in, uint8 NHWC images and labels out."""

from intrs_edge.datasets.imageset import ImageSet, Shape
from intrs_edge.datasets.load import NAMES, SYNTAX, load_images

__all__ = ["NAMES", "SYNTAX", "ImageSet", "Shape", "load_images"]
