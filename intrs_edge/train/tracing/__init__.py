# SPDX-License-Identifier: Apache-2.0
"""From a torch graph to an `Architecture`: `graph` follows the values, `fuse` folds and fuses, the others say what each
module, function and method becomes (`tables` lists them)."""
