"""A fleet of many simulated boards, measured: each is the real C server in a process of its own, with answers that the
host knows, as slow and as honest as it is told.

    scripts/fleet.py                              10, 100, 1000 boards; then 1000: 10 % die, 1 % lie, 5 % are slow
    scripts/fleet.py --boards 100 --seconds 10    another size; about how long a run takes
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "targets"))

import toy_model as toy  # noqa: E402

from intrs_edge.smoothing.results import Mode, Stream  # noqa: E402
from intrs_edge.targets import LinkLostError, open_target  # noqa: E402
from intrs_edge.targets import fleet as fleet_module  # noqa: E402
from intrs_edge.targets.base import Image  # noqa: E402
from intrs_edge.targets.fleet import FleetTarget  # noqa: E402
from intrs_edge.targets.host import open_host  # noqa: E402
from intrs_edge.targets.manifest import read_manifest  # noqa: E402

ALL = 2000.0  # samples a second of all boards: each wakes its process once a sample
SLOWER = 5
FAULTS = (0.10, 0.01, 0.05)  # shares that die, lie, are slow


def project(folder: Path) -> Path:
    """The toy project with a program that is told how slow it is."""
    toy.toy_project(folder)
    toy.compile_toy("host", folder / "simulated", extra=("-DINTRS_TOY_SIMULATED=1",))
    return folder


def spec(folder: Path, rate: float, lies: bool, number: int) -> str:
    """A --target that runs such a board."""
    env = [f"INTRS_TOY_MICROSECONDS={round(1e6 / rate)}", f"INTRS_TOY_LIES={int(lies)}", f"N={number}"]
    return f"run:{shutil.which('env')} {' '.join(env)} {folder}/simulated/intrs"


def run(
    folder: Path, boards: int, seconds: float, faults: Sequence[float] = (0, 0, 0), audit: float = 0
) -> dict[str, float]:
    """Certifies on so many boards; compares every count with the host's; gives what was measured."""
    rate = min(20.0, ALL / boards)
    dying, lying, slow = (round(boards * share) for share in faults)
    rates = [rate] * boards
    for k in range(dying + lying, dying + lying + slow):
        rates[k] = rate / SLOWER
    specs = [spec(folder, rates[k], dying <= k < dying + lying, k) for k in range(boards)]
    samples = toy.toy_manifest()["settings"]["n0"] + toy.toy_manifest()["settings"]["n"]  # type: ignore[index]
    living = sum(rates[k] for k in range(boards) if k >= dying + lying)
    images = max(2, round(seconds * living / samples))
    pixels = np.random.default_rng(1).integers(0, 256, (images, *toy.SHAPE), dtype=np.uint8)
    work = [(pixels[k], Stream(5, k)) for k in range(images)]
    opened = time.monotonic()
    with open_target(folder, ",".join(specs), audit=audit) as target:
        assert isinstance(target, FleetTarget)
        opened = time.monotonic() - opened
        before = [member.target.client.latest for member in target.members if member.target]
        pids = [member.target._connection._process.pid for member in target.members if member.target]

        def kill() -> None:
            for pid in pids[:dying]:
                time.sleep(0.5 * seconds / dying)
                os.kill(pid, signal.SIGKILL)

        # those that die stay away
        for member in target.members[:dying]:
            member._opener = _gone
        begun, cpu = time.monotonic(), time.process_time()
        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        found, todo = {}, _Work(work)
        for stream, certificate, _ in target.certify_many(todo, Mode.FIXED):
            for number in target.take_suspects():  # as certify_images: they come back
                if found.pop(number, None):
                    todo.left.append(work[number])
            found[stream.image] = certificate
        took, cpu = time.monotonic() - begun, time.process_time() - cpu
        killer.join()
        frames = sum(m.target.client.latest - b for m, b in zip(target.members, before, strict=False) if m.target)
        caught, lost = len(target.liars), len(target.dropped) - len(target.liars)
    with open_host(read_manifest(folder), 1) as host:
        wrong = sum(host.certify(pixels[k], Stream(5, k)) != found[k] for k in range(images))
    ideal = images * samples / living
    return {
        "boards": boards, "images": images, "open": opened, "seconds": took, "ideal": ideal, "ratio": took / ideal,
        "cpu": cpu, "boards_a_core": boards * took / cpu, "requests_a_second": frames / took,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "wrong": wrong, "caught": caught,
        "liars": lying, "lost": lost,
    }  # fmt: skip


class _Work:
    """Images, each given once; some come back."""

    def __init__(self, work: Sequence[tuple[Image, Stream]]) -> None:
        self.left = deque(work)

    def __iter__(self) -> _Work:
        return self

    def __next__(self) -> tuple[Image, Stream]:
        if not self.left:
            raise StopIteration
        return self.left.popleft()


def _gone() -> NoReturn:
    raise LinkLostError("it died")


def main() -> int:
    """Runs, prints a table; 1 when a count is not the host's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, action="append")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--audit", type=float, default=0.05)
    parser.add_argument("--faults", action="store_true", help="the run with faults only")
    args = parser.parse_args()
    fleet_module._REOPEN_WAITS = (0.0,)
    sizes = args.boards or [10, 100, 1000]
    runs = [] if args.faults else [(size, (0.0, 0.0, 0.0), 0.0) for size in sizes]
    runs.append((sizes[-1], FAULTS, args.audit))
    good = True
    with tempfile.TemporaryDirectory() as folder:
        project(Path(folder))
        for boards, faults, audit in runs:
            seen = run(Path(folder), boards, args.seconds, faults, audit=audit)
            print("  ".join(f"{name} {value:.4g}" for name, value in seen.items()), flush=True)
            good = good and not seen["wrong"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
