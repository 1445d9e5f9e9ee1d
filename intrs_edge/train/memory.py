# SPDX-License-Identifier: Apache-2.0
"""The memory of a training, which takes and frees the same megabytes at every step."""

from __future__ import annotations

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_MOST = 1 << 30


def keep_freed_memory() -> bool:
    """Lets this process keep what it frees, where its C library is glibc and the environment does not set its
    allocator. Otherwise large tensors go back to the system each time, which clears them page by page when they come
    again: a tenth of a step. Gives whether it could."""
    if not sys.platform.startswith("linux") or any(n.startswith("MALLOC_") for n in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return all([mallopt(_TRIM_THRESHOLD, _MOST), mallopt(_MMAP_THRESHOLD, _MOST)])
