"""Results prepared by threads before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Asked = TypeVar("Asked")
Item = TypeVar("Item")


def prefetch(make: Callable[[Asked], Item], asked: Iterable[Asked], threads: int) -> Iterator[Item]:
    """make(a) for every a, in order, at most two a thread ahead; ends when it is closed."""
    if threads < 1:
        yield from map(make, asked)
        return
    with ThreadPoolExecutor(threads, "prefetch") as pool:
        ahead: deque[Future[Item]] = deque()
        try:
            for one in asked:
                ahead.append(pool.submit(make, one))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
