# SPDX-License-Identifier: Apache-2.0
"""Cortex-M4, M7 and M33: kernels with the DSP extension."""

from intrs_edge.codegen.kernels.arm_dsp import conv, elementwise, residual, winograd  # noqa: F401
