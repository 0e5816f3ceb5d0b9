"""Times as the stores write and read them: ISO 8601 in UTC on the outside, epoch ms within."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

# The years 1 to 9999, which is what can be written.
EARLIEST: Final = -62_135_596_800_000
LATEST: Final = 253_402_300_799_999

_FORM: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<minute>\d\d:\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?"
    r"(?P<zone>[Zz]|[+-]\d\d:\d\d)?)?"
)


def iso(epoch_ms: int) -> str:
    """Write epoch milliseconds as `2026-02-05T14:30:45.123Z`."""
    moment = _EPOCH + timedelta(milliseconds=epoch_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def parse_span(text: str) -> tuple[int, int] | None:
    """
    Read a date or a time as the span of epoch milliseconds that it names, None if it is neither.

    `2026-02-05` names a day, `2026-02-05T14:30` a minute, with seconds a second, with a fraction
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
    start = (moment - _EPOCH) // _MS + int(((fraction or ".0")[1:4]).ljust(3, "0"))
    length = 1 if fraction else 1000 if second else 60_000 if minute else 86_400_000
    return start, start + length - 1
