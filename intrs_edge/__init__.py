# SPDX-License-Identifier: Apache-2.0
"""IntRS-Edge: integer-only certified robustness, from a trained network to a microcontroller.

import intrs_edge as ie
project = ie.generate("model.onnx", "project", board="mps2-an386", n=1000).build()
log = project.certify("digits:test[0:10]", "out.tsv")
log.report("report.html")
"""

from typing import TYPE_CHECKING

from intrs_edge.lazy import lazy

if TYPE_CHECKING:
    from intrs_edge.api import Log, Project, build, certify, generate, load, read_log, report
    from intrs_edge.datasets import load_images
    from intrs_edge.errors import IntrsError
    from intrs_edge.smoothing.results import Certificate, Stream

__version__ = "0.1.0"
__all__ = [
    "Certificate",
    "IntrsError",
    "Log",
    "Project",
    "Stream",
    "build",
    "certify",
    "generate",
    "load",
    "load_images",
    "read_log",
    "report",
    "train",
]

# ``train`` is a package of this one; it can be called, and is then `api.train`
from intrs_edge import train

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(
            ("Log", "Project", "build", "certify", "generate", "load", "read_log", "report"), "intrs_edge.api"
        ),
        **dict.fromkeys(("Certificate", "Stream"), "intrs_edge.smoothing.results"),
        "IntrsError": "intrs_edge.errors",
        "load_images": "intrs_edge.datasets",
    },
)
