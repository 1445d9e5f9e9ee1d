# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge init MODEL``: writes intrs.toml, which every command in this folder reads."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from intrs_edge.cli.defaults import FILE, KEYS
from intrs_edge.cli.options import decimal, sized
from intrs_edge.errors import IntrsError

EXAMPLES = (
    "intrs-edge init model.onnx --board mps2-an386 --images photos",
    "intrs-edge init model.onnx --board nucleo-f446re --sigma 0.5 --n 10000 --images 'cifar10:test[::100]'",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=KEYS["model"][0])
    parser.add_argument("--board", default="host", metavar="ID", help=f"{KEYS['board'][0]} (default: host)")
    parser.add_argument("--project", default="project", metavar="DIR", help=f"{KEYS['project'][0]} (default: project)")
    parser.add_argument("--images", metavar="IMAGES", help=KEYS["images"][0])
    parser.add_argument("--data-dir", metavar="DIR", help=KEYS["data_dir"][0])
    parser.add_argument("--log", default="certified.tsv", metavar="FILE", help=f"{KEYS['log'][0]} (certified.tsv)")
    parser.add_argument("--sigma", type=decimal, help=f"{KEYS['sigma'][0]} (default: what the model was trained for)")
    parser.add_argument("--n0", type=sized, default=0, help=f"{KEYS['n0'][0]} (default %(default)s)")
    parser.add_argument("--n", type=sized, default=1000, help=f"{KEYS['n'][0]} (default %(default)s)")
    parser.add_argument("--alpha", type=decimal, default="0.001", help=f"{KEYS['alpha'][0]} (default %(default)s)")
    parser.add_argument("--seed", type=sized, help=KEYS["seed"][0])
    parser.add_argument("--force", action="store_true", help=f"write over the {FILE} that is there")
    parser.add_argument("--json", action="store_true", help="print JSON: wrote")


def run(args: argparse.Namespace) -> int:
    """Looks whether model and board are there, then writes."""
    from intrs_edge.boards import load_board
    from intrs_edge.files import write_atomically

    if not Path(args.model).is_file():
        raise IntrsError(f"model {args.model}: no such file; name an int8 .tflite or a QDQ .onnx")
    load_board(args.board)
    if FILE.exists() and not args.force:
        raise IntrsError(f"{FILE} is there already; change it with an editor, or write it anew with --force")
    write_atomically(FILE, settings_text({name: getattr(args, name) for name in KEYS}), "settings")
    print(json.dumps({"wrote": str(FILE)}) if args.json else f"wrote {FILE}")
    return 0


def settings_text(values: dict[str, Any]) -> str:
    """The file; what is not known stands in it as a comment."""
    lines = ["# read by every intrs-edge command that runs in this folder; options overrule it", ""]
    for name, (what, kind) in KEYS.items():
        value = values.get(name)
        lines.append(f"# {what}")
        if value is None:
            lines.append(f"# {name} =" + {"sigma": " 0.25", "seed": " 1"}.get(name, ' ""'))
        else:
            lines.append(f"{name} = {json.dumps(str(value), ensure_ascii=False) if kind is str else value}")
    return "\n".join(lines) + "\n"
