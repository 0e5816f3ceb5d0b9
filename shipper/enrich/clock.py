"""
Times of records: `2026-02-05T14:30:45.123Z` and what else applications write.

The canonical form has exactly 24 characters, so canonical times sort as texts. The records of a
block nearly always lie within one minute: then the first and the last of them in this order vouch
for all between, once their common shape is sure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

# Years outside are clock faults; a store would refuse or misplace them.
EARLIEST = int(datetime(1970, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)

# The least number of each unit, the year 2001 in all of them, and how many are a second.
UNITS = ((1e9, 1), (1e12, 1000), (1e15, 10**6), (1e18, 10**9))

LONGEST = 64  # characters of a time that is remembered
SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}")
NUMBER = re.compile(r"[0-9]{9,20}(\.[0-9]{1,9})?")
MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
# `05/Feb/2026:14:30:45 +0000`, `Thu, 05 Feb 2026 14:30:45 GMT`
NAMED = re.compile(
    r"(?:[A-Z][a-z]{2}, )?(?P<day>[0-9]{1,2})[ /-](?P<month>(?i:"
    + "|".join(MONTHS[i : i + 3] for i in range(0, 36, 3))
    + r"))[ /-](?P<year>[0-9]{4})[ :](?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?)"
    r"(?P<zone> ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?)"
)
SLASHES = re.compile(r"^([0-9]{4})/([0-9]{2})/([0-9]{2})(?=[ T])")
# A zone behind a space; Go writes the offset and the name.
ZONE = re.compile(r" (?:([+-][0-9]{2}:?[0-9]{2})(?: UTC| GMT)?|UTC|GMT|Z)$|(?:UTC|GMT)$")

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
    Read a time as epoch milliseconds, from a text or a number; without a zone it is UTC.

    A text is ISO 8601 in the forms that `datetime` reads, with `/` for `-`, with a space before the
    zone and with UTC or GMT for it; a time of access logs or of HTTP; or a number. A number is the
    time since 1970 in seconds (from 1e9, the year 2001), milliseconds, microseconds or nanoseconds:
    a smaller one is a duration that has the name of a time. Anything else, and any time outside the
    years 1970 to 2199, gives None.
    """
    if isinstance(value, str):
        epoch_ms = _of_text(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        epoch_ms = _of_number(value)
    else:
        return None
    return epoch_ms if epoch_ms is not None and EARLIEST <= epoch_ms < LATEST else None


def _of_number(value: float) -> int | None:
    for least, per_second in UNITS:
        if least <= value < least * 100:
            if per_second == 1:
                # A float falls short of its millisecond by less than a hundredth.
                return int(value * 1000 + 0.01)
            return int(value) // (per_second // 1000)
    return None


def _of_text(text: str) -> int | None:
    if len(text) > LONGEST:
        return _of_any_text(text)
    zone = text[19:].lstrip(".,0123456789")
    second = _second(text[:19], zone)
    if second is not None:
        fraction = text[19 : len(text) - len(zone)]
        if not fraction:
            return second
        micros = fraction[1:7].ljust(6, "0")
        # What lies in the middle of two milliseconds is rounded by `datetime`.
        if fraction[0] in ".," and fraction[1:].isdecimal() and micros[3:] != "500":
            return second + (int(micros) + 500) // 1000
    return _of_any_text(text)


@lru_cache(maxsize=4096)
def _second(text: str, zone: str) -> int | None:
    """Return the milliseconds of a second: `2026-02-05T14:30:45`, and a zone."""
    return _of_any_text(text + zone) if SECOND.fullmatch(text) else None


def _of_any_text(text: str) -> int | None:
    text = text.strip(" \t\r\n")
    if text[4:5] != "-" and NUMBER.fullmatch(text):
        return _of_number(float(text) if "." in text else int(text))
    moment = moment_of(text)
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp() * 1000 + 0.5)
    except OverflowError:
        return None


def moment_of(text: str) -> datetime | None:
    """Return the moment that a text names, without a zone where it has none; None if it is none."""
    moment = _of_iso(text) if text[4:5] == "-" else None
    return _of_iso(_as_iso(text)) if moment is None else moment


def _of_iso(text: str) -> datetime | None:
    if text[10:11] in ("+", "-"):
        return None  # a date with a zone, which would be read as a time of day
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _as_iso(text: str) -> str:
    """Return a time in another form as ISO 8601, and any other text as it is."""
    named = NAMED.fullmatch(text)
    if named:
        month = MONTHS.find(named["month"].lower()) // 3 + 1
        text = (
            f"{named['year']}-{month:02d}-{int(named['day']):02d}T{named['clock']}{named['zone']}"
        )
    else:
        text = SLASHES.sub(r"\1-\2-\3", text)
    return ZONE.sub(lambda zone: zone[1] or "+00:00", text)
