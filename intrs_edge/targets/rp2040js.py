# SPDX-License-Identifier: Apache-2.0
"""Where npm's rp2040js is, which runs images of the Raspberry Pi Pico."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from intrs_edge.errors import IntrsError

VERSION = "1.4.1"
HOME = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "intrs-edge"
INSTALL = f"npm install --prefix {HOME} rp2040js@{VERSION}"


def node_path() -> Path | None:
    """The node_modules folder that holds rp2040js: one of NODE_PATH, ours, or None."""
    places = [Path(p) for p in os.environ.get("NODE_PATH", "").split(os.pathsep) if p]
    return next((p for p in (*places, HOME / "node_modules") if (p / "rp2040js").is_dir()), None)


def command(image: Path) -> list[str]:
    """Runs an image with UART0 on standard input and output; raises IntrsError when node or rp2040js is missing."""
    modules = node_path()
    if shutil.which("node") is None or modules is None:
        raise IntrsError(f"the Pico's emulator needs Node.js and rp2040js: apt-get install nodejs npm, then {INSTALL}")
    return ["env", f"NODE_PATH={modules}", "node", str(Path(__file__).with_name("rp2040.cjs")), str(image)]
