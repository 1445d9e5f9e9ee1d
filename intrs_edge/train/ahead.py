# SPDX-License-Identifier: Apache-2.0
"""Work that is made ready while the one before it is being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order, up to ``depth`` of them made beforehand in one thread; what making them raises
    is raised here, in its turn."""
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting: deque[Future[T | object]] = deque(thread.submit(next, items, _END) for _ in range(depth))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(thread.submit(next, items, _END))
            yield item  # type: ignore[misc]
