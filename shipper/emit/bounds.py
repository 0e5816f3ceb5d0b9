"""
Lines that the shipper takes apart: not longer, and not nested deeper, than it reads.

A line over its limits would be stored as text, without its level and its origin: once for each file
that it is in, and as a record that was never written. So what is too deep becomes text here, and
what is too long loses the middle of its longest values.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 20  # levels, as in the shipper's enrichment
MAX_BYTES: Final = 1_000_000  # below the default of `inputs[].max_line_bytes`
# Characters that a value keeps, less and less until the line is short enough.
_KEPT: Final = (100_000, 10_000, 1000, 100)


def is_within_bounds(line: str) -> bool:
    """Return whether a line is surely neither too long nor too deep, without a look at values."""
    return len(line) <= MAX_BYTES // 4 and line.count("{") + line.count("[") <= MAX_DEPTH


def bounded(line: str, kept: Collection[str]) -> str:
    """Return a line within the limits; `kept` are the fields that stay whatever the others hold."""
    fields = _decoded(line, MAX_DEPTH)
    for chars in _KEPT:
        line = _encoded(fields)
        if len(line.encode()) <= MAX_BYTES:
            return line
        fields = {_cut(name, chars): _shortened(value, chars) for name, value in fields.items()}
    line = _encoded(fields)
    if len(line.encode()) <= MAX_BYTES:
        return line
    return _encoded({name: value for name, value in fields.items() if name in kept})


def _decoded(line: str, levels: int) -> dict[str, Any]:
    """Decode an object with all that is more than so many levels deep as its text."""
    raw: dict[str, msgspec.Raw] = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    fields: dict[str, Any] = {}
    for name, value in raw.items():
        try:
            fields[name] = msgspec.json.decode(value)
            is_deep = _depth(fields[name]) >= levels
        except RecursionError:
            is_deep = True
        if is_deep:
            fields[name] = bytes(value).decode()
    return fields


def _depth(value: Any) -> int:
    """Return the levels of nesting."""
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _shortened(value: Any, chars: int) -> Any:
    text = value if isinstance(value, str) else _encoded(value)
    return value if len(text) <= chars else _cut(text, chars)


def _cut(text: str, chars: int) -> str:
    """Take the middle out of a long text: a traceback says what happened at its end."""
    if len(text) <= chars:
        return text
    return f"{text[: chars * 3 // 4]} … ({len(text):,} characters) … {text[-chars // 4 :]}"


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()
