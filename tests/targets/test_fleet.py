"""Nothing is lost: boards die, clients die, boards lie; the counts are those of an undisturbed run."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import toy_model as toy
from leftover import end_descendants

from intrs_edge.children import guarded
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import LinkLostError, open_target
from intrs_edge.targets import fleet as fleet_module
from intrs_edge.targets.fleet import FleetTarget

IMAGE = np.random.default_rng(1).integers(0, 256, toy.SHAPE, dtype=np.uint8)
STREAM = Stream(5, 6)
RIGHT = toy.votes(IMAGE, 5, 6, 20, 400)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return toy.toy_project(tmp_path_factory.mktemp("toy"), "mps2-an386", work=2000)


@pytest.fixture(autouse=True)
def short_ranges(monkeypatch):
    monkeypatch.setattr(fleet_module, "_RANGE_SECONDS", 0.02)
    monkeypatch.setattr(fleet_module, "_LARGEST_RANGE", 4)  # so many that every board gets some
    monkeypatch.setattr(fleet_module, "_REOPEN_WAITS", (0.0,))


def test_boards_share_the_samples(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"emulator,{program},{program}") as fleet:
        assert isinstance(fleet, FleetTarget)
        np.testing.assert_array_equal(fleet.votes(IMAGE, STREAM, 20, 400), RIGHT)
        by = {r.by for r in fleet.journal._ranges.popitem()[1]}
        assert len(by) >= 2
        assert fleet.certify(IMAGE, STREAM).count == toy.votes(IMAGE, 5, 6, 20, 200)[1]
        assert fleet.predict(IMAGE, STREAM).top == 1
        assert not fleet.dropped


def test_a_board_that_dies_comes_back(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program}") as fleet:
        os.kill(fleet.members[1].target._transport._process.pid, signal.SIGKILL)
        np.testing.assert_array_equal(fleet.votes(IMAGE, STREAM, 20, 400), RIGHT)
        assert not fleet.dropped


def test_a_board_that_stays_away_is_dropped(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program}") as fleet:
        dead = fleet.members[1]
        os.kill(dead.target._transport._process.pid, signal.SIGKILL)

        def gone():
            raise LinkLostError("unplugged")

        dead._opener = gone
        np.testing.assert_array_equal(fleet.votes(IMAGE, STREAM, 20, 400), RIGHT)
        assert list(fleet.dropped) == [dead.name]
        fleet.members[0]._opener = gone
        os.kill(fleet.members[0].target._transport._process.pid, signal.SIGKILL)
        with pytest.raises(LinkLostError, match="no board is left"):
            fleet.votes(IMAGE, STREAM, 1000, 400)
        with pytest.raises(LinkLostError, match="no board is left"):
            fleet.predict(IMAGE, STREAM)


def lie(member):
    true_votes = member.target.votes
    member.target.votes = lambda *args: np.roll(true_votes(*args), 1)


def test_a_lying_board_is_dropped_and_its_ranges_redone(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program}", audit=0.3) as fleet:
        lie(fleet.members[0])
        np.testing.assert_array_equal(fleet.votes(IMAGE, STREAM, 20, 400), RIGHT)
        assert "answered wrongly" in fleet.dropped[fleet.members[0].name]


def test_without_an_audit_a_lie_stands(built):
    # the control: it is the audit that finds it
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program}") as fleet:
        lie(fleet.members[0])
        assert (fleet.votes(IMAGE, STREAM, 20, 400) != RIGHT).any()


CLIENT = """
import sys
import numpy as np
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import fleet, open_target
fleet._RANGE_SECONDS, fleet._LARGEST_RANGE = 0.02, 4
image = np.random.default_rng(1).integers(0, 256, (10, 10, 3), dtype=np.uint8)
with open_target(sys.argv[1], sys.argv[2], journal=__import__("pathlib").Path(sys.argv[3])) as target:
    print("open", *[m.target._transport.process.pid for m in target.members], flush=True)
    print(*target.votes(image, Stream(5, 6), 20, 400), flush=True)
"""


def killed_runs(built, tmp_path, kills, seed):
    """The counts after kills of client and emulator at random, and the lines of the journal after each."""
    rng, journal = random.Random(seed), tmp_path / "journal"
    command = [sys.executable, "-c", CLIENT, str(built), "emulator", str(journal)]
    lines = []
    for _ in range(kills):
        client = subprocess.Popen(guarded(command), stdout=subprocess.PIPE, text=True)
        _, emulator = client.stdout.readline().split()
        goal = journal.read_bytes().count(b"\n") + rng.randrange(1, 8)  # however loaded the machine is
        while client.poll() is None and journal.read_bytes().count(b"\n") < goal:
            time.sleep(0.003)
        if rng.random() < 0.5:
            client.kill()
        else:
            with contextlib.suppress(ProcessLookupError):  # the journal held all: this client ended by itself
                os.kill(int(emulator), signal.SIGKILL)
            time.sleep(rng.random() * 0.3)
            client.kill()
        client.communicate()
        lines.append(len(journal.read_bytes().splitlines()))
        if rng.random() < 0.3:  # a torn last line
            data = journal.read_bytes()
            journal.write_bytes(data[: len(data) - rng.randrange(1, 20)])
        assert end_descendants(5) == [], "the emulator outlived its client"
    done = subprocess.run(guarded(command), capture_output=True, text=True, check=True)
    return [int(v) for v in done.stdout.splitlines()[-1].split()], lines


def test_kills_change_nothing(built, tmp_path):
    votes, lines = killed_runs(built, tmp_path, 5, 1)
    assert votes == RIGHT.tolist()
    assert lines[-1] > 1


@pytest.mark.long
def test_fifty_kills_change_nothing(built, tmp_path):
    assert killed_runs(built, tmp_path, 50, 2)[0] == RIGHT.tolist()
