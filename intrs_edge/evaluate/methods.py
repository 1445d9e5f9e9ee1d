# SPDX-License-Identifier: Apache-2.0
"""The methods that a log can be of, and what the floating-point ones write into its columns ``noise`` and
``certificate``.
"""

INTRS, FP, QUANT = "intrs", "floatrs-fp", "floatrs-quant"
METHODS = (INTRS, FP, QUANT)
GAUSSIAN, UNPROVED = "gaussian", "unproved"
