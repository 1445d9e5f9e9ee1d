"""Every change that certify, generate and train make to files fails once, and is where they are killed or the power
goes once: one line, nothing half-written, and the same command goes on to the same bytes.

The default tests take some of the places of a command, all of the two pieces that every write goes through; `-m long`
takes all.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from shim import FAULTS, KILLED, run
from small_project import build_small

from intrs_edge import files
from intrs_edge.cli.main import main
from intrs_edge.paths import shipped

Content = dict[str, bytes]


def content(folder: Path) -> Content:
    """Every file below, hidden ones too; folders that are empty as well."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
        elif not any(path.iterdir()):
            found[f"{path.relative_to(folder)}/"] = b""
    return found


@dataclass(frozen=True)
class Command:
    """``begin`` prepares an empty folder; ``work`` is run on it, and run again after a fault; ``comparable``: of a
    result, what must be the same every time; ``whole``: raises AssertionError unless that is what a fault may leave,
    given how much was reported as done.
    """

    work: Callable[[Path, Path], int]
    whole: Callable[[Content, Content, int], None]
    begin: Callable[[Path], None] = lambda root: None
    comparable: Callable[[Content], Content] = dict


def campaign(command: Command, tmp_path: Path, some: int = 0) -> int:
    """All faults at all changes (or ``some`` of them, and the last); gives how many were tried."""
    root, aside = tmp_path / "root", tmp_path / "aside"

    def fresh() -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        command.begin(root)

    def once(fault: str = "", at: int = -1):
        return run(lambda: command.work(root, aside / "acknowledged"), root, aside, fault, at)

    fresh()
    undisturbed = once()
    assert (undisturbed.code, undisturbed.escaped) == (0, ()), undisturbed.said
    right = command.comparable(content(root))
    changes = undisturbed.changes
    assert len(changes) > 3
    places = range(len(changes))
    chosen = sorted({*random.Random(1).sample(places, min(some, len(places))), len(places) - 1}) if some else places
    for at in chosen:
        for fault in FAULTS:
            what = f"{fault} at change {at} of {len(changes)}: {changes[at]}"
            fresh()
            ended = once(fault, at)
            acknowledged = len((aside / "acknowledged").read_bytes()) if (aside / "acknowledged").exists() else 0
            if fault in ("kill", "power"):
                assert ended.code == KILLED, what
            elif ended.code == 0:  # what was not wanted any more could not be removed
                assert re.match("unlink|rmdir", changes[at]), what
                assert ended.said == "", what
            else:
                assert (ended.code, ended.said.count("\n")) == (2, 1), f"{what}: {ended.said}"
                reason = "No space left on device" if fault == "ENOSPC" else "Input/output error"
                assert re.match(f"intrs-edge: error: .*{re.escape(str(root))}.*{reason}", ended.said), what
                assert not leftovers(root), what
            with named(what):
                command.whole(command.comparable(content(root)), right, acknowledged)
            again = once()
            assert again.code == 0, f"{what}, then {again.said}"
            assert command.comparable(content(root)) == right, what
            assert not leftovers(root), what
    return len(chosen) * len(FAULTS)


def leftovers(root: Path) -> list[str]:
    return [name for name in content(root) if "intrs-tmp" in name]


@contextlib.contextmanager
def named(what: str) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from None


def visible(found: Content) -> Content:
    """Without the drafts that a process which was killed leaves, and the next removes."""
    return {name: data for name, data in found.items() if "intrs-tmp" not in name}


### the two pieces ###

OLD, NEW = (
    {"project.json": b"old", "a/b/c": b"old", "gone": b""},
    {"project.json": b"new", "a/b/c": b"new", "z": b"9" * 9},
)


def old_or_new(target: str, old: Content):
    def whole(found: Content, right: Content, acknowledged: int) -> None:
        there = {k: v for k, v in visible(found).items() if not k.endswith("/")}
        expected = [right] if acknowledged else [right, {f"{target}{k}": v for k, v in old.items()}]
        assert there in expected, there

    return whole


def acknowledge(note: Path) -> None:
    fd = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, b".")
    os.close(fd)


def reported(work: Callable[[], object]) -> int:
    """As the command line does."""
    from intrs_edge.errors import IntrsError

    try:
        work()
    except IntrsError as error:
        os.write(2, f"intrs-edge: error: {error}\n".encode())
        return 2
    return 0


@pytest.mark.parametrize("there", [False, True])
def test_a_file_everywhere(tmp_path, there):
    def work(root: Path, note: Path) -> int:
        return reported(lambda: (files.write_atomically(root / "d" / "x", b"new"), acknowledge(note)))

    begin = (
        (lambda root: ((root / "d").mkdir(), (root / "d" / "x").write_bytes(b"old"))) if there else lambda root: None
    )
    command = Command(work, old_or_new("", {"d/x": b"old"} if there else {}), begin)
    assert campaign(command, tmp_path) >= 20


@pytest.mark.parametrize(("there", "some"), [("nothing", 5), ("project", 0), ("project, two steps", 8)])
def test_a_folder_everywhere(tmp_path, monkeypatch, there, some):
    if there == "project, two steps":
        monkeypatch.setattr(files, "exchange", lambda one, other: False)

    def work(root: Path, note: Path) -> int:
        return reported(lambda: (files.replace_folder(root / "p", NEW), acknowledge(note)))

    def begin(root: Path) -> None:
        for name, data in OLD.items() if there != "nothing" else ():
            (root / "p" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "p" / name).write_bytes(data)

    whole = old_or_new("p/", OLD if there != "nothing" else {})
    if there == "project, two steps":  # killed between them: the next call puts it right

        def whole(found, right, acknowledged, one_step=whole):
            if visible(found) or acknowledged:
                one_step(found, right, acknowledged)
            else:
                assert any(re.fullmatch(r"\.p\.[0-9a-f]{16}\.intrs-tmp/old/project.json", name) for name in found)

    assert campaign(Command(work, whole, begin), tmp_path, some) >= 20


### the commands ###


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    return build_small(tmp_path_factory.mktemp("built") / "p", n=60)


def certify(built: Path, *more: str) -> Command:
    def work(root: Path, note: Path) -> int:
        from intrs_edge.evaluate import log
        from intrs_edge.targets import fleet

        fleet._LARGEST_RANGE, fleet._RANGE_SECONDS = 20, 1e9
        append = log.LogWriter.append
        log.LogWriter.append = lambda self, row: (append(self, row), acknowledge(note))
        options = ["--log", str(root / "new" / "log.tsv"), "--seed", "5", "--no-progress"]
        return main(["certify", str(built), "digits:test[0:3]", *options, *(m.format(root=root) for m in more)])

    def comparable(found: Content) -> Content:
        """Without wall-clock time, and what that decides: check value, a journal's ranges and their numbers."""
        lines = found.get("new/log.tsv", b"").split(b"\n")
        columns = lines[0].split(b"\t")
        timed = {columns.index(name) for name in (b"time", b"check") if name in columns}
        rows = [b"\t".join(c for k, c in enumerate(line.split(b"\t")) if k not in timed) for line in lines]
        return {"log": b"\n".join(rows)} if "new/log.tsv" in found else {}

    def whole(found: Content, right: Content, acknowledged: int) -> None:
        lines, all_lines = found.get("log", b"").split(b"\n"), right["log"].split(b"\n")
        assert lines[:-1] == all_lines[: len(lines) - 1]
        assert max(0, len(lines) - 2) >= acknowledged, f"{len(lines) - 2} lines of {acknowledged} that were there"

    return Command(work, whole, comparable=comparable)


def test_certify(tmp_path, built):
    assert campaign(certify(built), tmp_path, some=8) >= 32


def test_certify_with_a_journal(tmp_path, built):
    command = certify(built, "--target", f"run:{built}/build/host/intrs", "--journal", "{root}/journal")
    assert campaign(command, tmp_path, some=4) >= 16


@pytest.mark.long
def test_certify_everywhere(tmp_path, built):
    tried = campaign(certify(built), tmp_path / "log")
    command = certify(built, "--target", f"run:{built}/build/host/intrs", "--journal", "{root}/journal")
    tried += campaign(command, tmp_path / "journal")
    print(f"certify: {tried} faults")


def generate() -> Command:
    importlib.import_module("intrs_edge.codegen")
    importlib.import_module("intrs_edge.convert")

    def work(root: Path, note: Path) -> int:
        model = shipped("models") / "digits-resnet.onnx"
        return main(["generate", str(model), "--n", "50", "--n0", "10", "--seed", "7", "-o", str(root / "p")])

    def begin(root: Path) -> None:
        (root / "p" / "build").mkdir(parents=True)
        (root / "p" / "project.json").write_text('{"format": 1, "model_hash": "old"}')
        (root / "p" / "build" / "x").write_text("old")

    old = {"project.json": b'{"format": 1, "model_hash": "old"}', "build/x": b"old"}
    return Command(work, old_or_new("p/", old), begin)


def test_generate(tmp_path):
    assert campaign(generate(), tmp_path, some=2) >= 8


@pytest.mark.long
def test_generate_everywhere(tmp_path):
    print(f"generate: {campaign(generate(), tmp_path)} faults")


def train(tmp_path: Path) -> Command:
    torch = pytest.importorskip("torch")
    for slow in ("torch._dynamo", "onnx", "intrs_edge.train.loop"):  # once, not in every child
        importlib.import_module(slow)

    def work(root: Path, note: Path) -> int:
        from intrs_edge.train import loop

        time.monotonic = lambda: 0.0
        save = loop.save_run
        loop.save_run = lambda *arguments: (save(*arguments), acknowledge(note))
        run_folder = root / "runs" / "a"
        options = ["--network", "resnet8", "--set", "widths=8,8", "--set", "blocks=1,1", "--epochs", "2", "--seed", "3"]
        options += ["--batch", "32", "--bank", "4096", "--threads", "1", "--no-progress", "-o", str(run_folder)]
        resume = ["--resume"] if (run_folder / "checkpoint.pt").exists() else []
        return main(["train", "digits:train[0:64]", "--test", "digits:test[0:16]", *options, *resume])

    def whole(found: Content, right: Content, acknowledged: int) -> None:
        there = visible(found)
        assert {name for name in there if not name.endswith("/")} <= right.keys()
        if "runs/a/model.onnx" in there:
            assert there["runs/a/model.onnx"] == right["runs/a/model.onnx"]
        log = there.get("runs/a/log.jsonl", b"")
        assert right["runs/a/log.jsonl"].startswith(log)
        assert log.endswith(b"\n") or not log
        epochs = 0
        if "runs/a/checkpoint.pt" in there:
            (tmp_path / "c.pt").write_bytes(there["runs/a/checkpoint.pt"])
            epochs = torch.load(tmp_path / "c.pt", weights_only=True)["place"]["epoch"]
        assert epochs >= acknowledged, f"{epochs} epochs of {acknowledged} that were there"

    return Command(work, whole)


def test_train(tmp_path):
    assert campaign(train(tmp_path), tmp_path, some=3) >= 12


@pytest.mark.long
def test_train_everywhere(tmp_path):
    print(f"train: {campaign(train(tmp_path), tmp_path)} faults")


### the campaign itself can fail ###


def in_place(path: Path) -> None:
    """What no command does: over the old content."""
    with files.written(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, b"new")
        os.fsync(fd)
        os.close(fd)
        files.sync_folder(path.parent)


def without_sync(path: Path) -> None:
    real, files.os.fsync = os.fsync, lambda fd: real(fd) if os.path.isdir(f"/proc/self/fd/{fd}") else None
    files.write_atomically(path, b"new")
    with files.written(path):
        os.unlink(path.with_name("another"))


def without_folder_sync(path: Path) -> None:
    files.sync_folder = lambda folder: None
    files.write_atomically(path, b"new")
    acknowledge(path.parent.parent / "aside" / "acknowledged")
    with files.written(path):
        os.unlink(path.with_name("another"))


def another_way(path: Path) -> None:
    path.with_name("x").write_bytes(b"new")
    files.write_atomically(path, b"new")


@pytest.mark.parametrize(
    ("careless", "seen"),
    [
        (in_place, "ENOSPC at change 1"),
        (without_sync, r"power at change \d of 5: unlink"),
        (without_folder_sync, r"power at change \d of 5: unlink"),
        (another_way, "escaped: open"),
    ],
)
def test_carelessness_is_seen(tmp_path, careless, seen):
    command = Command(
        lambda root, note: reported(lambda: careless(root / "x")),
        old_or_new("", {"x": b"old"}),
        lambda root: ((root / "x").write_bytes(b"old"), (root / "another").write_bytes(b"")),
        lambda found: {name: data for name, data in found.items() if name != "another"},
    )
    with pytest.raises(AssertionError, match=seen):
        campaign(command, tmp_path)
