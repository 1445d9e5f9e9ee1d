# SPDX-License-Identifier: Apache-2.0
"""The embedded default: the 8x8 handwritten digits that scikit-learn ships.

From the UCI repository (Alpaydin and Kaynak, 1998). 1797 images of 17 grey levels, scaled to 0..255. Every fifth
image (index % 5 == 4) is the test split: 359 images;
the other 1438 are the training split. The licence of the data is CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from intrs_edge.datasets.imageset import Source, from_arrays

_FILE = Path(__file__).with_name("digits.npz")


def digits(split: str) -> Source:
    """The ``train`` or ``test`` split, uint8 ``[N, 8, 8, 1]``."""
    with np.load(_FILE, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    test = np.arange(len(images)) % 5 == 4
    keep = test if split == "test" else ~test
    return from_arrays(f"digits:{split}", images[keep], labels[keep], tuple("0123456789"))
