# SPDX-License-Identifier: Apache-2.0
"""``intrs-edge bench MODEL``: speed of the host against other engines, cost on a board."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from intrs_edge.cli.options import add_cluster, add_data_dir, check_workers, decimal, sized
from intrs_edge.errors import IntrsError, several
from intrs_edge.integers import ceil_div
from intrs_edge.targets.build import build_project
from intrs_edge.zoo import model_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from intrs_edge.bench.peers import Engine
    from intrs_edge.bench.speed import Comparison
    from intrs_edge.graph.ir import Graph
    from intrs_edge.targets.board_cost import BoardCost, Estimate


_CLUSTER_SECONDS = 8.0  # of a call to workers, whose tasks take a second


EXAMPLES = (
    "intrs-edge bench model.onnx",
    "intrs-edge bench model.onnx --board mps2-an386 --no-host --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=model_file, metavar="MODEL", help="an int8 .tflite or a QDQ .onnx")
    parser.add_argument("--board", metavar="ID", help="also count instructions on this board, in the emulator")
    parser.add_argument("--no-host", action="store_true", help="the board only")
    parser.add_argument("--image", metavar="IMAGE", help="one image, as digits:test[7] (default: a made-up one)")
    add_data_dir(parser)
    parser.add_argument(
        "--sigma", type=decimal, default=Decimal("0.25"), help="noise, in [0,1] pixels (default %(default)s)"
    )
    parser.add_argument(
        "--n", type=sized, default=100_000, help="samples of the certificate estimated (default 100000)"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of every engine (default: all cores)")
    parser.add_argument(
        "--batch", type=int, default=64, help="images a call of the other engines (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of all engines in turn (default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="of each engine in a round, at least (default %(default)s)"
    )
    add_cluster(parser)
    parser.add_argument("--peers", default="all", help="names of peers separated by commas, all (default) or none")
    parser.add_argument(
        "--optimize", choices=("speed", "balanced", "size"), default="speed", help="of the board (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="write a chart of the host's figures: .svg")


def run(args: argparse.Namespace) -> int:
    """Generates and builds in a temporary folder, measures, counts, prints."""
    from intrs_edge.bench.report import Benchmark, as_json, as_text, write_chart
    from intrs_edge.convert import load_model
    from intrs_edge.graph.summary import summarize

    _check(args)
    check_workers(args.workers)
    graph = _with_reading(load_model(args.model))
    comparison, board, when, path = None, None, None, "none"
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="intrs-bench-") as folder:
        if not args.no_host:
            comparison, path = _host(args, graph, Path(folder) / "host")
        if args.board:
            board, when, sizes = _board(args, graph, Path(folder) / "board")
    bench = Benchmark(
        args.model.name, summarize(graph).macs, args.threads, args.batch, path, comparison, board, when, sizes
    )
    if args.chart:
        write_chart(bench, args.chart)
    print(json.dumps(as_json(bench), indent=2) if args.json else as_text(bench))
    return 0


def _with_reading(graph: Graph) -> Graph:
    """Speed does not hang on what a pixel means: where that is not known, pixel p becomes the code p - 128."""
    from intrs_edge.graph.passes import normalize, signed_ends
    from intrs_edge.graph.preprocessing import Preprocessing, described
    from intrs_edge.graph.reading import PixelOptions, resolve

    graph = signed_ends(normalize(graph))
    quant = graph.tensors[graph.inputs[0]].quant
    reading = resolve(graph, PixelOptions(force=True))
    if reading.known or quant is None:
        return reading.graph
    step = 1 / Fraction(float(quant.scale[0]))
    return described(graph, Preprocessing("0..255", (Fraction(128 + int(quant.zero_point[0])),), (step,)))


def _check(args: argparse.Namespace) -> None:
    for name, low, high in (("threads", 1, 1024), ("batch", 1, 4096), ("rounds", 1, 1000)):
        if not low <= getattr(args, name) <= high:
            raise IntrsError(f"--{name} {getattr(args, name)} is outside {low} .. {high}")
    if not 0 < args.seconds <= 600:
        raise IntrsError(f"--seconds {args.seconds} is outside 0 .. 600")
    if args.no_host and not args.board:
        raise IntrsError("--no-host leaves nothing to do: name a board with --board ID")
    if args.no_host and args.chart:
        raise IntrsError("--chart shows figures of the host: leave out --no-host")
    if args.chart and args.chart.suffix != ".svg":
        raise IntrsError(f"chart {args.chart}: charts are written as .svg")


def _say(text: str) -> None:
    """One line of progress, replaced by the next; the empty one clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _rounds(rounds: int) -> Callable[[int], None]:
    """Says which round is done, how many a second, and the time left."""
    from intrs_edge.terminal import clock

    start = time.monotonic()

    def tick(done: int) -> None:
        seconds = time.monotonic() - start
        rate = done / seconds if seconds > 0 else 0.0
        left = f", {rate:.2g}/s, {clock((rounds - done) / rate)} left" if rate else ""
        _say(f"round {done} of {rounds}{left}")

    return tick


def _host(args: argparse.Namespace, graph: Graph, folder: Path) -> tuple[Comparison, str]:
    from intrs_edge.bench.peers import PEERS, Absent, Engine, Workload, open_peer
    from intrs_edge.bench.speed import OURS, compare, noisy_inputs
    from intrs_edge.codegen import GenerateOptions, generate
    from intrs_edge.graph.input_map import derive_input_map, image_shape
    from intrs_edge.smoothing.results import Stream
    from intrs_edge.targets import open_target

    chosen = list(PEERS) if args.peers == "all" else [] if args.peers == "none" else args.peers.split(",")
    for name in chosen:
        if name not in PEERS:
            raise IntrsError(f"--peers: {name!r} is none of {', '.join(PEERS)}")
    image = _image(args, image_shape(graph))
    _say("building")
    generate(graph, GenerateOptions(sigma=args.sigma), folder)
    build_project(folder, os.cpu_count() or 1)
    reach = math.ceil(float(args.sigma) * 255 * 8)
    inputs = noisy_inputs(image, float(args.sigma), args.batch, derive_input_map(graph, reach).apply)
    work = Workload(graph, inputs, args.threads, args.model)
    with open_target(folder, "host", args.threads) as target:
        samples = 256 * args.threads
        own = Engine(OURS, _version(), lambda: target.votes(image, Stream(1, 0), 0, samples), samples)
        peers: list[Engine | Absent] = []
        for name in chosen:
            _say(f"opening {name}")
            peers.append(open_peer(name, work))
        with _cluster(args, folder, image) as cluster:
            comparison = compare(own, [*cluster, *peers], args.rounds, args.seconds, _rounds(args.rounds))
    _say("")
    return comparison, host_path(folder)


@contextmanager
def _cluster(args: argparse.Namespace, folder: Path, image: npt.NDArray[np.uint8]) -> Iterator[list[Engine]]:
    """The workers as an engine: whole certifications as `certify` gives them out, some seconds of them a call."""
    from intrs_edge.bench.peers import Engine
    from intrs_edge.smoothing.results import Mode, Stream
    from intrs_edge.targets.cluster import ClusterTarget
    from intrs_edge.targets.manifest import read_manifest

    if not args.scheduler and not args.workers:
        yield []
        return
    _say("opening workers")
    with ClusterTarget(read_manifest(folder), args.scheduler, args.workers or 0) as cluster:
        threads, rate = cluster.strength
        images = max(1, round(rate * max(args.seconds, _CLUSTER_SECONDS) / cluster.info.n))

        def run() -> npt.NDArray[np.int64]:
            import numpy as np

            work = ((image, Stream(1, k)) for k in range(images))
            return np.array([found.selected for _, found, _ in cluster.certify_many(work, Mode.FIXED)])

        name = f"{several(threads, 'thread')} of {'workers' if args.workers else args.scheduler}"
        yield [Engine(name, _version(), run, images * cluster.info.n)]


def _version() -> str:
    from intrs_edge import __version__

    return __version__


def host_path(folder: Path) -> str:
    """The instruction-set level that this CPU takes of a generated host model."""
    kernels = json.loads((folder / "project.json").read_text())["host"]["kernels"]
    flags = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").is_file() else set()
    best_first = {"avx512vnni": "avx512_vnni", "avx2": "avx2", "dotprod": "asimddp", "neon": "asimd"}
    return next((level for level, flag in best_first.items() if level in kernels and flag in flags), "portable")


def _image(args: argparse.Namespace, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    import numpy as np

    if args.image is None:  # smooth blobs: what matters for speed is only that it is not constant
        coarse = np.random.default_rng(1).integers(0, 256, (ceil_div(shape[0], 4), ceil_div(shape[1], 4), shape[2]))
        return coarse.repeat(4, 0).repeat(4, 1)[: shape[0], : shape[1]].astype(np.uint8)
    from intrs_edge.datasets import load_images

    images = load_images(args.image, args.data_dir, shape, args.split_seed).images
    if len(images) != 1:
        raise IntrsError(f"--image {args.image} holds {len(images)} images: name one")
    chosen: npt.NDArray[np.uint8] = images[0]
    return chosen


def _board(args: argparse.Namespace, graph: Graph, folder: Path) -> tuple[BoardCost, Estimate | None, dict[str, int]]:
    from intrs_edge.boards import load_board
    from intrs_edge.codegen import GenerateOptions, generate
    from intrs_edge.targets.board_cost import count_board, estimate, stand_in

    named = load_board(args.board)
    counted_on = stand_in(named)
    _say(f"building for {counted_on.id}")
    report = generate(graph, GenerateOptions(board=counted_on, sigma=args.sigma, optimize=args.optimize), folder)
    build_project(folder, os.cpu_count() or 1)
    _say(f"counting on {counted_on.id}")
    cost = count_board(folder, counted_on, named.id)
    _say("")
    found = {"flash_bytes": report.sizes.flash, "arena_bytes": report.model.arena_bytes}
    return cost, estimate(cost, named, graph.tensors[graph.inputs[0]].elements, args.n), found
