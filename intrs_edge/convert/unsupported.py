# SPDX-License-Identifier: Apache-2.0
"""What a converter raises for one node; collected, so that all are listed at once."""


class Unsupported(Exception):
    """One node cannot be converted; the message says why and what to do."""
