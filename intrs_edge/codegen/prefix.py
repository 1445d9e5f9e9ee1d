# SPDX-License-Identifier: Apache-2.0
"""A project under a name of its own, so that several models live in one program: ``intrs_certify`` becomes
``NAME_certify``, ``INTRS_CLASSES`` becomes ``NAME_CLASSES``, ``intrs.h`` becomes ``NAME.h``.

What does not depend on a model keeps its name and is the same file in every project: the kernels, their parameters and
the types of results. Programs link it once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from intrs_edge.codegen.front import KEPT
from intrs_edge.errors import IntrsError

DEFAULT = "intrs"
_SHARED = ("runtime/kernels/", "include/intrs_kernels.h", "include/intrs_types.h")
_DATA = (".json", ".tflite", ".svg", "LICENSE")
# the entry of an image, which tools ask for, and what tells a build that another project brought the kernels already
_KEPT = {"intrs_reset", "INTRS_SHARED", "INTRS_SHARED_VERSION"}
_NAME = re.compile(r"\b(?:intrs|INTRS)_\w+")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_WORDS = (
    # C and C++
    "alignas alignof and asm auto bitand bitor bool break case catch char class compl const constexpr continue default "
    "delete do double else enum explicit export extern false final float for friend goto if import inline int long "
    "main module mutable namespace new noexcept not nullptr operator or override private protected public register "
    "requires restrict return short signed sizeof static struct switch template this throw true try typedef typeid "
    "typename union unsigned using virtual void volatile while xor "
    # headers of C and POSIX, which NAME.h must not hide
    "aio assert complex cpio ctype dirent dlfcn errno fcntl fenv float fmtmsg fnmatch ftw getopt glob grp iconv "
    "immintrin inttypes iso646 langinfo libgen limits locale malloc math memory monetary mqueue ndbm netdb nl_types "
    "poll pthread pwd regex sched search semaphore setjmp signal spawn stdalign stdarg stdatomic stdbool stddef stdint "
    "stdio stdlib stdnoreturn string strings stropts syslog tar termios tgmath threads time trace uchar ulimit unistd "
    "utime utmpx wchar wctype wordexp features alloca endian "
    # targets of CMake and of a project
    "all board clean common depend edit_cache examples help host include install package preinstall rebuild_cache "
    "runtime test"
)
_RESERVED = frozenset(_WORDS.split())


def check_prefix(prefix: str) -> None:
    """Raises IntrsError for what is no name of a project."""
    if prefix == DEFAULT:
        return
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", prefix) or "__" in prefix or prefix.endswith("_"):
        raise IntrsError(
            f"prefix {prefix!r} is no C name of up to 32 small letters, digits and single underscores: give another"
        )
    if prefix in _RESERVED or prefix.startswith("intrs"):
        raise IntrsError(f"prefix {prefix!r} is taken by C, its headers, CMake or the runtime: give another")


class Renaming:
    """From the files of a project without a name of its own to those with one."""

    def __init__(self, files: Mapping[str, bytes], prefix: str) -> None:
        """files: where generate puts them; what `apply` is given may lie elsewhere."""
        shared = [path for path in files if path.startswith(_SHARED)]
        self._prefix = prefix
        self._shared = {path.rsplit("/", 1)[-1] for path in shared}
        self._kept = _KEPT.union(
            {path.rsplit("/", 1)[-1].partition(".")[0] for path in shared}, *(_names(files[path]) for path in shared)
        )

    def apply(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Contents and paths; front matter, which names files of somebody else's, stays."""
        if self._prefix == DEFAULT:
            return dict(files)
        found = {}
        for path, content in files.items():
            if path.rsplit("/", 1)[-1] in self._shared or path.endswith(_DATA):
                found[path] = content
                continue
            head, mark, body = content.decode().rpartition(KEPT)
            found[self._renamed(path)] = (head + mark + self._renamed(body)).encode()
        return found

    def _renamed(self, text: str) -> str:
        return re.sub(r"\bintrs\.h\b", f"{self._prefix}.h", _NAME.sub(self._name, text))

    def _name(self, match: re.Match[str]) -> str:
        name = match[0]
        if name in self._kept:
            return name
        return (self._prefix if name.startswith("i") else self._prefix.upper()) + name[len(DEFAULT) :]


def _names(content: bytes) -> set[str]:
    return set(_NAME.findall(_COMMENT.sub("", content.decode())))
