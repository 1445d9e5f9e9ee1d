# SPDX-License-Identifier: Apache-2.0
"""AArch64 and 32-bit ARM application cores: kernels with NEON and with SDOT."""

from intrs_edge.codegen.kernels.neon import conv, elementwise, winograd  # noqa: F401
