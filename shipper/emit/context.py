"""
What a piece of work is about, carried from where it is known to every record logged meanwhile.

Context variables follow a request through `await`, tasks and `asyncio.to_thread`; a thread that
the application starts by hand begins without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
WORKFLOW_ID: ContextVar[str | None] = ContextVar("workflow_id", default=None)
# Whatever else was bound; a new mapping for each `bind`, which nobody changes.
FIELDS: ContextVar[Mapping[str, object] | None] = ContextVar("fields", default=None)


@contextmanager
def bind(
    *, request_id: str | None = None, workflow_id: str | None = None, **fields: object
) -> Iterator[None]:
    """
    Put the ids, and any other fields, on every record that is logged inside the `with` block.

    What is not given, or None, stays as it is. A record's own `extra=` wins over a bound field.
    """
    given = ((REQUEST_ID, request_id), (WORKFLOW_ID, workflow_id))
    tokens = [(variable, variable.set(value)) for variable, value in given if value is not None]
    more = {name: value for name, value in fields.items() if value is not None}
    before = FIELDS.set({**(FIELDS.get() or {}), **more}) if more else None
    try:
        yield
    finally:
        if before is not None:
            FIELDS.reset(before)
        for variable, token in reversed(tokens):
            variable.reset(token)
