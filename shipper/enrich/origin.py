"""
Origins: where a record comes from, and so its `_id`.

A record written by `emit` carries `run`, a ULID made at the start of its process, and `seq`, its
number in that run: both survive every rename, copy and re-read. Any other line is known by its
file's stream and its byte offset. A `run` of any other shape is some other field of a foreign
application that happens to have the name, and must not be taken as an origin: two records would
get one `_id` and one of them would be lost.
"""

from __future__ import annotations

import re

# https://github.com/ulid/spec: 26 characters of Crockford's base 32, the first at most 7.
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")

MAX_SEQ = 2**53  # exact in every JSON reader


def is_run(value: object) -> bool:
    """Return whether this is the run of an application that uses `emit`."""
    return isinstance(value, str) and ULID.match(value) is not None


def is_seq(value: object) -> bool:
    """Return whether this is a number that `emit` can have given."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_SEQ
