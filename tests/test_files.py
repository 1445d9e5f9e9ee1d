"""Files appear whole or not at all, stay, have one writer, and never take the place of what is no file."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intrs_edge import files
from intrs_edge.errors import IntrsError


def hidden(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


WRITERS = {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "tofile", "save", "savez", "savefig"}
WRITERS |= {"mkdir", "makedirs", "mkstemp", "mkdtemp", "NamedTemporaryFile"}
OF_SYSTEM = {
    "open",
    "rename",
    "replace",
    "link",
    "symlink",
    "copyfile",
    "copy",
    "copy2",
    "copytree",
    "move",
    "truncate",
}
# what is no result of this package: a temporary folder's content, the stream of the compilers, a boot loader's volume
ELSEWHERE = {("codegen/sizes.py", "mkdir"), ("codegen/sizes.py", "write_bytes"), ("targets/build.py", "open"),
             ("targets/flash.py", "copyfile"), ("targets/cluster_worker.py", "mkdtemp"),
             ("targets/cluster_worker.py", "mkdir"), ("targets/cluster_worker.py", "write_bytes")}  # fmt: skip
# given a buffer, or a file in a temporary folder
BUFFERS = {("evaluate/plot.py", "savefig"), ("evaluate/gallery.py", "save"), ("study/output.py", "savefig"),
           ("train/run_state.py", "save"),
           ("cli/infer.py", "save"),
           ("convert/float_onnx.py", "save"), ("convert/float_onnx.py", "write_bytes")}  # fmt: skip
# opened by os.open for reading, so that a link or a pipe is not followed
READ = {("convert/external_data.py", "open")}


def writes(tree: ast.AST) -> Iterator[str]:
    """Names of calls that write to files otherwise than through intrs_edge.files."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        of_os = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in ("os", "shutil")
        text = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
        modes = [t for t in text if isinstance(t, str) and set(t) <= set("rwaxbt+") and set(t) & set("wax+")]
        of_path = name == "replace" and len(node.args) == 1 and not node.keywords  # str's has two
        if (of_os and name in OF_SYSTEM) or name in WRITERS or of_path or (name in ("open", "fdopen") and modes):
            yield name


def test_everything_is_written_in_one_room():
    package = Path(files.__file__).parent
    found = {
        (str(path.relative_to(package)), name)
        for path in package.rglob("*.py")
        for name in writes(ast.parse(path.read_text(encoding="utf-8")))
    }
    found = {f for f in found if f[0] != "files.py" and not f[0].startswith("_data/")}
    assert found == ELSEWHERE | BUFFERS | READ | {("cli/main.py", "open")}  # the last: /dev/null
    for line in (
        "p.write_text(x)",
        "open(p, 'w')",
        "p.open('ab')",
        "os.replace(a, b)",
        "t.replace(p)",
        "shutil.move(a, b)",
    ):
        assert list(writes(ast.parse(line))), line
    for line in ("open(p)", "p.open('rb')", "'a'.replace('b', 'c')", "replace(x, y=1)"):
        assert not list(writes(ast.parse(line))), line


def test_content_folders_and_permissions(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    files.write_atomically(path, "grün")
    assert path.read_bytes() == "grün".encode()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    files.write_atomically(path, b"\0" * 300_000)
    assert path.read_bytes() == b"\0" * 300_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert hidden(path.parent) == []
    files.write_atomically(tmp_path / ("n" * 255), b"")  # the longest name that there is


def test_what_is_no_file_is_never_replaced(tmp_path):
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, kind in (
        ("link", "a symbolic link"),
        ("folder", "a folder"),
        ("pipe", "a pipe"),
        ("real/x", "Not a dir"),
    ):
        before = (tmp_path / name).lstat() if name != "real/x" else None
        with pytest.raises(IntrsError, match=kind):
            files.write_atomically(tmp_path / name, b"y", "page")
        assert before is None or (tmp_path / name).lstat().st_ino == before.st_ino
    assert (tmp_path / "real").read_text() == "x"
    assert hidden(tmp_path) == []


def test_a_device_is_never_replaced(monkeypatch, tmp_path):
    """Of any kind, and without a try on a real one: whoever is root would lose it."""
    monkeypatch.setattr(files.os, "replace", lambda *a: pytest.fail("replaced"))
    for path in ("/dev/null", "/dev/full", "/dev/stdout"):
        with pytest.raises(IntrsError, match=r"is a (device|symbolic link)"):
            files.write_atomically(Path(path), b"y")
        with pytest.raises(IntrsError, match=r"is a (device|symbolic link)"):
            files.LockedFile(Path(path), "log")


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def full(fd, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(files.os, "write", full)
    with pytest.raises(IntrsError, match=r"^page .*/x: cannot be written \(No space left on device\); free some space"):
        files.write_atomically(path, b"new", "page")
    assert path.read_bytes() == b"old"
    assert hidden(tmp_path) == []


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(files.os, "write", lambda fd, data: write(fd, data[:7]))
    files.write_atomically(tmp_path / "x", bytes(range(100)))
    assert (tmp_path / "x").read_bytes() == bytes(range(100))


KILLED = """
import os, sys
from pathlib import Path
from intrs_edge import files
files.os.fsync = lambda fd: (print("up", flush=True), sys.stdin.read(), os._exit(9))
files.write_atomically(Path(sys.argv[1]), b"new")
"""


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    (tmp_path / ".x.0123456789abcdef.intrs-tmp.mine").write_bytes(b"not ours")
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"up\n"
            (draft,) = set(hidden(tmp_path)) - {".x.0123456789abcdef.intrs-tmp.mine"}
            files.write_atomically(path, b"mine")
            assert (tmp_path / draft).exists()
        finally:
            other.kill()
    files.write_atomically(path, b"mine too")
    assert hidden(tmp_path) == [".x.0123456789abcdef.intrs-tmp.mine"]
    assert path.read_bytes() == b"mine too"


OLD = {"project.json": b"old", "a/b/c": b"old", "only/old": b""}
NEW = {"project.json": b"new", "a/b/c": b"new", "z": b"1" * 100_000}


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("one_step", [True, False])
def test_a_folder_is_replaced_whole(tmp_path, monkeypatch, one_step):
    if not one_step:
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    target = tmp_path / "p" / "project"
    files.replace_folder(target, OLD)
    assert content(target) == OLD
    files.replace_folder(target, NEW)
    assert content(target) == NEW
    assert hidden(target.parent) == []


def test_an_exchange_is_one_step_here(tmp_path):
    """On what the tests run on (ext4, tmpfs, overlayfs on tmpfs ...) the rename of two is there; else it is told."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    assert files.exchange(tmp_path / "a", tmp_path / "b") == (tmp_path / "b" / "x").exists()
    with pytest.raises(OSError, match="No such file"):
        files.exchange(tmp_path / "a", tmp_path / "none")


def test_two_steps_that_were_cut_off_between_are_put_right(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "exchange", lambda one, other: False)
    target = tmp_path / "project"
    files.replace_folder(target, OLD)
    rename, calls = os.rename, []

    def killed(*names):
        if calls:
            os._exit(9)
        calls.append(1)
        rename(*names)

    pid = os.fork()
    if pid == 0:
        files.os.rename = killed
        files.replace_folder(target, NEW)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert not target.exists()

    def full(fd, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(files.os, "write", full)
    with pytest.raises(IntrsError, match="No space left"):
        files.replace_folder(target, NEW)
    assert content(target) == OLD
    assert hidden(tmp_path) == []


def test_a_folder_has_one_writer(tmp_path):
    folder = tmp_path / "new"
    with files.locked_folder(folder, "training run"):
        again = files.locked_folder(folder, "training run")
        with pytest.raises(IntrsError, match=rf"^training run .*/new is being written by process {os.getpid()} "):
            again.__enter__()
    with files.locked_folder(folder, "training run"):
        pass


def test_a_locked_file_that_stays_empty_is_removed(tmp_path):
    files.LockedFile(tmp_path / "x", "log").close()
    assert not (tmp_path / "x").exists()
    with files.LockedFile(tmp_path / "x", "log") as file:
        file.append(b"1")
    with files.LockedFile(tmp_path / "x", "log") as file:
        assert file.content == b"1"
        file.append(b"23")
        file.keep(2)
        file.append(b"4")
    assert (tmp_path / "x").read_bytes() == b"124"


def test_an_append_that_fails_leaves_nothing_of_it(tmp_path, monkeypatch):
    with files.LockedFile(tmp_path / "x", "log") as file:
        file.append(b"1")
        for name, at in (("write", 1), ("fsync", 0)):
            real = getattr(os, name)

            def failing(fd, *data, real=real, at=at):
                if at:
                    real(fd, *(d[:at] for d in data))
                raise OSError(5, os.strerror(5))

            monkeypatch.setattr(files.os, name, failing)
            with pytest.raises(IntrsError, match="Input/output error"):
                file.append(b"abc")
            monkeypatch.setattr(files.os, name, real)
            assert (tmp_path / "x").read_bytes() == b"1"
        file.append(b"2")
    assert (tmp_path / "x").read_bytes() == b"12"


def test_a_file_that_was_deleted_while_it_was_opened_is_made_again(tmp_path, monkeypatch):
    lock, done = files.lock, []

    def locking(fd):
        if not done:
            done.append(os.unlink(tmp_path / "x"))
        return lock(fd)

    monkeypatch.setattr(files, "lock", locking)
    with files.LockedFile(tmp_path / "x", "log") as file:
        file.append(b"1")
    assert (tmp_path / "x").read_bytes() == b"1"


def test_without_locks_it_warns(tmp_path, monkeypatch, capsys):
    def none(fd, how):
        raise OSError(37, os.strerror(37))  # ENOLCK

    monkeypatch.setattr(files.fcntl, "flock", none)
    with files.LockedFile(tmp_path / "x", "log") as file:
        file.append(b"1")
    assert "no locks" in capsys.readouterr().err
