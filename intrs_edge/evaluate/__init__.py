# SPDX-License-Identifier: Apache-2.0
"""Images through a target into a log; figures, plots and reports out of logs."""

from typing import TYPE_CHECKING

from intrs_edge.lazy import lazy

if TYPE_CHECKING:
    from intrs_edge.evaluate.certify import certify_images
    from intrs_edge.evaluate.identity import images_digest
    from intrs_edge.evaluate.log import LogWriter, Row, read_log
    from intrs_edge.evaluate.metrics import (
        average_certified_radius,
        certified_accuracy,
        certified_accuracy_eq10,
        certified_percentage,
        summarise,
    )

__all__ = [
    "LogWriter",
    "Row",
    "average_certified_radius",
    "certified_accuracy",
    "certified_accuracy_eq10",
    "certified_percentage",
    "certify_images",
    "images_digest",
    "read_log",
    "summarise",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(__all__, "intrs_edge.evaluate.metrics"),
        **dict.fromkeys(("LogWriter", "Row", "read_log"), "intrs_edge.evaluate.log"),
        "certify_images": "intrs_edge.evaluate.certify",
        "images_digest": "intrs_edge.evaluate.identity",
    },
)
