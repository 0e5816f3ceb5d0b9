"""
Times of records: `2026-02-05T14:30:45.123Z` and what else applications write.

The canonical form has exactly 24 characters. Its first 19 repeat for every record of one second,
so they are looked up; the last five are one of a thousand.
"""

from __future__ import annotations

from datetime import UTC, datetime

# Years outside are clock faults; a store would refuse or misplace them.
EARLIEST = int(datetime(1970, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)

FRACTIONS: dict[str, int] = {f".{ms:03d}Z": ms for ms in range(1000)}


class Seconds(dict[str, int]):
    """`2026-02-05T14:30:45` → epoch milliseconds; KeyError for anything else."""

    LIMIT = 4096  # seconds remembered: more than an hour, 0.5 MB

    def __missing__(self, text: str) -> int:
        if len(text) != 19 or text[10] != "T" or not text.isascii():
            raise KeyError(text)
        try:
            moment = datetime.strptime(text + "Z", "%Y-%m-%dT%H:%M:%S%z")
        except ValueError as error:
            raise KeyError(text) from error
        value = int(moment.timestamp()) * 1000
        if not EARLIEST <= value < LATEST:
            raise KeyError(text)
        if len(self) >= self.LIMIT:
            self.clear()
        self[text] = value
        return value


def iso(epoch_ms: int) -> str:
    """Write epoch milliseconds in the canonical form."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"


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
