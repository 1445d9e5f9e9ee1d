"""Nothing is lost: boards die, clients die, boards lie; the counts are those of an undisturbed run."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import toy_model as toy
from leftover import end_descendants

from intrs_edge.children import guarded
from intrs_edge.smoothing.results import Mode, Stream
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
        os.kill(fleet.members[1].target._connection._process.pid, signal.SIGKILL)
        np.testing.assert_array_equal(fleet.votes(IMAGE, STREAM, 20, 400), RIGHT)
        assert not fleet.dropped


def test_a_board_that_stays_away_is_dropped(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program}") as fleet:
        dead = fleet.members[1]
        os.kill(dead.target._connection._process.pid, signal.SIGKILL)

        def gone():
            raise LinkLostError("unplugged")

        dead._opener = gone
        np.testing.assert_array_equal(fleet.votes(IMAGE, STREAM, 20, 400), RIGHT)
        assert list(fleet.dropped) == [dead.name]
        fleet.members[0]._opener = gone
        os.kill(fleet.members[0].target._connection._process.pid, signal.SIGKILL)
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


def several(count):
    """Images that boards share."""
    return [(np.roll(IMAGE, k), Stream(5, k)) for k in range(count)]


def right_of(work):
    return [toy.votes(image, stream.seed, stream.image, 20, 200).tolist() for image, stream in work]


def test_many_images_are_shared_and_a_board_dies(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program},{program}") as fleet:
        dead = fleet.members[1]

        def gone():
            raise LinkLostError("unplugged")

        given = []

        def work():
            for item in several(12):
                if len(given) == 6:
                    dead._opener = gone
                    os.kill(dead.target._connection._process.pid, signal.SIGKILL)
                given.append(item)
                yield item

        found = list(fleet.certify_many(work(), Mode.FIXED))
        assert [stream for stream, _, _ in found] == [stream for _, stream in given]
        assert [list(c.votes) for _, c, _ in found] == right_of(given)
        assert len({by for ranges in fleet.journal._ranges.values() for by in {r.by for r in ranges}}) > 1


def test_many_images_a_liar_had_a_part_in_are_certified_again(built):
    program = f"run:{built}/build/host/intrs"
    with open_target(built, f"{program},{program}", audit=0.3) as fleet:
        lie(fleet.members[0])
        todo, found = dict(enumerate(several(12))), {}
        while todo:
            for stream, certificate, _ in fleet.certify_many(list(todo.values()), Mode.FIXED):
                found[stream.image] = certificate
            again = fleet.take_suspects()
            todo = {k: item for k, item in enumerate(several(12)) if k in again}
        assert [list(found[k].votes) for k in range(12)] == right_of(several(12))
        assert list(fleet.liars) == [fleet.members[0].name]


def test_a_board_that_always_lies_is_found_by_the_smallest_audit(built):
    """Its first range is audited, whatever the share."""
    program = f"run:{built}/build/host/intrs"
    for audit, caught in ((0.0, 0), (1e-9, 1)):
        with open_target(built, f"{program},{program}", audit=audit) as fleet:
            lie(fleet.members[0])
            found = list(fleet.certify_many(several(12), Mode.FIXED))
            assert len(fleet.liars) == caught
            assert ([list(c.votes) for _, c, _ in found] == right_of(several(12))) == bool(caught)


def test_what_a_journal_has_of_many_images_is_not_asked_again(built, tmp_path):
    program = f"run:{built}/build/host/intrs"
    for _ in range(2):
        with open_target(built, program, journal=tmp_path / "journal") as fleet:
            found = list(fleet.certify_many(several(3), Mode.FIXED))
            assert [list(c.votes) for _, c, _ in found] == right_of(several(3))
            asked = fleet.members[0].target.seconds_per_sample
    assert asked == 0.0  # nothing was, the second time


def test_descriptors_beyond_those_that_select_knows(built):
    """A fleet of a thousand has more files open than select(2) can name."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("no more than a thousand files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(1030)]
    try:
        with open_target(built, f"run:{built}/build/host/intrs") as board:
            assert board._connection._out > 1023
            np.testing.assert_array_equal(board.votes(IMAGE, STREAM, 20, 400), RIGHT)
    finally:
        for fd in fillers:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


CLIENT = """
import sys
import numpy as np
from intrs_edge.smoothing.results import Mode, Stream
from intrs_edge.targets import fleet, open_target
fleet._RANGE_SECONDS, fleet._LARGEST_RANGE = 0.02, 4
image = np.random.default_rng(1).integers(0, 256, (10, 10, 3), dtype=np.uint8)
with open_target(sys.argv[1], sys.argv[2], journal=__import__("pathlib").Path(sys.argv[3])) as target:
    print("open", *[m.target._connection.process.pid for m in target.members], flush=True)
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
