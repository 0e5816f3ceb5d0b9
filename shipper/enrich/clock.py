"""
Times of records: `2026-02-05T14:30:45.123Z` and what else applications write.

The canonical form has exactly 24 characters, so canonical times sort as texts. The records of a
block nearly always lie within one minute: then the first and the last of them in this order vouch
for all between, once their common shape is sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

# Years outside are clock faults; a store would refuse or misplace them.
EARLIEST = int(datetime(1970, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)

SHAPE = b"0000-00-00T00:00:00.000Z\n"
DIGITS_TO_0 = bytes.maketrans(b"123456789", b"000000000")


def are_canonical(times: Sequence[str]) -> bool:
    """Return whether all are times in the canonical form."""
    together = "\n".join([*times, ""]).encode(errors="replace")
    if together.translate(DIGITS_TO_0) != SHAPE * len(times):
        return False
    first, last = min(times), max(times)
    if first[:16] == last[:16]:
        return last[17:19] <= "59" and _is_minute(first[:16])
    return (
        all(map(_is_minute, {time[:16] for time in times}))
        and max(time[17:19] for time in times) <= "59"
    )


@lru_cache(maxsize=4096)
def _is_minute(text: str) -> bool:
    """Return whether there is such a minute: `2026-02-05T14:30`, of the right shape."""
    try:
        moment = datetime.strptime(text + "Z", "%Y-%m-%dT%H:%M%z")
    except ValueError:
        return False
    return EARLIEST <= moment.timestamp() * 1000 < LATEST


def parse(value: object) -> int | None:
    """
    Read a time as epoch milliseconds: ISO 8601 text (no zone means UTC) or epoch seconds.

    A number from 1e9 (the year 2001) to 1e11 is taken as seconds, one from 1e12 to 1e14 as
    milliseconds: a smaller one is a duration that has the name of a time. Anything else, and any
    time outside the years 1970 to 2199, gives None.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        try:
            epoch_ms = int(moment.timestamp() * 1000 + 0.5)
        except OverflowError:
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool) and 1e9 <= value < 1e11:
        epoch_ms = int(value * 1000)
    elif isinstance(value, int | float) and 1e12 <= value < 1e14:
        epoch_ms = int(value)
    else:
        return None
    return epoch_ms if EARLIEST <= epoch_ms < LATEST else None
