"""Every change of the files below a folder, numbered; one of them fails, is where the process is killed, or is where
the power goes (as SQLite and littlefs are tested).

The calls of ``os`` are replaced in a forked child; the numbers are those of an undisturbed run. Where the power goes,
all that was not on the disk yet is undone: data of files that were not synced, names in folders that were not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from intrs_edge import files

KILLED = 99
FAULTS = ("ENOSPC", "EIO", "kill", "power")


@dataclass
class Shim:
    """Counts changes below ``root``; does ``fault`` at change number ``at`` (none: only counts).

    ``away``: a folder outside ``root`` on the same file system, for what the power takes back.
    """

    root: Path
    away: Path
    fault: str = ""
    at: int = -1
    done: list[str] = field(default_factory=list)
    escaped: list[str] = field(default_factory=list)
    _real: dict[str, Callable[..., Any]] = field(default_factory=dict)
    _live: set[int] = field(default_factory=set)  # descriptors that our files are open under
    _data: dict[int, tuple[int, int]] = field(default_factory=dict)  # inode -> a descriptor, bytes on the disk
    _busy: bool = False
    _names: list[tuple[set[int], Callable[[], object]]] = field(default_factory=list)  # folders' inodes, and how
    _tails: list[tuple[int, Callable[[], object]]] = field(default_factory=list)

    def install(self) -> None:
        """For the rest of this process."""
        for name in ("open", "close", "write", "fsync", "ftruncate", "replace", "rename", "mkdir", "unlink", "rmdir"):
            self._real[name] = getattr(os, name)
            setattr(os, name, getattr(self, f"_{name}"))
        self._real["remove"], os.remove = os.remove, self._unlink
        self._real["exchange"], files.exchange = files.exchange, self._exchange
        sys.addaudithook(self._audit)

    ### one change ###

    def _step(self, what: str, path: object, half: Callable[[], object] = lambda: None) -> None:
        number = len(self.done)
        self.done.append(f"{what} {path}")
        if number != self.at:
            return
        half()
        if self.fault in ("kill", "power"):
            self._end()
        code = getattr(errno, self.fault)
        raise OSError(code, os.strerror(code), str(path))

    def _end(self) -> NoReturn:
        with contextlib.suppress(BaseException):
            self._take_back()
            os._exit(KILLED)
        os._exit(71)  # the campaign itself is wrong

    def _take_back(self) -> None:
        if self.fault == "power":
            for name in self._real.keys() - {"exchange"}:
                setattr(os, name, self._real[name])
            for copy, size in self._data.values():
                if os.fstat(copy).st_size > size:
                    os.ftruncate(copy, size)
            for _, undo in reversed(self._tails):
                undo()
            for _, undo in reversed(self._names):
                undo()

    def _ours(self, path: object, dir_fd: int | None = None) -> bool:
        if dir_fd is not None:
            return str(os.readlink(f"/proc/self/fd/{dir_fd}")).startswith(str(self.root))
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(str(self.root))

    def _named(
        self, path: object, undo: Callable[[int, str], object], dir_fd: int | None = None, also: int | None = None
    ) -> None:
        """A name in a folder has changed; ``undo`` takes the folder and the name. ``also``: the folder it came from;
        a rename is on the disk with either.
        """
        if self.fault != "power":
            return
        parent, name = (
            os.path.split(os.path.abspath(str(path))) if dir_fd is None else (f"/proc/self/fd/{dir_fd}", path)
        )
        folder = self._real["open"](parent, os.O_RDONLY | os.O_DIRECTORY)
        inodes = {os.fstat(fd).st_ino for fd in (folder, also) if fd is not None}
        self._names.append((inodes, lambda: undo(folder, str(name))))

    def _aside(self, path: Any) -> str:
        """A second name for a file that is about to lose its own."""
        kept = str(self.away / str(len(self.done)))
        if self.fault == "power":
            self._busy = True
            os.link(path, kept, follow_symlinks=False)
            self._busy = False
        return kept

    ### the calls ###

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        if not self._ours(path, dir_fd) or not (writes or flags & os.O_CREAT):
            return int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
        new = not os.path.lexists(path)
        self._step("open", path)
        fd = int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
        if new:
            self._named(path, lambda folder, name: os.unlink(name, dir_fd=folder), dir_fd)
        self._live.add(fd)
        status = os.fstat(fd)
        if self.fault == "power" and status.st_ino not in self._data:
            self._data[status.st_ino] = (os.dup(fd), status.st_size)
        return fd

    def _close(self, fd: int) -> None:
        self._live.discard(fd)
        self._real["close"](fd)

    def _write(self, fd: int, data: Any) -> int:
        if fd in self._live:
            self._step("write", fd, lambda: self._real["write"](fd, data[: len(data) // 2]))
        return int(self._real["write"](fd, data))

    def _fsync(self, fd: int) -> None:
        status = os.fstat(fd)
        path = os.readlink(f"/proc/self/fd/{fd}")
        if self._ours(path):
            self._step("fsync", path)
            if stat.S_ISDIR(status.st_mode):
                self._names = [(inodes, undo) for inodes, undo in self._names if status.st_ino not in inodes]
            if status.st_ino in self._data:
                self._data[status.st_ino] = (self._data[status.st_ino][0], status.st_size)
            self._tails = [(ino, undo) for ino, undo in self._tails if ino != status.st_ino]
        self._real["fsync"](fd)

    def _ftruncate(self, fd: int, size: int) -> None:
        if fd in self._live:
            self._step("ftruncate", fd)
            inode = os.fstat(fd).st_ino
            if inode in self._data:
                copy, synced = self._data[inode]
                tail = os.pread(fd, max(0, synced - size), size)
                self._tails.append((inode, lambda: os.pwrite(copy, tail, size)))
                self._data[inode] = (copy, min(size, synced))
        self._real["ftruncate"](fd, size)

    def _replace(self, source: Any, target: Any) -> None:
        self._move("replace", source, target)

    def _rename(self, source: Any, target: Any) -> None:
        self._move("rename", source, target)

    def _move(self, what: str, source: Any, target: Any) -> None:
        if not self._ours(target):
            self._real[what](source, target)
            return
        self._step(what, target)
        kept = self._aside(target) if os.path.lexists(target) else None
        parent = self._real["open"](Path(source).parent, os.O_RDONLY | os.O_DIRECTORY)
        self._real[what](source, target)

        def undo(folder: int, name: str) -> None:
            os.rename(name, Path(source).name, src_dir_fd=folder, dst_dir_fd=parent)
            if kept is not None:
                os.link(kept, name, dst_dir_fd=folder)

        self._named(target, undo, also=parent)

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        if self._ours(path, dir_fd):
            self._step("mkdir", path)
        self._real["mkdir"](path, mode, dir_fd=dir_fd)
        if self._ours(path, dir_fd):
            self._named(path, _remove_below, dir_fd)

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        if self._ours(path, dir_fd):
            self._step("unlink", path)
            if dir_fd is None:  # else a tree is removed: its names would have to come back in folders that did
                kept = self._aside(path)
                self._named(path, lambda folder, name: os.link(kept, name, dst_dir_fd=folder))
        self._real["unlink"](path, dir_fd=dir_fd)

    def _rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        if self._ours(path, dir_fd):
            self._step("rmdir", path)
        self._real["rmdir"](path, dir_fd=dir_fd)

    def _exchange(self, one: Path, other: Path) -> bool:
        self._step("exchange", other)
        done = bool(self._real["exchange"](one, other))
        if done:
            self._named(other, lambda folder, name: self._real["exchange"](one, other))
        return done

    ### what goes by another way ###

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Files that are opened for writing by anything but os.open: their writes cannot be made to fail."""
        if self._busy:
            return
        if event == "open" and self._ours(arguments[0]) and set(arguments[1] or "") & set("wax+"):
            self.escaped.append(f"open {arguments[0]} {arguments[1]}")
        others = ("os.truncate", "os.link", "os.symlink", "shutil.copyfile", "shutil.move")
        if event in others and any(self._ours(a) for a in arguments):
            self.escaped.append(f"{event} {arguments}")


def _remove_below(folder: int, name: str) -> None:
    shutil.rmtree(f"/proc/self/fd/{folder}/{name}", ignore_errors=True)


@dataclass(frozen=True)
class Ended:
    """A run in a child: its exit code (KILLED where it was ended), what it said on stderr, the changes it made."""

    code: int
    said: str
    changes: tuple[str, ...]
    escaped: tuple[str, ...]


def run(work: Callable[[], int], root: Path, aside: Path, fault: str = "", at: int = -1) -> Ended:
    """``work`` in a forked child with the shim over ``root``; ``aside`` is emptied and used for notes."""
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    (aside / "away").mkdir()
    said, changes = aside / "stderr", aside / "changes"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 70
        with contextlib.suppress(BaseException):
            fd = os.open(said, os.O_WRONLY | os.O_CREAT)
            os.dup2(fd, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stderr, sys.stdout = os.fdopen(2, "w", closefd=False), os.fdopen(1, "w", closefd=False)
            shim = Shim(root, aside / "away", fault, at)
            shim.install()
            code = work()
            sys.stderr.flush()
            changes.write_text("\n".join(["escaped: " + e for e in shim.escaped] + shim.done))
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lines = changes.read_text().splitlines() if changes.exists() else []
    escaped = tuple(line for line in lines if line.startswith("escaped: "))
    return Ended(code, said.read_text(errors="replace"), tuple(lines[len(escaped) :]), escaped)
