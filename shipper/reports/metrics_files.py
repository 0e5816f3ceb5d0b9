"""
The metrics files: `YYYY-MM-DD.json` per day, and `monthly/YYYY-MM.json` made of these.

A file is made when its day is over, missed ones when somebody asks next, and made again

    while it is not complete      a host had not delivered all of the day
    when the store has more       late records came
    when its form is older        after an update
    when it cannot be used        it was cut off, or changed by hand: its hours do not add up

It is never replaced by one with fewer records: what retention has dropped from the store stays in
the files. A file is replaced whole, and only if its bytes change; they depend on the records alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from pathlib import Path
from typing import Final

from shipper.decoding import UNDECODABLE
from shipper.errors import DataFolderError
from shipper.files import make_folder, read_regular, write_whole
from shipper.reports.completeness import Delivered
from shipper.reports.measure import MeasureOptions, measure, nothing_measured
from shipper.reports.merge import merge
from shipper.reports.metrics import VERSION, PeriodMetrics, decoded, encoded
from shipper.reports.periods import Period, PeriodKind, day_at, midnight, period_of
from shipper.store.api import DateHistogram, Question, Selection, Store, buckets_of
from shipper.times import parse_period

CUT: Final = "the store has no older records, and may have dropped some of this day"
MONTHLY: Final = "monthly"
SLOT_MS: Final = 900_000  # zones differ from UTC by multiples of it
MOST_BYTES: Final = 32 << 20  # of a file
MOST_DAYS: Final = 400  # that are looked back


@dataclass(frozen=True, slots=True)
class Files:
    """The metrics files in a folder, whose days are those of a zone."""

    folder: Path
    zone: tzinfo

    def path(self, period: Period) -> Path:
        """Return the path of a period's file."""
        above = self.folder / MONTHLY if period.kind is PeriodKind.MONTH else self.folder
        return above / f"{period.name}.json"

    def read(self, period: Period) -> PeriodMetrics | None:
        """
        Return the metrics of a day or a month; None if there is no file, or it can be of no use.

        Raises:
            DataFolderError: the file is of a newer version, or of another zone.
        """
        path = self.path(period)
        try:
            found = decoded(read_regular(path, MOST_BYTES))
        except FileNotFoundError:
            return None
        except UNDECODABLE:
            return None  # cut off: it is made again
        if found.version > VERSION:
            raise DataFolderError(f"{path} is of a newer version", "update shipper")
        if found.zone != str(self.zone):
            raise DataFolderError(
                f"{path} has days of the zone {found.zone}, and reports.zone is {self.zone}",
                "use another folder (reports.metrics), or move the old files away",
            )
        return found if found.version == VERSION and _is_of(found, period) else None

    def write(self, period: Period, metrics: PeriodMetrics) -> bool:
        """Write the metrics of a period; return whether that changed the file."""
        path, data = self.path(period), encoded(metrics)
        try:
            if read_regular(path, MOST_BYTES) == data:
                return False
        except FileNotFoundError:
            make_folder(path.parent, 0o777)
        write_whole(path, data, durable=True, mode=0o644)
        return True

    def day(self, day: date) -> Period:
        """Return a day of the zone."""
        return period_of(PeriodKind.DAY, day, self.zone)


@dataclass(frozen=True, slots=True)
class Built:
    """What was made: the periods whose files changed, and days that are not complete, with why."""

    changed: list[str] = field(default_factory=list)
    incomplete: dict[str, str] = field(default_factory=dict)


def nobody_listens(_number: int, _of: int, _day: date) -> None:
    """Do nothing when a day begins."""


@dataclass(frozen=True, slots=True)
class MetricsBuilder:
    """
    Makes metrics files out of a store.

    `cut`: retention has dropped records, so the first day of the store may lack some.
    """

    store: Store
    files: Files
    asked: MeasureOptions
    delivered: Delivered
    cut: bool = False
    begins: Callable[[int, int, date], None] = nobody_listens  # day number, of so many, which

    def build(self, first: date | None, last: date) -> Built:
        """
        Make the files that are missing, incomplete or too old, from `first` to `last`.

        No file is made of days before the first record of the store; those after it have one, also
        if nothing happened.

        Raises:
            StoreUnavailable, QueryError: as the store says.
            DataFolderError: a file cannot be used.
            OSError: a file cannot be written.
        """
        built = Built()
        earliest = last - timedelta(days=MOST_DAYS - 1)
        counts = self._counts(earliest, last)
        begin = min(counts, default=None)
        if begin is None:
            return built
        days = [*_days(max(first or begin, begin), last)]
        for number, day in enumerate(days, 1):
            self.begins(number, len(days), day)
            is_cut = self.cut and day == begin
            self._build_day(day, counts[day], built, is_cut=is_cut)
        for month in dict.fromkeys(day.replace(day=1) for day in days):
            self._build_month(period_of(PeriodKind.MONTH, month, self.files.zone), built)
        return built

    def measured(self, day: Period, *, is_cut: bool = False) -> PeriodMetrics:
        """Return the metrics of a day as the store has them now."""
        reason = self.delivered.reason(day.until) or (CUT if is_cut else None)
        return measure(self.store, day, self.asked, reason)

    def _counts(self, first: date, last: date) -> Counter[date]:
        """Return the number of records per day."""
        since = midnight(first, self.files.zone)
        until = midnight(last + timedelta(days=1), self.files.zone)
        asked = {"slots": DateHistogram(SLOT_MS, filled=False)}
        (answer,) = self.store.ask([Question(Selection("", since, until), asked)])
        found: Counter[date] = Counter()
        for slot in buckets_of(answer, "slots").buckets:
            found[day_at(int(slot.key), self.files.zone)] += slot.count
        return found

    def _build_day(self, day: date, count: int, built: Built, *, is_cut: bool) -> None:
        period = self.files.day(day)
        known = self.files.read(period)
        if known is not None:
            is_whole = known.complete and known.records == count
            if is_whole or known.records > count:
                return
        if count:
            metrics = self.measured(period, is_cut=is_cut)
        else:  # as after a year without records: there is nothing to ask for
            metrics = nothing_measured(period, self.delivered.reason(period.until))
        if self.files.write(period, metrics):
            built.changed.append(period.name)
        if metrics.reason is not None:
            built.incomplete[period.name] = metrics.reason

    def _build_month(self, month: Period, built: Built) -> None:
        metrics = merged_of(self.files, month, self.delivered)
        known = self.files.read(month)
        if known is not None and known.records > metrics.records:
            return
        if self.files.write(month, metrics):
            built.changed.append(month.name)


def _is_of(found: PeriodMetrics, period: Period) -> bool:
    """Return whether metrics are those of a period, and agree with themselves."""
    starts = [parse_period(point.at) for point in found.series]
    sums = [
        (sum(point.records for point in found.series), found.records),
        (sum(point.requests for point in found.series), found.requests.count),
        (sum(point.errors for point in found.series), found.errors),
    ]
    return (
        (found.period, found.name) == (period.kind, period.name)
        and all(start and period.since <= start[0] < period.until for start in starts)
        and all(part == whole >= 0 for part, whole in sums)
    )


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def merged_of(
    files: Files,
    period: Period,
    delivered: Delivered,
    more: Mapping[date, PeriodMetrics] | None = None,
) -> PeriodMetrics:
    """Return the metrics of a longer period from the files of its days, and from `more` days."""
    found = {day: (more or {}).get(day) or files.read(files.day(day)) for day in period.days()}
    known = [metrics for metrics in found.values() if metrics is not None]
    return merge(period, known, _reason(period, found, delivered))


def _reason(
    period: Period, found: Mapping[date, PeriodMetrics | None], delivered: Delivered
) -> str | None:
    if delivered.now < period.until:
        return delivered.reason(period.until)
    missing = [day for day, metrics in found.items() if metrics is None]
    partial = [
        day for day, metrics in found.items() if metrics is not None and not metrics.complete
    ]
    if missing:
        return f"there are no metrics of {_named(missing)}"
    return f"the metrics of {_named(partial)} are not complete" if partial else None


def _named(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} days, the first of them {days[0]}"
