"""A cluster: rows are those of one machine, whoever is killed and whoever joins late; only those that were checked
count.
"""

import dataclasses
import importlib.util
import os
import subprocess
import sys
import time
from decimal import Decimal

import numpy as np
import pytest
from small_project import SHAPE, build_small

from intrs_edge.children import guarded, patient
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Mode, Stream
from intrs_edge.targets import cluster as cluster_module
from intrs_edge.targets import cluster_worker
from intrs_edge.targets.cluster import ClusterCrew, ClusterTarget
from intrs_edge.targets.cluster_worker import PROBE, admit, bundle_of
from intrs_edge.targets.host import open_host
from intrs_edge.targets.manifest import read_manifest

needs_dask = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="needs the extra cluster")
IMAGES = np.random.default_rng(8).integers(0, 256, (40, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster") / "p"
    build_small(directory, n=20000, target_radius=Decimal("0.02"))
    return read_manifest(directory)


@pytest.fixture(scope="module")
def bundle(manifest):
    return bundle_of(manifest)


@pytest.fixture(scope="module")
def right(manifest, bundle):
    with open_host(manifest, 1) as host:
        return host.votes(bundle.image, bundle.stream, 0, PROBE)


@pytest.fixture(scope="module")
def scheduler():
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=50) as there:
        yield there.scheduler_address


@pytest.fixture
def start(scheduler, tmp_path):
    """Starts a worker in a process of its own; they end with the test."""
    processes = []

    def worker():
        command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--no-nanny", "--nthreads", "1"]
        folder = tmp_path / f"worker{len(processes)}"
        with (tmp_path / "log").open("a") as log:
            command += ["--no-dashboard", "--local-directory", str(folder)]
            processes.append(subprocess.Popen(guarded(command), stdout=log, stderr=log))
        return processes[-1]

    worker.processes = processes
    yield worker
    for process in processes:
        process.kill()
        process.wait()


def process_of(target, name, start):
    """The process of a worker; ``kill`` is SIGKILL."""
    pid = target.client.run(os.getpid, workers=[name])[name]
    return next(process for process in start.processes if process.pid == pid)


@needs_dask
def test_rows_are_those_of_one_machine_whoever_dies_and_joins(manifest, scheduler, start, tmp_path):
    start(), start()
    for mode in (Mode.FIXED, Mode.TARGET):  # in each one of two is killed; another joins in the first
        journal = tmp_path / mode.name
        given = []
        with ClusterTarget(manifest, scheduler, journal=journal) as target:
            crew = target._crew
            while len(crew.members()) < 2:
                time.sleep(0.05)
            first = set(crew.members())
            victim = sorted(first)[0]
            processes = {name: process_of(target, name, start) for name in first}

            def counted(target=target):
                return {by for key in target.journal._ranges for by in {r.by for r in target.journal.ranges(key)}}

            def work(
                crew=crew, first=first, victim=victim, given=given, counted=counted, processes=processes, mode=mode
            ):
                killed = False
                joins = mode == Mode.FIXED
                # until the late one has had its part
                while len(given) < 30 or not killed or (joins and not counted() - first):
                    time.sleep(0.1 if len(given) > 30 else 0)
                    if not killed and victim in counted() and victim in {t.member for t in [*crew._under_way.values()]}:
                        processes[victim].kill()
                        if joins:
                            start()
                        killed = True
                    k = len(given)
                    given.append((IMAGES[k % len(IMAGES)], Stream(3, k)))
                    yield given[-1]

            found = list(target.certify_many(work(), mode))
            latest = time.monotonic() + patient(30)
            while victim in crew.members() and time.monotonic() < latest:
                time.sleep(0.05)
            assert victim not in crew.admitted
            assert len(counted()) == (3 if mode == Mode.FIXED else 2)
        assert [stream for stream, _, _ in found] == [stream for _, stream in given]
        with open_host(manifest, 1) as host:
            assert [c for _, c, _ in found] == [host.certify_alone(image, stream, mode) for image, stream in given]
    # what is in a journal is not counted again
    with ClusterTarget(manifest, scheduler, journal=journal) as target:
        target._crew.start = None
        again = list(target.certify_many(given, mode))
    assert [c for _, c, _ in again] == [c for _, c, _ in found]


@needs_dask
def test_processes_of_this_machine_from_the_command_line(manifest, run_cli, tmp_path):
    logs = {}
    for name, options in {"one": (), "two": ("--workers", 2, "--adaptive")}.items():
        log = tmp_path / f"{name}.tsv"
        np.save(tmp_path / "i.npy", IMAGES[:6])
        code, _, said = run_cli(
            "certify", manifest.directory, tmp_path / "i.npy", "--log", log, "--seed", 4, "--no-progress", *options
        )
        assert code == 0, said
        logs[name] = [line.split("\t") for line in log.read_text().splitlines()]
        times = {row.pop(5) for row in logs[name]} | {row.pop() for row in logs[name]}
        assert len(times) > 1
    assert logs["one"] == logs["two"]
    assert "plan: 6 images x 20016 samples" in said
    assert "dashboard: http://" in said


def test_a_worker_shows_what_it_is(bundle, right):
    found = admit(bundle, 1)
    assert (found.votes, found.built, found.library_hash) == (tuple(right), False, bundle.library_hash)
    assert found.rate > 0


def test_another_version_is_refused(bundle):
    with pytest.raises(IntrsError, match=r"it has intrs-edge .*, and 0.0.1 is needed"):
        admit(dataclasses.replace(bundle, version="0.0.1"), 1)


def test_another_processor_builds_the_library_or_says_why_not(bundle, right, monkeypatch):
    other = dataclasses.replace(bundle, machine="z80", library=b"", library_hash="built there")
    found = admit(other, 1)
    assert found.built
    assert found.votes == tuple(right)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(IntrsError, match=r"the library is for z80, and it cannot be built there: cmake"):
        admit(dataclasses.replace(other, library_hash="another"), 1)


def test_a_library_of_another_model_is_not_loaded(bundle, tmp_path, monkeypatch):
    other = bundle_of(read_manifest(build_small(tmp_path / "q", sigma=Decimal("0.5"))))
    monkeypatch.setenv("PATH", "")
    wrong = dataclasses.replace(bundle, library=other.library, library_hash=other.library_hash)
    with pytest.raises(IntrsError, match=r"tables .*, but"):
        admit(wrong, 1)


@pytest.fixture
def crew(manifest, bundle, right):
    class Nobody:
        status = "running"

        def scheduler_info(self, n_workers):
            return {"workers": {}}

        def cancel(self, *args, **more):
            pass

    with open_host(manifest, 1) as host:
        there = ClusterCrew(Nobody(), bundle, right, host.info, 8, False)
        yield there
        there.stop()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, ""),
        ({"version": "9"}, "intrs-edge 9"),
        ({"manifest_hash": "f" * 64}, "project ffff"),
        ({"model_hash": 1}, "model 00000001"),
        ({"table_hash": 1}, "tables 00000001"),
        ({"library_hash": "f" * 64}, "library ffff"),
        ({"library_hash": "f" * 64, "built": True}, ""),
        ({"votes": (64, *[0] * 9)}, "votes of 64 samples"),
    ],
)
def test_what_differs_is_named(crew, bundle, changes, what):
    told = crew._differs(dataclasses.replace(admit(bundle, 1), **changes))
    assert told.startswith(f"it has {what}") if what else not told


def test_without_workers_it_ends(crew, monkeypatch):
    monkeypatch.setattr(cluster_module, "_WAIT", 0.0)
    monkeypatch.setattr(crew, "_without", 0.0)
    with pytest.raises(IntrsError, match="no worker is there: start some"):
        crew.members()


def test_a_process_that_was_not_checked_does_not_count():
    with pytest.raises(LookupError):
        cluster_worker.count("another", [])


def test_without_dask_one_line_names_the_extra(manifest, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(IntrsError, match=r"pip install 'intrs-edge\[cluster\]'"):
        ClusterTarget(manifest, workers=1)


@needs_dask
def test_a_scheduler_that_is_not_there_is_named(manifest, monkeypatch):
    monkeypatch.setattr(cluster_module, "patient", lambda seconds: 0.5)
    with pytest.raises(IntrsError, match=r"scheduler tcp://127.0.0.1:1: nobody answers there"):
        ClusterTarget(manifest, "tcp://127.0.0.1:1")
    with pytest.raises(IntrsError, match=r"scheduler junk://x: nobody answers there"):
        ClusterTarget(manifest, "junk://x")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--adaptive"], "--adaptive is of a cluster"),
        (["--workers", "0"], "--workers 0 is outside 1 .. 1024"),
        (["--workers", "2", "--target", "emulator"], "--workers: .* leave --target out"),
        (["--scheduler", "tcp://x:1", "--audit", "1%"], "--scheduler: .* leave --audit out"),
        (["--scheduler", "tcp://x:1", "--live"], "--scheduler: .* leave --live out"),
        (["--workers", "2", "--method", "floatrs-quant"], "leave --workers out"),
    ],
)
def test_options_that_do_not_go_together(run_cli, manifest, tmp_path, options, told):
    import re

    code, _, said = run_cli("certify", manifest.directory, "digits:test[0:1]", "--log", tmp_path / "l.tsv", *options)
    assert code == 2
    assert re.search(told, said), said
