# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all and are still there after a power cut; files with one writer.

Everything that this package leaves behind is written here (SQLite's and littlefs's rules): new content goes to a
temporary file with a name of its own, is on the disk before it is renamed, and the folder is on the disk before the
call returns. What is not a regular file (a device, a pipe, a link) is never replaced.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from intrs_edge.errors import IntrsError

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_NAME = 64  # characters of a file's name that its temporary file repeats: a name has at most 255 bytes
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def write_atomically(path: Path, data: bytes | str, what: str = "") -> None:
    """Gives ``path`` this content, whole or not at all, with the permissions that it had; text is UTF-8.

    Missing folders are made. ``what`` names the file in errors ("log", "report"). Raises IntrsError when it cannot be
    written, and for a path that is no regular file; what was there stays.
    """
    check_regular(path, what)
    content = data.encode() if isinstance(data, str) else data
    with written(path, what):
        make_folder(path.parent)
        _sweep(path)
        temporary, fd = _draft(path)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(fd, stat.S_IMODE(path.stat().st_mode))
            write_all(fd, content)
            os.fsync(fd)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)
        sync_folder(path.parent)


def check_regular(path: Path, what: str = "") -> None:
    """Raises IntrsError unless the path is free or a regular file."""
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot(path, what, error) from None
    if kind != stat.S_IFREG:
        there = _KINDS.get(kind, "no file")
        remedy = f"name the file that it points to, {os.readlink(path)}" if kind == stat.S_IFLNK else "name a file"
        raise IntrsError(f"{_named(path, what)} is {there}, which is not written over; {remedy}")


@contextlib.contextmanager
def written(path: Path, what: str = "") -> Iterator[None]:
    """Whatever the system refuses inside becomes one line that names the path."""
    try:
        yield
    except OSError as error:
        raise _cannot(path, what, error) from error


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, and sees to it that they stay. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk when this returns. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such call for folders
            raise
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """All of the data, however often the system takes a part only. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def lock(fd: int) -> bool:
    """Takes the one lock of an open file or folder; False when another holds it. It ends with its process.

    Where the file system knows no locks, a warning is printed instead. Raises OSError.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print("intrs-edge: warning: this file system has no locks; let no other process write there", file=sys.stderr)
    return True


@contextlib.contextmanager
def locked_folder(folder: Path, what: str) -> Iterator[None]:
    """A folder, made when it is not there, that no other process writes meanwhile. IntrsError as `LockedFile`."""
    with written(folder, what):
        make_folder(folder)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with written(folder, what):
            _lock_or_name(fd, folder, what)
        yield
    finally:
        os.close(fd)


def _lock_or_name(fd: int, path: Path, what: str) -> None:
    if not lock(fd):
        raise IntrsError(
            f"{_named(path, what)} is being written by {_holder(fd)}; wait for it, end it, or give another name"
        )


def replace_folder(target: Path, files: Mapping[str, bytes], what: str = "") -> None:
    """Makes ``target`` a folder of exactly these files (relative path -> content), whole or not at all.

    A folder that is there is exchanged for the new one in one step where the file system can do that (Linux:
    renameat2); elsewhere a kill between two renames leaves none, which the next call puts right. Raises IntrsError when
    it cannot be written; what was there stays.
    """
    target = target.absolute()
    with written(target, what):
        make_folder(target.parent)
        _sweep(target)
        draft, fd = _draft(target, folder=True)
        try:
            fresh = draft / "new"
            _fill(fresh, files)
            if not os.path.lexists(target):
                os.rename(fresh, target)
            elif not exchange(fresh, target):
                _change_places(fresh, target, draft / "old")
            sync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            os.close(fd)


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes all, then waits for the disk once for all of them: the first wait takes most of the others along."""
    folders = {folder, *(parent for name in files for parent in (folder / name).parents if folder in parent.parents)}
    for path in sorted(folders):
        os.mkdir(path)
    for name, content in sorted(files.items()):
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            write_all(fd, content)
        finally:
            os.close(fd)
    for path in [*(folder / name for name in files), *sorted(folders, reverse=True)]:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    sync_folder(folder.parent)


def exchange(one: Path, other: Path) -> bool:
    """Two names change places in one step; False where this system cannot do that. Raises OSError."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    here, exchange_both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if call(here, os.fsencode(one), here, os.fsencode(other), exchange_both) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _change_places(fresh: Path, target: Path, old: Path) -> None:
    os.rename(target, old)
    try:
        os.rename(fresh, target)
    except OSError:
        os.rename(old, target)
        raise


class LockedFile:
    """A regular file that this process alone appends to. ``content`` is what it held when it was opened.

    Made when it is not there, removed when it is closed without content. Raises IntrsError for anything but a regular
    file, and when another process has it, which is named.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        check_regular(path, what)
        self.content, self._size = b"", 0
        with written(path, what):
            self._fd = self._open()
            try:
                self.content = _read_all(self._fd)
                self._size = len(self.content)
                if not self._size:
                    sync_folder(path.parent)
            except BaseException:
                self.close()
                raise

    def _open(self) -> int:
        make_folder(self.path.parent)
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
            try:
                _lock_or_name(fd, self.path, self.what)
                mine, named = os.fstat(fd), self.path.lstat()
                if (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino) and stat.S_ISREG(mine.st_mode):
                    return fd
            except FileNotFoundError:
                pass  # deleted since it was opened
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            check_regular(self.path, self.what)

    def keep(self, size: int) -> None:
        """Cuts off what follows the first ``size`` bytes."""
        with written(self.path, self.what):
            if size != self._size:
                os.ftruncate(self._fd, size)
                os.fsync(self._fd)
            self._size = size

    def append(self, data: bytes) -> None:
        """Adds the data; on the disk when this returns, and not in the file when it raises (IntrsError)."""
        with written(self.path, self.what):
            try:
                os.lseek(self._fd, self._size, os.SEEK_SET)
                write_all(self._fd, data)
                os.fsync(self._fd)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                raise
            self._size += len(data)

    def close(self) -> None:
        """Ends the lock; may be called twice."""
        if self._fd >= 0:
            if not self.content and not self._size:
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> LockedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _draft(path: Path, folder: bool = False) -> tuple[Path, int]:
    """A new file or folder beside ``path``, and the descriptor that holds its lock. Raises OSError."""
    while True:
        draft = path.parent / f".{path.name[:_NAME]}.{secrets.token_hex(8)}.intrs-tmp"
        if folder:
            os.mkdir(draft)
            try:
                fd = os.open(draft, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                os.rmdir(draft)
                raise
        else:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        # another process that saw it before it was locked took it for left over
        if lock(fd) and os.fstat(fd).st_nlink:
            return draft, fd
        os.close(fd)


def _sweep(path: Path) -> None:
    """Removes the drafts of ``path`` whose process was killed: nobody holds their lock."""
    ours = re.compile(re.escape(f".{path.name[:_NAME]}.") + r"[0-9a-f]{16}\.intrs-tmp")
    stale: list[str] = []
    with contextlib.suppress(OSError):  # a folder that may be written but not listed
        stale = [name for name in os.listdir(path.parent) if ours.fullmatch(name)]
    for name in stale:
        draft = path.parent / name
        with contextlib.suppress(OSError):
            fd = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not draft.is_dir():
                    os.unlink(draft)
                    continue
                if (draft / "old").is_dir() and not os.path.lexists(path):
                    os.rename(draft / "old", path)
                shutil.rmtree(draft)
            finally:
                os.close(fd)


def _holder(fd: int) -> str:
    """Who holds the lock, as the system lists it."""
    inode = str(os.fstat(fd).st_ino)
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines():
            fields = line.split()  # 1: FLOCK ADVISORY WRITE pid major:minor:inode first last
            if len(fields) == 8 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                command = (
                    Path(f"/proc/{int(fields[4])}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                shown = "".join(c if c.isprintable() else "?" for c in command.strip())[:100]
                return f"process {fields[4]} ({shown})"
    return "another process"


def _named(path: Path, what: str) -> str:
    return f"{what} {path}".strip()


def _cannot(path: Path, what: str, error: OSError) -> IntrsError:
    reason = error.strerror or type(error).__name__
    remedies = {
        errno.ENOSPC: "free some space, then run the same command again",
        errno.EDQUOT: "free some space, then run the same command again",
        errno.EIO: "the disk failed; look after it, or name a file on another",
    }
    remedy = remedies.get(error.errno or 0, "name another file")
    return IntrsError(f"{_named(path, what)}: cannot be written ({reason}); {remedy}")
