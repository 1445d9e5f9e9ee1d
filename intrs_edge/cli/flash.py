# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge flash DIR``: programs the board, then checks who answers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intrs_edge.targets.runners import Plan


EXAMPLES = (
    "intrs-edge flash project --dry-run",
    "intrs-edge flash project --port /dev/ttyACM0",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, metavar="DIR", help="a built project")
    parser.add_argument("--runner", metavar="NAME", help="one of the board's runners (default: its first)")
    parser.add_argument(
        "--where",
        metavar="PLACE",
        help="serial number of probe or board, UF2 volume, user@host, gdb's host:port, a port (default: the usual)",
    )
    check = parser.add_mutually_exclusive_group()
    check.add_argument(
        "--port",
        metavar="DEVICE",
        help="the board's serial port, such as /dev/ttyACM0, where it must then answer with this build's hashes "
        "(default: the USB serial port, if there is exactly one)",
    )
    check.add_argument(
        "--verify", metavar="TARGET", help="the same of any target, such as tcp:HOST:PORT or run:'ssh board ./intrs'"
    )
    check.add_argument("--no-verify", action="store_true", help="do not check who answers")
    parser.add_argument("--dry-run", action="store_true", help="print the exact commands and do nothing")
    parser.add_argument("--json", action="store_true", help="print JSON: runner, commands, flashed, verified, why")


def run(args: argparse.Namespace) -> int:
    """Shows what is done, and does it."""
    from intrs_edge.targets.flash import flash, make_plan

    plan = make_plan(args.project, args.runner, args.where)
    verify, why = _verification(args, plan)
    if args.json:
        return _as_json(args, plan, verify, why)
    print(plan.as_text(), flush=True)
    if args.dry_run:
        print(f"# then checked: {verify} ({why})" if verify else f"# then not checked: {why}")
        return 0
    flash(args.project, args.runner, args.where, verify)
    if verify:
        print(f"flashed; {verify} ({why}) answers with this build's hashes")
    else:
        print(f"flashed; NOT checked who answers: {why}")
    return 0


def _as_json(args: argparse.Namespace, plan: Plan, verify: str | None, why: str) -> int:
    from intrs_edge.targets.flash import flash

    if not args.dry_run:
        flash(args.project, args.runner, args.where, verify)
    found = {"runner": plan.runner, "commands": plan.as_text().splitlines(), "flashed": not args.dry_run}
    print(json.dumps(found | {"verified": None if args.dry_run else verify, "why": why}))
    return 0


def _verification(args: argparse.Namespace, plan: Plan) -> tuple[str | None, str]:
    """The target to ask after flashing and how it was chosen; or None and why there is none."""
    from intrs_edge.targets.flash import usb_serial_ports

    if args.no_verify:
        return None, "--no-verify"
    if args.verify:
        return args.verify, "--verify"
    if args.port:
        return f"serial:{args.port}", "--port"
    if plan.answers:
        return plan.answers, "the program just copied"
    if plan.runner == "gdb":
        return None, "gdb does not say where the board's serial port is; name it with --port or --verify"
    ports = usb_serial_ports()
    if len(ports) == 1:
        return f"serial:{ports[0]}", "the only USB serial port"
    found = f"{len(ports)} USB serial ports ({', '.join(ports)})" if ports else "no USB serial port was found"
    return None, f"{found}; name the board's with --port DEVICE"
