"""Memory and CPU of the application's processes, out of the polls of its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from shipper.errors import QueryError
from shipper.reports.document import ReportBlock, ReportChart, ReportTable, ReportText, State, cut
from shipper.reports.metrics import bounded
from shipper.reports.periods import HOUR_MS, Period
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Average,
    Bucket,
    DateHistogram,
    Maximum,
    Number,
    Question,
    Selection,
    Store,
    Terms,
    buckets_of,
)
from shipper.text import size
from shipper.times import iso

MEMORY: Final = "extra.process.memory_rss_bytes"
CPU: Final = "extra.process.cpu_percent"
START: Final = "extra.process.start_time_seconds"
PROCESSES: Final = f"event.dataset:orchestrator.metrics AND {MEMORY}:*"
MOST_TARGETS: Final = 20
MOST_HOSTS: Final = 50  # of a target: each numbers its processes itself
MOST_PROCESSES: Final = 50  # of a target on a host; those with most records
MOST_STARTS: Final = 10  # of a number, which another process may get: after a restart, say
MOST_ROWS: Final = 12  # those with most memory
LATEST: Final = 1 << 36  # a start beyond it (epoch seconds) is no time
MIB: Final = 1024 * 1024
COLUMNS: Final = (
    *("process", "application", "host", "memory, mean", "most", "CPU, mean", "CPU, most"),
)


def process_use(store: Store, period: Period) -> tuple[ReportBlock, ...]:
    """
    Return the memory and CPU of each process, and a chart; nothing if no poll named a process.

    Elasticsearch lists every value of these fields; beyond its limit, the reason stands instead.

    Raises:
        StoreUnavailable: as the store says.
    """
    most = Maximum(MEMORY)
    measures: dict[str, Aggregation] = {
        "memory": Average(MEMORY),
        "most": most,
        "cpu": Average(CPU),
        "peak": Maximum(CPU),
    }
    starts = Terms(START, MOST_STARTS, measures)
    processes = Terms("extra.process.pid", MOST_PROCESSES, {**measures, "starts": starts})
    hours = DateHistogram(HOUR_MS, {"most": most}, filled=False)
    hosts = Terms("host.name", MOST_HOSTS, {"processes": processes})
    targets = Terms("extra.target", MOST_TARGETS, {"hosts": hosts})
    selection = Selection(PROCESSES, period.since, period.until)
    try:
        (found,) = store.ask([Question(selection, {"targets": targets, "hours": hours})])
    except QueryError as error:
        return (ReportText(text=f"Memory and CPU are unknown: {error}", state=State.ATTENTION),)
    if not found.total:
        return ()
    rows = sorted(_processes(found), key=lambda row: -(_number(row[3], "most") or 0))
    table = ReportTable(
        columns=COLUMNS,
        rows=tuple(_row(*row) for row in rows[:MOST_ROWS]),
        right=frozenset({3, 4, 5, 6}),
    )
    chart = ReportChart(
        title="Memory of the largest process",
        points=tuple(_points(buckets_of(found, "hours").buckets)),
        unit="MiB",
    )
    return chart, table


def _processes(found: AggregateAnswer) -> Iterator[tuple[Bucket, Bucket, str, Bucket]]:
    for target in buckets_of(found, "targets").buckets:
        for host in buckets_of(target, "hosts").buckets:
            for process in buckets_of(host, "processes").buckets:
                for name, use in _each_process(process):
                    yield target, host, name, use


def _each_process(number: Bucket) -> Iterator[tuple[str, Bucket]]:
    """Yield the processes that had a number one after the other, with when they started."""
    starts = buckets_of(number, "starts").buckets
    if len(starts) < 2:
        yield str(number.key), number
        return
    for start in sorted(starts, key=lambda start: float(start.key)):
        seconds = round(bounded(float(start.key)) or 0)
        since = f"{iso(seconds * 1000)[:19]}Z" if 0 <= seconds < LATEST else f"{start.key}"
        yield f"{number.key}, since {since}", start


def _row(target: Bucket, host: Bucket, name: str, process: Bucket) -> tuple[str, ...]:
    memory = (_number(process, name) for name in ("memory", "most"))
    cpu = (_number(process, name) for name in ("cpu", "peak"))
    return (
        cut(name),
        cut(str(target.key)),
        cut(str(host.key)),
        *("" if value is None else size(round(value)) for value in memory),
        *("" if value is None else f"{value:.1f} %" for value in cpu),
    )


def _points(hours: Sequence[Bucket]) -> Iterator[tuple[int, float | None]]:
    """Yield the most memory of each hour, with a gap where there are no polls."""
    last = None
    for hour in hours:
        at, value = int(hour.key), _number(hour, "most")
        if last is not None and at - last > HOUR_MS:
            yield last + HOUR_MS, None
        yield at, None if value is None else round(value / MIB, 1)
        last = at


def _number(found: Bucket, name: str) -> float | None:
    result = found.results[name]
    assert isinstance(result, Number)
    return bounded(result.value)
