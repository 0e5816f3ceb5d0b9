"""
What a piece of work is about, carried from where it is known to every record logged meanwhile.

Context variables follow a request through `await`, tasks and `asyncio.to_thread`; a thread that
the application starts by hand begins without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
WORKFLOW_ID: ContextVar[str | None] = ContextVar("workflow_id", default=None)


@contextmanager
def bind(*, request_id: str | None = None, workflow_id: str | None = None) -> Iterator[None]:
    """
    Put the ids on every record that is logged inside the `with` block.

    An id that is not given stays as it is. A record's own `extra=` wins over a bound id.
    """
    given = ((REQUEST_ID, request_id), (WORKFLOW_ID, workflow_id))
    tokens = [(variable, variable.set(value)) for variable, value in given if value is not None]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)
