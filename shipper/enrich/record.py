"""
The part of a record that enrichment looks at, decoded without the rest.

`Record` has a member for every field that an application writes under the names of
`shipper.fields`, with the type that the stores demand. A line that has another key, or another
type under one of these keys, does not fit: it takes the slow path, where it is put right. So what
fits needs no further look before its bytes are passed on as they are.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One line that `emit` wrote, well formed; the order is that of the formatter."""

    timestamp: str
    run: str
    seq: int
    level: str | None = None
    logger: str | None = None
    message: str | None = None
    workflow_id: str | None = None
    execution_time_ms: float | None = None
    status: str | None = None
    request_id: str | None = None
    error_type: str | None = None
    exc_info: str | None = None
    method: str | None = None
    path: str | None = None
    route: str | None = None
    status_code: int | None = None
    duration_ms: float | None = None
    client_ip: str | None = None
    user_agent: str | None = None
