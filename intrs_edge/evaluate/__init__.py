"""Images through a target into a log; figures, plots and reports out of logs."""

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
