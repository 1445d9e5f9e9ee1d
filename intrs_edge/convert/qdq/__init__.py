# SPDX-License-Identifier: Apache-2.0
"""QDQ ONNX -> graph: ``reader`` follows the nodes, ``ops`` names what reads each, ``finish`` gives the scales."""

from intrs_edge.convert.qdq.reader import from_qdq_onnx

__all__ = ["from_qdq_onnx"]
