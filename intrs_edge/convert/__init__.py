# SPDX-License-Identifier: Apache-2.0
"""Ways into the IR: QAT networks, QDQ ONNX, float ONNX, int8 .tflite; see docs/convert.md."""

from intrs_edge.convert.agreement import Agreement, accuracy, agreement, compare_logits
from intrs_edge.convert.load import is_quantised, load_model
from intrs_edge.convert.onnx_file import read_onnx
from intrs_edge.convert.qdq import from_qdq_onnx

__all__ = [
    "Agreement",
    "accuracy",
    "agreement",
    "compare_logits",
    "from_qdq_onnx",
    "is_quantised",
    "load_model",
    "read_onnx",
]
