"""
Times: epoch milliseconds inside, ISO 8601 in UTC for everybody else.

A module of its own below all rooms, because records, stores, the journal of alerts and every view
write the same form, and a time that one of them writes is searched for in another.
`shipper/enrich/clock.py` reads what else applications write as a time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

# The years 1 to 9999, which ISO 8601 can write.
EARLIEST: Final = -62_135_596_800_000
LATEST: Final = 253_402_300_799_999

_FRACTIONS: Final = tuple(f".{milliseconds:03d}Z" for milliseconds in range(1000))
_FORM: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<minute>\d\d:\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?"
    r"(?P<zone>[Zz]|[+-]\d\d:\d\d)?)?"
)


class Clock(NamedTuple):
    """The clocks of a process: `wall` in epoch milliseconds, `monotonic` in seconds."""

    wall: Callable[[], int]
    monotonic: Callable[[], float] = time.monotonic


def iso(epoch_ms: int) -> str:
    """Return epoch milliseconds as `2026-02-05T14:30:45.123Z`, always 24 characters."""
    second, milliseconds = divmod(epoch_ms, 1000)
    return _iso_second(second) + _FRACTIONS[milliseconds]


@lru_cache(maxsize=4096)
def _iso_second(second: int) -> str:
    """Return seconds since 1970 as `2026-02-05T14:30:45`: those of many records are the same."""
    moment = EPOCH + timedelta(seconds=second)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def parse_period(text: str) -> tuple[int, int] | None:
    """
    Return the first and the last epoch millisecond that a date or time covers, None if it is none.

    `2026-02-05` covers a day, `2026-02-05T14:30` a minute, with seconds a second, with a fraction
    one millisecond (finer digits are cut off). Without a zone it is UTC.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    day, minute, second, fraction = match.group("day", "minute", "second", "fraction")
    zone = (match["zone"] or "Z").upper().replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}{zone}")
    except ValueError:
        return None
    start = (moment - EPOCH) // MILLISECOND + int(((fraction or ".0")[1:4]).ljust(3, "0"))
    length = 1 if fraction else 1000 if second else 60_000 if minute else 86_400_000
    return start, start + length - 1
