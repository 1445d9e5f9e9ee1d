# SPDX-License-Identifier: Apache-2.0
"""Cortex-M55 and M85: kernels with integer MVE."""

from intrs_edge.codegen.kernels.arm_mve import conv, elementwise, residual  # noqa: F401
