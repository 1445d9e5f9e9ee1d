"""Tables made at run time: one build, certified with other settings, says what a project generated with these says."""

from decimal import Decimal

import numpy as np
import pytest
from small_project import SHAPE, build_small

from intrs_edge import api
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.certify import certify_images
from intrs_edge.evaluate.identity import as_logged, log_settings
from intrs_edge.evaluate.log import read_log
from intrs_edge.evaluate.verify import check_project, replay
from intrs_edge.smoothing import Mode, Stream
from intrs_edge.targets import open_target
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.tables import TableJudge

ASKED = {"n0": 7, "n": 300, "alpha": Decimal("0.05"), "target_radius": Decimal("0.03"), "precision": Decimal("0.1")}
MODES = {Mode.FIXED: "fixed", Mode.TARGET: "target-radius=0.03", Mode.PRECISION: "precision=0.1"}


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """One generated with other settings, and one generated with those asked for."""
    folder = tmp_path_factory.mktemp("tables")
    other = {"precision": Decimal("0.2")}
    return [
        read_manifest(build_small(folder / name, certificate="two-sided", **settings))
        for name, settings in (("other", other), ("asked", ASKED))
    ]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rng = np.random.default_rng(8)
    contrast = np.linspace(0, 1, 12)[:, None, None, None]
    path = tmp_path_factory.mktemp("images") / "images.npy"
    pixels = (rng.integers(0, 256, (12, *SHAPE)) * contrast).astype(np.uint8)
    np.save(path, pixels)
    return str(path)


def lines(log):
    """All of a log but the time that a line took, and the check over that."""
    head, *rows = [line.split("\t") for line in log.read_text().splitlines()]
    kept = [k for k, name in enumerate(head) if name not in ("time", "check")]
    assert len(kept) == len(head) - 2
    return [[cells[k] for k in kept] for cells in (head, *rows)]


@pytest.mark.parametrize("mode", MODES)
def test_a_log_is_that_of_a_project_generated_so(projects, images, tmp_path, mode):
    other, asked = projects
    settings = {k: v for k, v in ASKED.items() if k in ("n0", "n", "alpha")}
    mine = {"target_radius": ASKED["target_radius"], "precision": ASKED["precision"]}
    logs = []
    for manifest in (other.revised(**settings, **mine), asked):
        log = tmp_path / f"{manifest.directory.name}.tsv"
        certified(manifest, images, log, mode)
        logs.append(lines(log))
    assert logs[0] == logs[1]
    assert len(logs[0]) == 13
    certificates = {row[logs[0][0].index("L")] for row in logs[0][1:]}
    assert len(certificates) > 1  # they are not all alike


def certified(manifest, images, log, mode):
    from intrs_edge.datasets import load_images

    chosen = load_images(images, None, manifest.image_shape)
    with open_target(manifest, "host", 1) as target:
        said = log_settings(manifest.raw, 4, MODES[mode], chosen)
        return certify_images(chosen, target, log, said, seed=4, mode=mode, show=False)


def test_predictions_are_those_of_a_project_generated_so(projects):
    other, asked = projects
    image = np.full(SHAPE, 90, np.uint8)
    revised = other.revised(n=ASKED["n"], alpha=ASKED["alpha"])
    with open_target(revised, "host", 1) as mine, open_target(asked, "host", 1) as theirs:
        found = [[host.predict(image + k, Stream(1, k)) for k in range(20)] for host in (mine, theirs)]
    assert found[0] == found[1]
    assert {p.samples for p in found[0]} == {300}


def test_they_decide_as_the_library_does(projects):
    """Every count at every checkpoint, and what stands between two."""
    asked = projects[1]
    from intrs_edge.codegen.manifest import smoothing_of

    tables = TableJudge(smoothing_of(asked.raw))
    with open_target(asked, "host", 1) as host:
        for mode in MODES:
            look, looks = 0, []
            while look := tables.next_look(mode, look):
                looks.append(look)
            assert looks
            assert [host.next_look(mode, look - 1) for look in looks] == looks
            assert host.next_look(mode, looks[-1]) == 0 == tables.next_look(mode, looks[-1])
            for samples in looks:
                for count in range(samples + 1):
                    for other in {0, (samples - count) // 2, samples - count}:
                        assert tables.judge(mode, samples, count, other) == host.judge(mode, samples, count, other)
                        assert tables.proved(mode, samples, count, other) == host.proved(mode, samples, count, other)
            for judge in (tables, host):
                with pytest.raises(IntrsError):
                    judge.judge(mode, looks[0] - 1, 1, 0)
                with pytest.raises(IntrsError):
                    judge.judge(mode, looks[0], looks[0] + 1, 0)
        pairs = [(top, second) for top in range(0, 310, 7) for second in range(0, 310, 7)]
        assert [tables.decides(*pair) for pair in pairs] == [host.decides(*pair) for pair in pairs]


def test_what_was_generated_stays_as_it_was(projects):
    other = projects[0]
    assert other.revised() is other
    assert other.revised(n=other.n, n0=other.n0, alpha=Decimal("0.0010")) is other
    assert other.revised(n=200).revised(n=other.n).table_hash == other.table_hash


def test_a_board_is_refused_in_a_line_that_names_the_setting(projects):
    with pytest.raises(IntrsError, match=r"generated with --n 100, not 200, .* burned in: .* --n 200, or use"):
        open_target(projects[0].revised(n=200), "tcp:localhost:1")
    with pytest.raises(IntrsError, match="generated without --target-radius"):
        open_target(projects[0].revised(target_radius=Decimal("0.1")), "serial:/dev/null")


def test_what_is_no_setting_is_refused(projects):
    for settings, why in (({"n": 3}, "certify nothing"), ({"alpha": Decimal(2)}, "alpha"), ({"n": 0}, "samples")):
        with pytest.raises(IntrsError, match=why):
            projects[0].revised(**settings)


def test_such_a_log_is_replayed_and_reported(projects, images, tmp_path):
    from intrs_edge.datasets import load_images
    from intrs_edge.evaluate.identity import project_settings

    other = projects[0]
    log = tmp_path / "log.tsv"
    certified(other.revised(n=300, target_radius=Decimal("0.03")), images, log, Mode.TARGET)
    rows = read_log(log)
    found = as_logged(other, rows)
    check_project(rows, project_settings(found.raw, rows[0].extra["mode"]), "log", "project")
    with open_target(found, "host", 1) as target:
        assert replay(rows, load_images(images, None, SHAPE), target) == []
    with pytest.raises(IntrsError, match="was made with"):  # the project as it was generated is another
        check_project(rows, project_settings(other.raw, rows[0].extra["mode"]), "log", "project")


def test_from_python_and_with_a_deadline(projects, images, tmp_path):
    other, asked = projects
    mine = api.certify(other.directory, images, tmp_path / "a.tsv", seed=4, n0=7, n=300, alpha=0.05)
    theirs = api.certify(asked.directory, images, tmp_path / "b.tsv", seed=4)
    assert [r.radius for r in mine] == [r.radius for r in theirs]
    at_once = 1e-6  # the first look ends it, whatever the load
    stopped = api.certify(asked.directory, images, tmp_path / "c.tsv", seed=4, n=9000, deadline=at_once)
    assert {r.extra["stop"] for r in stopped} == {"caller"}
    assert all(0 < int(r.extra["samples"]) < 9000 for r in stopped)
    looked = api.certify(other.directory, images, tmp_path / "d.tsv", seed=4, target_radius=0.03)
    assert {r.extra["mode"] for r in looked} == {"target-radius=0.03"}
    with pytest.raises(IntrsError, match="leave one out"):
        api.certify(other.directory, images, tmp_path / "e.tsv", target_radius=0.03, precision=0.1)
    with pytest.raises(IntrsError, match="no time"):
        api.certify(other.directory, images, tmp_path / "e.tsv", deadline=0)


def test_the_command_line(run_cli, projects, images, tmp_path):
    other, asked = projects
    logs = [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    more = ("--n0", 7, "--n", 300, "--alpha", "0.05", "--precision", "0.1")
    assert run_cli("certify", asked.directory, images, "--log", logs[1], "--seed", 4, "--precision", "0.1")[0] == 0
    # the other project has other tables for --target-radius, which this mode does not use
    assert run_cli("certify", other.directory, images, "--log", logs[0], "--seed", 4, *more)[0] == 0
    found = [lines(log) for log in logs]
    tables = found[0][0].index("tables")
    assert [row[:tables] + row[tables + 1 :] for row in found[0]] == [
        row[:tables] + row[tables + 1 :] for row in found[1]
    ]
    code, out, _ = run_cli("verify", logs[0], other.directory)
    assert (code, "12 of 12 lines replayed: all equal" in out) == (0, True)
    code, _, err = run_cli("certify", other.directory, images, "--log", tmp_path / "c.tsv", "--target", "emulator",
                           "--n", 300)  # fmt: skip
    assert (code, len(err.splitlines())) == (2, 1)
    assert "burned in" in err
    outs = [run_cli("predict", *rest, images, "--seed", 4)[1] for rest in (
        (asked.directory,), (other.directory, "--n", 300, "--alpha", "0.05"))]  # fmt: skip
    assert outs[0] == outs[1]
