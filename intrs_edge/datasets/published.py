# SPDX-License-Identifier: Apache-2.0
"""Where the published data sets come from, and the SHA-256 of the files as published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from intrs_edge.errors import IntrsError

FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
CALTECH_URL = "https://data.caltech.edu/records/mzrjq-6wc02"


@dataclass(frozen=True)
class Download:
    """A file as its authors publish it."""

    url: str
    sha256: str


FASHION_MNIST = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
CIFAR10_BINARY = Download(
    CIFAR_URL + "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
CALTECH101 = Download(
    CALTECH_URL + " (101_ObjectCategories.tar.gz inside caltech-101.zip)",
    "af6ece2f339791ca20f855943d8b55dd60892c0a25105fcd631ee3d6430f9926",
)


def fashion_file(name: str) -> Download:
    """The published download of one Fashion-MNIST file."""
    return Download(FASHION_URL + name, FASHION_MNIST[name])


def missing(what: str, looked_in: list[Path], download: Download) -> IntrsError:
    """The error for a set that is not there: what, where looked for, where to get it, its SHA-256, the remedy."""
    places = " or ".join(str(place) for place in looked_in)
    return IntrsError(
        f"{what} not found in {places}; download it from {download.url} (SHA-256 {download.sha256}), unpack it there, "
        "or name another folder with --data-dir or INTRS_EDGE_DATA"
    )
