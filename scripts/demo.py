"""The whole chain on the embedded digits: the commands a user would type, shown as they run.

Converts models/digits-resnet.onnx, generates a C project, builds it for this computer and for an emulated Cortex-M4,
certifies the same ten images on both with one seed, and checks that every vote count is equal. Writes logs, a plot and
a report.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import Row, read_log
from intrs_edge.paths import shipped

IMAGES = "digits:test[0:10]"
BOARD = "mps2-an386"
EXACT = ("selected", "count", "samples", "L", "stop")  # of a row's columns, what two targets must agree on


def main() -> int:
    """Runs the chain; 1 when the board and the host disagree anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder for everything that is written (default: demo)"
    )
    parser.add_argument("--model", type=Path, help="another model for 8x8 digits (default: the shipped one)")
    parser.add_argument("--seed", default="1")
    args = parser.parse_args()
    start = time.monotonic()
    try:
        rows = chain(args.out, args.model or shipped("models") / "digits-resnet.onnx", args.seed)
        print(table(*rows))
        differing = differences(*rows)
    except (IntrsError, subprocess.CalledProcessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    if differing:
        print("host and board DIFFER:\n" + "\n".join(differing))
        return 1
    print(f"\n{len(rows[0])} images: class, counts, samples and squared radius are equal on the host and on {BOARD}.")
    seconds = time.monotonic() - start
    print(f"{args.out}/certified.svg, {args.out}/report.html, {args.out}/*.tsv written; {seconds:.0f} s in all.")
    return 0


def chain(out: Path, source: Path, seed: str) -> tuple[list[Row], list[Row]]:
    """Model to logs; gives the rows of the host and of the board."""
    out.mkdir(parents=True, exist_ok=True)
    model, project = out / "digits.tflite", out / "project"
    logs = {"host": out / "host.tsv", "emulator": out / f"{BOARD}.tsv"}
    for log in logs.values():
        log.unlink(missing_ok=True)
    step("convert", source, "-o", model)
    step("generate", model, "--board", BOARD, "--sigma", "0.25", "--n0", "100", "--n", "1000", "--alpha", "0.001",
         "-o", project)  # fmt: skip
    step("build", project)
    for target, log in logs.items():
        step("certify", project, IMAGES, "--target", target, "--seed", seed, "--log", log)
    step(
        "report",
        *logs.values(),
        "--plot",
        out / "certified.svg",
        "-o",
        out / "report.html",
        "--radii",
        "0,0.1,0.25,0.5,0.75",
    )
    return read_log(logs["host"]), read_log(logs["emulator"])


def step(*arguments: object) -> None:
    """Shows a command and runs it; raises CalledProcessError when it fails."""
    words = [str(a) for a in arguments]
    print(f"\n$ intrs-edge {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "intrs_edge.cli.main", *words], check=True)


def table(host: list[Row], board: list[Row]) -> str:
    """Both results beside each other, one line an image."""
    lines = ["", "image  label  answer   votes host  votes board   radius (pixels 0..1)   L (lattice steps^2)  equal"]
    for a, b in zip(host, board, strict=True):
        answer = "abstain" if a.abstained else str(a.predict)
        same = "yes" if not difference(a, b) else "NO"
        lines.append(
            f"{a.idx:>5}  {a.label:>5}  {answer:>7}  {a.extra['count']:>11}  {b.extra['count']:>11}  {a.radius:>19.6f}"
            f"   {a.extra['L']:>19}  {same:>5}"
        )
    return "\n".join(lines)


def differences(host: list[Row], board: list[Row]) -> list[str]:
    """Every disagreement, in words; empty when all is equal."""
    if [row.idx for row in host] != [row.idx for row in board]:
        return ["not the same images"]
    return [line for a, b in zip(host, board, strict=True) for line in difference(a, b)]


def difference(a: Row, b: Row) -> list[str]:
    """Where two rows of one image disagree."""
    pairs = {"predict": (str(a.predict), str(b.predict)), **{name: (a.extra[name], b.extra[name]) for name in EXACT}}
    return [f"image {a.idx}: {name} {x} on the host, {y} on the board" for name, (x, y) in pairs.items() if x != y]


if __name__ == "__main__":
    sys.exit(main())
