# SPDX-License-Identifier: Apache-2.0
"""Cores without SIMD: Cortex-M0, M3, M23, M33 without DSP, RV32IM."""

from intrs_edge.codegen.kernels.scalar import conv, depthwise, elementwise, residual, winograd  # noqa: F401
