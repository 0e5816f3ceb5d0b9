"""
The stores that answer the requests of browsers.

A store answers one thread at a time, so a few are kept open; requests wait for a free one. One that
failed other than by a wrong query is closed, and the next request opens another.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from shipper.errors import QueryError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipper.store.api import Store

AT_ONCE: Final = 3
WAIT_SECONDS: Final = 20.0


class StorePool:
    """Lends open stores, each to one request at a time."""

    def __init__(self, opened: Callable[[], Store], size: int = AT_ONCE) -> None:
        self._opened = opened
        self._idle: deque[Store] = deque()
        self._free = BoundedSemaphore(size)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """
        Lend a store for the length of a `with`.

        Raises:
            StoreUnavailable: there are no records yet, or other questions take too long.
        """
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise StoreUnavailable("other questions are still being answered", "try again")
        try:
            store = self._idle.pop() if self._idle else self._opened()
            try:
                yield store
            except QueryError:
                self._idle.append(store)
                raise
            except BaseException:
                store.close()
                raise
            self._idle.append(store)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close the stores that are not lent."""
        while self._idle:
            self._idle.pop().close()
