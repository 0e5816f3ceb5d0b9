"""
The live tail: records as they arrive, as server-sent events.

Each tail has a store of its own and ends with the connection: a closed tab stops its questions.
There are at most `MOST_TAILS`. A step sends at most `MOST_ROWS` records, the newest, and how many
it left out, so that nothing is missing silently.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from shipper.errors import QueryError, ShipperError
from shipper.store.api import Selection
from shipper.store.query.parser import parse
from shipper.web.rows import line_of
from shipper.web.zones import use_zone

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from shipper.store.api import Hit, Store

MOST_TAILS: Final = 20
MOST_ROWS: Final = 500  # 1,000 records a second are shown, all of them
POLL_SECONDS: Final = 0.3
QUIET_STEPS: Final = 50  # after so many empty steps a comment shows that the connection lives


class TailResponse(StreamingResponse):
    """The stream of a tail; `left` is called when it has ended, however that was."""

    def __init__(self, events: AsyncGenerator[str], left: Callable[[], None]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )
        self._events = events
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._left()
            await self._events.aclose()


class LiveTails:
    """The tails that are open."""

    def __init__(self, opened: Callable[[], Store]) -> None:
        self._opened = opened
        self._open = 0

    async def answer(self, request: Request) -> Response:
        """Return the stream of the records of a query, from now on."""
        query = request.query_params.get("q", "")
        use_zone(request.cookies)
        try:
            parse(query)
        except QueryError as error:
            return PlainTextResponse(f"{error}\n", 400)
        if self._open >= MOST_TAILS:
            return PlainTextResponse("There are too many live tails; close one.\n", 503)
        self._open += 1  # now, for many may ask before the first of them begins
        return TailResponse(self._events(Selection(query), request.state.is_over), self._leave)

    def _leave(self) -> None:
        self._open -= 1

    async def _events(
        self, selection: Selection, is_over: Callable[[], bool]
    ) -> AsyncGenerator[str]:
        store: Store | None = None
        try:
            store = await run_in_threadpool(self._opened)
            arriving = await run_in_threadpool(store.follow, selection)
            yield ": open\n\n"
            quiet = 0
            while not is_over():
                hits = await run_in_threadpool(_step, arriving)
                quiet = 0 if hits else quiet + 1
                if hits:
                    yield _event("records", _shown(hits))
                elif quiet % QUIET_STEPS == 0:
                    yield ": quiet\n\n"
                await asyncio.sleep(POLL_SECONDS)
        except ShipperError as error:
            yield _event("fault", {"fault": str(error)})
        finally:
            if store is not None:
                store.close()


def _step(arriving: Iterator[Sequence[Hit]]) -> Sequence[Hit]:
    return next(arriving)


def _shown(hits: Sequence[Hit]) -> dict[str, Any]:
    return {
        "rows": [line_of(hit) for hit in hits[-MOST_ROWS:]],
        "left": max(0, len(hits) - MOST_ROWS),
    }


def _event(name: str, value: Any) -> str:
    # JSON has no line breaks, so it is one line of data.
    return f"event: {name}\ndata: {json.dumps(value)}\n\n"
