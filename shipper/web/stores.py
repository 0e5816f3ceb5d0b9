"""
The stores that answer the requests of browsers.

A store answers one thread at a time, so a few are kept open; requests wait for a free one. One that
failed other than by a wrong query is closed, and the next request opens another. One that nobody
needed for some minutes is closed, too, as it holds tens of megabytes.

A browser that goes away (a closed tab, the button that cancels) ends the connection of its request.
The question that is being asked for it ends then, and so does its waiting for a free store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import TYPE_CHECKING, Final

from anyio.to_thread import run_sync

from shipper.errors import QueryError, StoreUnavailable
from shipper.store.answers import cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anyio import CapacityLimiter
    from starlette.requests import Request
    from starlette.responses import Response

    from shipper.store.api import Store

AT_ONCE: Final = 3
THREADS: Final = 9  # that make pages: those that ask, and as many more that wait
WAIT_SECONDS: Final = 20.0
WAIT_STEP: Final = 0.25  # after so long it is seen that nobody waits any more
AGAIN_SECONDS: Final = 0.1
UNUSED_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 30.0


class Errand:
    """What a request asks of stores, which another thread may cancel."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._store: Store | None = None
        self.is_cancelled = False

    @contextmanager
    def asking(self, store: Store) -> Iterator[None]:
        """Have the store be asked for the length of a `with`."""
        with self._lock:
            self._store = store
        try:
            yield
        finally:
            with self._lock:  # from here on the store may be closed
                self._store = None

    def cancel(self) -> None:
        """End what is being asked; called again and again until the request has ended."""
        with self._lock:
            self.is_cancelled = True
            if self._store is not None:
                self._store.cancel()


_ERRAND: Final[ContextVar[Errand]] = ContextVar("errand")  # of the request of this thread


def cancelled_with_its_tab(
    page: Callable[[Request], Response], threads: CapacityLimiter
) -> Callable[[Request], Awaitable[Response]]:
    """
    Return the page as one whose questions end when the browser goes away.

    It is made in one of so many `threads`, so however many browsers ask, others are left for what
    asks no store, and for the live tails.
    """

    async def answer(request: Request) -> Response:
        errand = Errand()
        _ERRAND.set(errand)  # the thread gets a copy of this context
        watching = asyncio.create_task(_cancel_with(request, errand))
        try:
            return await run_sync(page, request, limiter=threads)
        finally:
            watching.cancel()

    return answer


async def _cancel_with(request: Request, errand: Errand) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    while True:
        errand.cancel()
        await asyncio.sleep(AGAIN_SECONDS)


class StorePool:
    """Lends open stores, each to one request at a time."""

    def __init__(
        self,
        opened: Callable[[], Store],
        size: int = AT_ONCE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._opened = opened
        self._clock = clock
        self._idle: deque[tuple[Store, float]] = deque()  # since when, the longest first
        self._free = BoundedSemaphore(size)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """
        Lend a store for the length of a `with`.

        Raises:
            StoreUnavailable: there are no records yet, or other questions take too long.
        """
        errand = _ERRAND.get(Errand())
        self._wait_for_one(errand)
        try:
            store = self._unused() or self._opened()
            try:
                with errand.asking(store):
                    yield store
            except QueryError:
                self._take_back(store, errand)
                raise
            except BaseException:
                store.close()
                raise
            self._take_back(store, errand)
        finally:
            self._free.release()

    def _take_back(self, store: Store, errand: Errand) -> None:
        if errand.is_cancelled:  # it answers no more
            store.close()
        else:
            self._idle.append((store, self._clock()))

    def _unused(self) -> Store | None:
        try:
            return self._idle.pop()[0]
        except IndexError:  # there is none, or another thread closes it
            return None

    async def close_unused_ones(self) -> None:
        """Close the stores that are not needed, again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await run_sync(self.close_unused)

    def close_unused(self) -> None:
        """Close the stores that nobody needed for some minutes."""
        with suppress(IndexError):  # a request has taken the last one
            while True:
                store, since = self._idle.popleft()
                if self._clock() - since < UNUSED_SECONDS:
                    self._idle.appendleft((store, since))
                    return
                store.close()

    def _wait_for_one(self, errand: Errand) -> None:
        """Wait until a store may be lent, as long as somebody waits for the answer."""
        for _ in range(round(WAIT_SECONDS / WAIT_STEP)):
            if errand.is_cancelled:
                raise cancelled()
            if self._free.acquire(timeout=WAIT_STEP):
                if not errand.is_cancelled:
                    return
                self._free.release()
        raise StoreUnavailable("other questions are still being answered", "try again")

    def close(self) -> None:
        """Close the stores that are not lent."""
        while store := self._unused():
            store.close()
