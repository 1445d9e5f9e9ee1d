# SPDX-License-Identifier: Apache-2.0
"""What can be said of the meaning of a pixel, in words: light, so that the command line's help needs no more."""

from fractions import Fraction

# what a pixel 0..255 is multiplied by, and what is added then
RANGES = {
    "0..255": (Fraction(1), Fraction(0)),
    "0..1": (Fraction(1, 255), Fraction(0)),
    "-1..1": (Fraction(2, 255), Fraction(-1)),
}
RESIZES = ("stretch", "crop")
ASK = "--input-range 0..255, 0..1 or -1..1 (and --mean, --std, --bgr where they apply)"
