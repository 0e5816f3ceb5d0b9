"""
The watermark: the time before which everything that this shipper will ever read is in the queue.

Of one file that is

- the time of the look, where nothing of it is left to read;
- else the time of the next record, as the records of a file come in the order of their times;
- or, where that record has no time that can be told, when all of the file had been read last.

The lowest of all files counts, and that of a file that cannot be opened. Files that nobody writes
to are read to their end, so they hold nothing back.

A record reaches its file a moment after the time it bears; so `LATE_MS` is taken off. One that
comes later than that, or in a file that is brought here from elsewhere, is late: it is stored as
any other, but the watermark had passed it. All times are of the wall clock of this host, which
also stamps the records: if it is set back, so is the watermark.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipper.enrich import clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipper.tail.lag import Lag

LATE_MS = 1000  # between the time of a record and its line in the file, unless it is late

_TIME = re.compile(
    rb'"(?:@?timestamp|time|ts)"\s*:\s*(?:"([^"\\]{10,40})"|(\d{9,13}(?:\.\d{1,9})?)\s*[,}])'
)


def watermark(lags: Iterable[Lag], refused: Iterable[int], at: int) -> int:
    """
    Return the watermark of a look at `at` (epoch ms) at all files; 0 if there is none.

    `refused` says of each file that could not be opened when all of it had been read last.
    """
    times = [at, *refused, *(_reached(lag, at) for lag in lags)]
    return max(min(times) - LATE_MS, 0)


def _reached(lag: Lag, at: int) -> int:
    if lag.is_current:
        return at
    next_at = time_of(lag.head)
    return min(at, lag.current_at if next_at is None else max(lag.current_at, next_at))


def time_of(head: bytes) -> int | None:
    """Read the time of the record that begins here; None if it tells none."""
    found = _TIME.search(head)
    if found is None:
        return None
    text, number = found.groups()
    return clock.parse(float(number) if text is None else text.decode(errors="replace"))
