"""
Counts requests, errors, workflows and queues of this worker.

Every number is kept once, in the files that prometheus-client reads; health and `/api/metrics` are
made of the same ones. Labels are bounded: 200 routes, 100 workflows, 50 types of errors, 20 queues;
what comes after that is `other`. A route is a template of the application, never a path, so a
client cannot make any.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shipper.instrument.shared import OTHER, BoundedLabels, Labels, SharedNumbers, key_of
from shipper.instrument.statsd import StatsdPush
from shipper.instrument.window import RequestWindow

MOST_ROUTES: Final = 200
MOST_WORKFLOWS: Final = 100
MOST_ERRORS: Final = 50
MOST_QUEUES: Final = 20
METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
STATUSES: Final = [str(status) for status in range(600)]
UNMATCHED: Final = "unmatched"  # the route of a path that the application does not have

REQUEST_BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 10.0, 30.0),
)
WORK_BUCKETS: Final = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
    *(600.0, 1800.0, 3600.0),
)


@dataclass(frozen=True, slots=True)
class CounterFamily:
    """A counter: `name` ends in _total."""

    name: str
    labels: Labels
    text: str

    def key(self, values: Labels) -> str:
        """Return the key of one series."""
        return key_of(self.name.removesuffix("_total"), self.name, self.labels, values, self.text)


@dataclass(frozen=True, slots=True)
class HistogramFamily:
    """A histogram in seconds."""

    name: str
    labels: Labels
    text: str
    buckets: tuple[float, ...]

    def keys(self, values: Labels) -> tuple[str, list[str]]:
        """Return the keys of a series: of its sum and of its buckets."""
        total = key_of(self.name, f"{self.name}_sum", self.labels, values, self.text)
        names = (*self.labels, "le")
        bounds = [*map(str, self.buckets), "+Inf"]
        bucket = f"{self.name}_bucket"
        return total, [
            key_of(self.name, bucket, names, (*values, bound), self.text) for bound in bounds
        ]


@dataclass(frozen=True, slots=True)
class GaugeFamily:
    """A gauge; `mode` says what becomes of those of several workers (prometheus-client)."""

    name: str
    labels: Labels
    text: str
    mode: str

    def key(self, values: Labels) -> str:
        """Return the key of one series."""
        return key_of(self.name, self.name, self.labels, values, self.text)


REQUESTS = CounterFamily(
    "http_requests_total", ("method", "route", "status"), "Requests that were answered."
)
DURATIONS = HistogramFamily(
    "http_request_duration_seconds",
    ("method", "route"),
    "Time to the end of the answer.",
    REQUEST_BUCKETS,
)
IN_PROGRESS = GaugeFamily(
    "http_requests_in_progress", (), "Requests that are not answered yet.", "livesum"
)
EXCEPTIONS = CounterFamily("http_exceptions_total", ("type",), "Exceptions, by their class.")
WORKFLOWS = CounterFamily(
    "workflow_executions_total", ("workflow", "status"), "Executions of workflows that ended."
)
WORKFLOW_DURATIONS = HistogramFamily(
    "workflow_duration_seconds", ("workflow",), "Time that executions took.", WORK_BUCKETS
)
QUEUE_WAITS = HistogramFamily(
    "queue_wait_seconds", ("queue",), "Time that tasks waited in a queue.", WORK_BUCKETS
)


class _Series:
    """A series of a histogram, ready to be added to."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, family: HistogramFamily, values: Labels) -> None:
        self.bounds = family.buckets
        self.total, self.buckets = family.keys(values)


class Recorder:
    """Counts for one worker; any thread may call it, `request` that of the event loop only."""

    def __init__(
        self, numbers: SharedNumbers, window: RequestWindow, statsd: StatsdPush | None = None
    ) -> None:
        self._numbers = numbers
        self._window = window
        self._statsd = statsd
        self._routes = BoundedLabels(MOST_ROUTES)
        self._errors = BoundedLabels(MOST_ERRORS)
        self._workflows = BoundedLabels(MOST_WORKFLOWS)
        self._queues = BoundedLabels(MOST_QUEUES)
        self._requests: dict[tuple[str, str, int], tuple[str, _Series]] = {}
        self._series: dict[tuple[str, Labels], _Series] = {}
        self._in_progress_key = IN_PROGRESS.key(())

    def began(self) -> None:
        """Count a request that came."""
        self._numbers.add("gauge_livesum", self._in_progress_key, 1)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        place = method, route, status
        found = self._requests.get(place)
        if found is None:
            found = self._request_keys(*place)
        counter, series = found
        numbers = self._numbers
        with numbers.lock:
            add = numbers.add_unlocked
            add("gauge_livesum", self._in_progress_key, -1)
            add("counter", counter, 1)
            add("histogram", series.total, seconds)
            add("histogram", series.buckets[bisect_left(series.bounds, seconds)], 1)
        self._window.add(seconds * 1000, success=status < 500)
        if self._statsd is not None:
            tags = {"method": method, "route": route, "status": str(status)}
            self._statsd.timing("http.request", seconds * 1000, tags)

    def exception(self, name: str) -> None:
        """Count an exception by the name of its class."""
        values = self._errors.of((name,), (OTHER,))
        self._numbers.add("counter", EXCEPTIONS.key(values), 1)
        if self._statsd is not None:
            self._statsd.count("http.exception", {"type": values[0]})

    def workflow(self, workflow_id: str, status: str, seconds: float) -> None:
        """Count an execution of a workflow that ended."""
        (name,) = self._workflows.of((workflow_id,), (OTHER,))
        self._numbers.add("counter", WORKFLOWS.key((name, status)), 1)
        self._observe(WORKFLOW_DURATIONS, (name,), seconds)
        if self._statsd is not None:
            tags = {"workflow": name, "status": status}
            self._statsd.timing("workflow", seconds * 1000, tags)

    def waited(self, queue: str, seconds: float) -> None:
        """Count a task that left a queue."""
        values = self._queues.of((queue,), (OTHER,))
        self._observe(QUEUE_WAITS, values, seconds)
        if self._statsd is not None:
            self._statsd.timing("queue.wait", seconds * 1000, {"queue": values[0]})

    def touch(self) -> None:
        """Note that the files are in use."""
        self._numbers.touch()

    def gauge(self, family: GaugeFamily, value: float, values: Labels = (), at: float = 0) -> None:
        """Set a gauge."""
        self._numbers.set(f"gauge_{family.mode}", family.key(values), value, at)
        if self._statsd is not None:
            tags = dict(zip(family.labels, values, strict=True))
            self._statsd.gauge(family.name.replace("_", "."), value, tags)

    def _request_keys(self, method: str, route: str, status: int) -> tuple[str, _Series]:
        known = method if method in METHODS else OTHER
        kept = self._routes.of((known, route), (OTHER, OTHER))
        text = STATUSES[status] if 100 <= status < 600 else OTHER
        found = REQUESTS.key((*kept, text)), self._series_of(DURATIONS, kept)
        # Remembered are as many as there are labels, and none of the client's choosing.
        if kept[0] != OTHER and text != OTHER:
            self._requests[method, route, status] = found
        return found

    def _series_of(self, family: HistogramFamily, values: Labels) -> _Series:
        found = self._series.get((family.name, values))
        if found is None:
            found = self._series[family.name, values] = _Series(family, values)
            with self._numbers.lock:
                for bucket in found.buckets:  # a bucket without observations is there, too
                    self._numbers.add_unlocked("histogram", bucket, 0)
        return found

    def _observe(self, family: HistogramFamily, values: Labels, seconds: float) -> None:
        series = self._series_of(family, values)
        with self._numbers.lock:
            self._numbers.add_unlocked("histogram", series.total, seconds)
            bucket = series.buckets[bisect_left(series.bounds, seconds)]
            self._numbers.add_unlocked("histogram", bucket, 1)


def quantile(bounds: Sequence[float], counts: Sequence[float], share: float) -> float | None:
    """
    Estimate a quantile out of the counts of buckets, the last of which has no bound.

    Within a bucket numbers count as evenly spread, as Prometheus does it.
    """
    total = sum(counts)
    if not total:
        return None
    rank, before = share * total, 0.0
    for index, count in enumerate(counts):
        if before + count >= rank and count:
            if index >= len(bounds):
                return bounds[-1]
            low = bounds[index - 1] if index else 0.0
            return low + (bounds[index] - low) * (rank - before) / count
        before += count
    return bounds[-1]
