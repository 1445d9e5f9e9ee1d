# SPDX-License-Identifier: Apache-2.0
"""Cortex-M0, M0+ and M3: kernels without the DSP extension."""

from intrs_edge.codegen.kernels.arm_m0 import conv  # noqa: F401
