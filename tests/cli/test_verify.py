"""verify: a log replayed on the host; whatever was changed in it is said."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest

from intrs_edge.cli.main import main
from intrs_edge.evaluate.log import COLUMNS, read_log
from intrs_edge.paths import shipped
from intrs_edge.smoothing.results import radius_text

pytestmark = pytest.mark.xdist_group("verify")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify") / "project"
    settings = ["--n0", "20", "--n", "200", "--target-radius", "0.1", "--seed", "5"]
    assert main(["generate", str(shipped("models") / "digits-resnet.onnx"), *settings, "-o", str(folder)]) == 0
    assert main(["build", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def log(project, tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.tsv"
    assert main(["certify", str(project), "digits:test[0:60:3]", "--log", str(path), "--no-progress"]) == 0
    return path


def edited(log, tmp_path, line, **changes):
    """The log with cells of a line changed, and check value to match: by somebody who knows how."""
    lines = log.read_text().splitlines()
    cells = dict(zip(COLUMNS, lines[line].split("\t"), strict=True)) | changes
    cells.pop("check")
    text = "\t".join(cells.values())
    lines[line] = f"{text}\t{zlib.crc32(text.encode()):08x}"
    path = tmp_path / "edited.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_honest_log_replays(run_cli, project, log, tmp_path):
    code, out, _ = run_cli("verify", log, project, "--no-progress")
    assert (code, out) == (0, "20 of 20 lines replayed: all equal\n")
    code, out, _ = run_cli("verify", log, project, "digits:test", "--share", "10%", "--no-progress")
    assert code == 0
    assert out.startswith("2 of 20 lines replayed (--seed ")
    drawn = json.loads(run_cli("verify", log, project, "--share", "0.2", "--seed", 9, "--json")[1])
    assert drawn == {"lines": 20, "replayed": 4, "seed": 9, "differences": []}
    target = tmp_path / "t.tsv"
    run_cli("certify", project, "digits:test[0:5]", "--log", target, "--target-radius", "0.1", "--no-progress")
    assert run_cli("verify", target, project, "--no-progress")[:2] == (0, "5 of 5 lines replayed: all equal\n")


def test_a_line_that_was_changed_is_said(run_cli, project, log, tmp_path):
    row = read_log(log)[4]
    votes = [int(v) for v in row.extra["votes"].split(",")]
    other = (row.predict + 1) % len(votes)
    count = votes[row.predict] - 1
    votes[row.predict], votes[other] = count, votes[other] + 1
    lie = edited(log, tmp_path, 5, votes=",".join(map(str, votes)), count=str(count))
    code, out, _ = run_cli("verify", lie, project, "--no-progress")
    assert code == 1
    assert f"image 12: count {count}, here {count + 1}\n" in out
    assert "image 12: votes" in out
    assert out.endswith("20 of 20 lines replayed: 1 differ\n")
    found = json.loads(run_cli("verify", lie, project, "--json")[1])["differences"]
    assert {d["idx"] for d in found} == {12}
    # where another line is drawn, only what one sees without counting: that these votes do not prove this radius
    lines = {run_cli("verify", lie, project, "--share", "1%", "--seed", s, "--no-progress")[1] for s in range(30)}
    assert any("image 12: L" in text and "prove L" in text and "here" not in text for text in lines)
    assert any("here" in text for text in lines)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"L": "9", "radius": radius_text(9), "linf": "0", "l1": "3"}, "L 9, here "),
        ({"pixels": "0123456789abcdef"}, "has other pixels than the image that was certified"),
        ({"idx": "13"}, "image 13: "),
    ],
)
def test_other_lies(run_cli, project, log, tmp_path, changes, says):
    code, out, _ = run_cli("verify", edited(log, tmp_path, 5, **changes), project, "--no-progress")
    assert code == 1
    assert says in out


def test_a_replay_does_not_make_a_certificate_sound(run_cli, tmp_path):
    folder, log = tmp_path / "project", tmp_path / "log.tsv"
    run_cli("generate", shipped("models") / "digits-tiny.onnx", "--n", 200, "--certificate", "paper", "-o", folder)
    run_cli("build", folder)
    run_cli("certify", folder, "digits:test[0:2]", "--log", log, "--no-progress")
    code, out, _ = run_cli("verify", log, folder, "--no-progress")
    assert code == 0
    assert out.startswith("WARNING: NOT SOUND")
    assert "NOT SOUND" in json.loads(run_cli("verify", log, folder, "--json", "--no-progress")[1])["warning"]


def test_another_seed_gives_other_votes(run_cli, project, log, tmp_path):
    unsure = next(k for k, row in enumerate(read_log(log), 1) if row.extra["count"] not in ("0", "200"))
    lines = log.read_text().splitlines()
    (tmp_path / "one.tsv").write_text(f"{lines[0]}\n{lines[unsure]}\n")
    code, out, _ = run_cli("verify", edited(tmp_path / "one.tsv", tmp_path, 1, seed="6"), project)
    assert code == 1
    assert "votes" in out


def test_a_project_or_images_that_are_not_the_logs(run_cli, project, log, tmp_path):
    other = tmp_path / "other"
    assert main(["generate", str(shipped("models") / "digits-resnet.onnx"), "--n", "50", "-o", str(other)]) == 0
    code, _, err = run_cli("verify", log, other)
    assert (code, err.count("\n")) == (2, 1)
    assert "was made with tables" in err  # n0 and n may be others at run time; the target's plan is in the log's tables
    (tmp_path / "cohen.tsv").write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t0.5\t1\t0\n")
    assert run_cli("verify", tmp_path / "cohen.tsv", project)[0] == 2
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    code, out, _ = run_cli("verify", log, project, tmp_path / "x.npy", "--no-progress")
    assert code == 1
    assert "image 0: has other pixels" in out
    assert "image 3: is not among the images given" in out


def test_shards_and_merging_by_the_commands(run_cli, project, tmp_path):
    whole = tmp_path / "whole.tsv"
    assert run_cli("certify", project, "digits:test[0:21]", "--log", whole)[0] == 0
    parts = []
    for k in (1, 2):
        parts.append(tmp_path / f"{k}.tsv")
        code, out, _ = run_cli("certify", project, "digits:test[0:21]", "--log", parts[-1], "--shard", f"{k}/2")
        assert code == 0
        assert f"{12 - k} images" in out
    merged = tmp_path / "merged.tsv"
    code, out, err = run_cli("report", "--merge", *parts, "-o", merged)
    assert (code, err) == (0, "")
    assert out == run_cli("report", whole)[1].replace(" whole", "merged") + f"wrote {merged}\n"
    untimed = [[(r.idx, r.label, r.predict, r.radius, dict(r.extra)) for r in read_log(p)] for p in (merged, whole)]
    assert untimed[0] == untimed[1]
    assert run_cli("verify", merged, project, "--share", "20%")[0] == 0
    code, _, err = run_cli("report", "--merge", parts[0])
    assert code == 0
    assert "log merged is not finished, 10 of 21 images are missing: 1, 3, 5" in err
    code, _, err = run_cli("report", "--merge", *parts, whole)
    assert (code, "both hold images" in err) == (2, True)
    code, _, err = run_cli("certify", project, "digits:test[0:3]", "--log", tmp_path / "z.tsv", "--shard", "4/3")
    assert (code, "shard '4/3'" in err) == (2, True)


def test_shards_need_one_seed(run_cli, project, tmp_path):
    fresh = tmp_path / "fresh"
    assert main(["generate", str(shipped("models") / "digits-resnet.onnx"), "--n", "50", "-o", str(fresh)]) == 0
    assert main(["build", str(fresh)]) == 0
    code, _, err = run_cli("certify", fresh, "digits:test[0:4]", "--log", tmp_path / "l.tsv", "--shard", "1/2")
    assert code == 2
    assert "need one seed: give --seed to each" in err
    assert not (tmp_path / "l.tsv").exists()


def test_images_of_another_task_are_refused_and_few_classes_said(run_cli, project, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    np.save(tmp_path / "x_labels.npy", np.array([3, 10]))
    code, _, err = run_cli("certify", project, tmp_path / "x.npy", "--log", tmp_path / "l.tsv")
    assert (code, "label 10, but the network has 10 classes" in err) == (2, True)
    np.save(tmp_path / "x_labels.npy", np.array([3, 3]))
    code, _, err = run_cli("certify", project, tmp_path / "x.npy", "--log", tmp_path / "l.tsv")
    assert (code, "these 2 images are of 1 of 10 classes" in err) == (0, True)
