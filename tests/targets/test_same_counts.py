"""The whole chain: one seed gives one set of counts on every target, and another seed others."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import small_project as project

from intrs_edge.boards import load_board
from intrs_edge.codegen.manifest import digest
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import Mode, Stream
from intrs_edge.targets import open_target
from intrs_edge.targets.audit import audit_project

IMAGES = np.random.default_rng(3).integers(0, 256, (3, *project.SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return project.build_small(tmp_path_factory.mktemp("small") / "p", "mps2-an386", target_radius="0.1")


def answers(target, seed):
    out = []
    for i, image in enumerate(IMAGES):
        stream = Stream(seed, i)
        out.append((target.votes(image, stream, 3, 90).tolist(), target.certify(image, stream),
                    target.certify(image, stream, Mode.TARGET), target.predict(image, stream)))  # fmt: skip
    return out


def test_host_and_emulated_board_agree(built):
    with open_target(built, "host") as host, open_target(built, "emulator") as board:
        assert answers(host, 1) == answers(board, 1)
        assert answers(host, 1) != answers(host, 2)
        rng = np.random.default_rng(0)
        inputs = rng.integers(-128, 128, (50, *project.SHAPE)).astype(np.int8)
        np.testing.assert_array_equal(host.infer(inputs), board.infer(inputs))


def test_a_users_own_board_runs_like_ours(tmp_path):
    text = (shipped("boards") / "mps2-an385.toml").read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace('id = "mps2-an385"', 'id = "my-board"', 1))
    built = project.build_small(tmp_path / "p", str(mine))
    mine.unlink()  # the project keeps what it needs
    with open_target(built, "host") as host, open_target(built, "emulator") as board:
        assert board.info.board == "my-board"
        assert host.certify(IMAGES[0], Stream(1, 0)) == board.certify(IMAGES[0], Stream(1, 0))


def test_threads_and_ranges_do_not_matter(built):
    with open_target(built, "host", threads=1) as one, open_target(built, "host", threads=7) as seven:
        stream = Stream(9, 4)
        whole = one.votes(IMAGES[0], stream, 11, 1000)
        np.testing.assert_array_equal(whole, seven.votes(IMAGES[0], stream, 11, 1000))
        parts = sum(seven.votes(IMAGES[0], stream, a, b - a) for a, b in ((11, 12), (12, 500), (500, 1011)))
        np.testing.assert_array_equal(whole, parts)
        assert seven.certify(IMAGES[0], stream) == seven.certify_alone(IMAGES[0], stream)


def test_calls_from_several_threads_do_not_mix(built):
    with open_target(built, "host", threads=3) as host:

        def work(seed):
            stream = Stream(seed, 0)
            return host.votes(IMAGES[0], stream, 0, 3000).tolist(), host.certify(IMAGES[0], stream, Mode.TARGET)

        alone = [work(seed) for seed in range(8)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == alone


def test_audit_holds(built):
    reports = audit_project(built)
    assert len(reports) == 4  # of the host and of the board: the library by itself, and the program
    for report in reports:
        assert report.holds, report.as_text()
        assert ": 0 functions in -fstack-usage" not in report.as_text()


def test_the_program_certifies_by_itself(built, tmp_path):
    (tmp_path / "image").write_bytes(IMAGES[1].tobytes())
    done = subprocess.run(
        [built / "build/host/intrs", "certify", tmp_path / "image", "5", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    fields = dict(line.split() for line in done.stdout.splitlines())
    with open_target(built, "host") as host:
        assert int(fields["count"]) == host.certify(IMAGES[1], Stream(5, 1)).count


@pytest.mark.parametrize("spec", ["host", "emulator"])
def test_another_projects_build_is_refused(built, spec, tmp_path):
    (tmp_path / "build").symlink_to(built / "build")
    manifest = json.loads((built / "project.json").read_text())
    other = manifest | {"model_hash": f"{int(manifest['model_hash'], 16) ^ 1 << 255:064x}"}
    (tmp_path / "project.json").write_text(json.dumps(other | {"digest": digest(other)}))
    with pytest.raises(IntrsError, match=r"model .* but .* has"):
        open_target(tmp_path, spec)


def test_wrong_inputs_are_one_line(built, tmp_path):
    with open_target(built, "host") as host:
        for bad in (IMAGES[0].astype(float), IMAGES[0][1:]):
            with pytest.raises(IntrsError, match="this model takes uint8"):
                host.votes(bad, Stream(1, 0), 0, 1)
        with pytest.raises(IntrsError, match="this model takes int8"):
            host.infer(IMAGES)
        with pytest.raises(IntrsError, match="seed"):
            host.votes(IMAGES[0], Stream(1 << 64, 0), 0, 1)
        with pytest.raises(IntrsError, match="samples"):
            host.votes(IMAGES[0], Stream(1, 0), (1 << 32) - 1, 2)
        with pytest.raises(IntrsError, match="tables of mode precision"):
            host.certify(IMAGES[0], Stream(1, 0), Mode.PRECISION)
    for spec in ("nonsense", "tcp:nowhere", "serial:", "run:"):
        with pytest.raises(IntrsError, match="is none of"):
            open_target(built, spec)
    for spec, words in (
        ("serial:/dev/nothing", "cannot open"),
        ("tcp:127.0.0.1:1", "cannot connect"),
        ("run:/nothing/at/all", "not installed"),
    ):
        with pytest.raises(IntrsError, match=words):
            open_target(built, spec)
    with pytest.raises(IntrsError, match="not a generated project"):
        open_target(tmp_path, "host")
    assert load_board("mps2-an386").emulator is not None
