# SPDX-License-Identifier: Apache-2.0
"""``python -m intrs_edge`` is the command ``intrs-edge``."""

import sys

from intrs_edge.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
