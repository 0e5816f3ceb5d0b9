"""
Times as a format writes them, in the zone of the line, of the input, or of this machine.

A time without a zone that the clocks showed twice (when summer time ends) is the one that is
nearer to the time of reading, if that was less than an hour after it; else the first. A time that
they never showed (when it begins) is read as if they had gone on. A time without a year, or without
a date, is the last such time that is at most a day after the time of reading. So a time depends on
nothing but the line and the time of reading.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from shipper.enrich import clock
from shipper.formats.definition import ISO

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SLACK_MS = 60_000  # a clock that goes ahead of the one of this machine
REMEMBERED = 4096

_FRACTION = re.compile(r"(?<=:[0-9]{2})[.,]([0-9]{1,9})")
_NAME = re.compile(r"(?<=[0-9]) ([A-Z]{1,5})$")  # of a zone, such as CET
_LEAST_YEAR = 1972  # a leap year, so that it has a 29 February


class ZonedTimes:
    """
    Reads the times of one layout; `zone` is the name of one, empty for that of this machine.

    What two times have in common is read once: all but the fraction of a second.
    """

    def __init__(self, form: str, zone: str) -> None:
        self._form = form
        self._zone: tzinfo | None = ZoneInfo(zone) if zone else None
        self._lacks_year = form != ISO and "%Y" not in form and "%y" not in form
        self._lacks_date = self._lacks_year and "%d" not in form
        self._known: dict[str, int | None] = {}
        self._minute = 0

    def parse(self, text: str, read_at: int) -> int | None:
        """Return a time in epoch milliseconds; None if the text is none."""
        if read_at // 60_000 != self._minute or len(self._known) > REMEMBERED:
            self._known.clear()
            self._minute = read_at // 60_000
        known = self._known.get(text)
        if known is not None:
            return known
        fraction = _FRACTION.search(text)
        if fraction is None:
            return self._whole(text, read_at)
        whole = self._whole(text[: fraction.start()] + text[fraction.end() :], read_at)
        return whole if whole is None else whole + int(fraction[1][:3].ljust(3, "0"))

    def _whole(self, text: str, read_at: int) -> int | None:
        if len(text) > clock.LONGEST:
            return self._read(text, read_at)
        if text not in self._known:
            self._known[text] = self._read(text, read_at)
        return self._known[text]

    def _read(self, text: str, read_at: int) -> int | None:
        try:
            moment = self._moment(text, read_at)
            epoch_ms = self._epoch(moment, text, read_at) if moment else None
        except (ValueError, OverflowError, OSError):
            return None
        is_sane = epoch_ms is not None and clock.EARLIEST <= epoch_ms < clock.LATEST
        return epoch_ms if is_sane else None

    def _moment(self, text: str, read_at: int) -> datetime | None:
        if self._form == ISO:
            moment = clock.moment_of(text)
            if moment is None and (named := _NAME.search(text)):
                moment = clock.moment_of(text[: named.start()])
            return moment
        if not self._lacks_year:
            return datetime.strptime(text, self._form)  # noqa: DTZ007 -- its zone comes later
        if self._lacks_date:
            today = self._local(read_at + DAY_MS).strftime("%Y-%m-%d ")
            return datetime.strptime(today + text, "%Y-%m-%d " + self._form)  # noqa: DTZ007
        return datetime.strptime(f"{_LEAST_YEAR} {text}", "%Y " + self._form)  # noqa: DTZ007

    def _epoch(self, moment: datetime, text: str, read_at: int) -> int:
        latest = read_at + DAY_MS
        if self._lacks_date:
            latest = read_at + HOUR_MS
            while self._instant(moment, text, read_at) > latest:
                moment -= timedelta(days=1)
        elif self._lacks_year:
            moment = self._in_year(moment, text, latest)
        return self._instant(moment, text, read_at)

    def _in_year(self, moment: datetime, text: str, latest: int) -> datetime:
        """Return the last such day that is not after `latest`."""
        year = self._local(latest).year
        for before in range(9):
            try:
                found = moment.replace(year=year - before)
            except ValueError:  # 29 February
                continue
            if self._instant(found, text, latest) <= latest:
                return found
        return moment

    def _instant(self, moment: datetime, text: str, read_at: int) -> int:
        if moment.tzinfo is not None:
            return _ms(moment)
        first = self._in_zone(moment.replace(fold=0))
        second = self._in_zone(moment.replace(fold=1))
        if _ms(first) >= _ms(second):  # it was never shown if the second is earlier
            return _ms(first)
        named = _NAME.search(text)
        if named and named[1] in (first.tzname(), second.tzname()):
            return _ms(second if named[1] == second.tzname() else first)
        is_fresh = 0 <= read_at + SLACK_MS - _ms(second) < HOUR_MS
        return _ms(second if is_fresh else first)

    def _in_zone(self, moment: datetime) -> datetime:
        return moment.astimezone() if self._zone is None else moment.replace(tzinfo=self._zone)

    def _local(self, epoch_ms: int) -> datetime:
        return datetime.fromtimestamp(epoch_ms / 1000, UTC).astimezone(self._zone)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000 + 0.5)
