# SPDX-License-Identifier: Apache-2.0
"""Every operator in plain C: the kernels that the others must equal."""

from intrs_edge.codegen.kernels.portable import conv, data, elementwise, pool, reduce  # noqa: F401
