# SPDX-License-Identifier: Apache-2.0
"""x86-64: kernels with AVX2 and with AVX512-VNNI."""

from intrs_edge.codegen.kernels.x86 import conv, elementwise, winograd  # noqa: F401
