"""
The watermark: everything older that this shipper will ever read is in the queue.

The watermark of one file is

- the time of the snapshot, if the file is read to its end;
- else the time of the next record, as records are written in the order of their times;
- or, if that record has no readable time, the last time at which the file was read to its end.

The lowest watermark of all files counts, files that cannot be opened included. Files that are no
longer written to are read to their end, so they do not hold it back.

A record is written a moment after the time it bears, so `LATE_MS` is subtracted. A record that is
written later than that, or comes in a file copied from elsewhere, is late: it is stored like any
other, but below the watermark. All times are of the wall clock of this host, which also stamps the
records: if it is set back, so is the watermark.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipper.enrich import clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipper.tail.lag import Lag

LATE_MS = 1000  # from the time of a record until its line is written, unless it is late

_TIME = re.compile(
    rb'"(?:@?timestamp|time|ts)"\s*:\s*(?:"([^"\\]{10,40})"|(\d{9,13}(?:\.\d{1,9})?)\s*[,}])'
)


def watermark(lags: Iterable[Lag], unreadable_since: Iterable[int], at: int) -> int:
    """
    Return the watermark at the time `at` (epoch ms).

    `unreadable_since` says when each file that cannot be opened was last read to its end.
    """
    times = [at, *unreadable_since, *(_reached(lag, at) for lag in lags)]
    return max(min(times) - LATE_MS, 0)


def _reached(lag: Lag, at: int) -> int:
    if lag.is_current:
        return at
    next_at = time_of(lag.head)
    return min(at, lag.current_at if next_at is None else max(lag.current_at, next_at))


def time_of(head: bytes) -> int | None:
    """Read the time of the record that begins here; None if it has none."""
    found = _TIME.search(head)
    if found is None:
        return None
    text, number = found.groups()
    return clock.parse(float(number) if text is None else text.decode(errors="replace"))
