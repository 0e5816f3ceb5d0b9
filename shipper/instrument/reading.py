"""The numbers of all workers as the JSON of `/api/metrics`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from shipper.instrument.recording import (
    DURATIONS,
    EXCEPTIONS,
    QUEUE_WAITS,
    REQUESTS,
    WORKFLOW_DURATIONS,
    WORKFLOWS,
    HistogramFamily,
    quantile,
)

SHARES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
SUCCESS: Final = "success"


class HistogramSums:
    """One or several series of a histogram, added up."""

    def __init__(self, family: HistogramFamily) -> None:
        self._bounds = family.buckets
        self._below = dict.fromkeys([*family.buckets, float("inf")], 0.0)
        self.seconds = 0.0

    def add(self, sample: str, labels: Mapping[str, str], value: float) -> None:
        """Add a sample."""
        if sample.endswith("_sum"):
            self.seconds += value
        elif sample.endswith("_bucket"):
            bound = float(labels["le"])
            self._below[bound] = self._below.get(bound, 0.0) + value

    @property
    def count(self) -> int:
        """How many were observed."""
        return int(self._below[float("inf")])

    def milliseconds(self, suffix: str = "") -> dict[str, float | None]:
        """Return average and percentiles in milliseconds; None where nothing was observed."""
        below = [self._below[bound] for bound in (*self._bounds, float("inf"))]
        counts = [after - before for before, after in zip([0.0, *below], below, strict=False)]
        found: dict[str, float | None] = {"avg": self.seconds / self.count if self.count else None}
        found |= {name: quantile(self._bounds, counts, share) for name, share in SHARES.items()}
        return {
            f"{name}{suffix}": None if value is None else round(value * 1000, 3)
            for name, value in found.items()
        }


@dataclass(frozen=True, slots=True)
class SharedMetrics:
    """All metrics by their names, as read from the files of all workers."""

    families: Mapping[str, Metric]

    @classmethod
    def of(cls, metrics: Iterable[Metric]) -> SharedMetrics:
        """Order them by name."""
        return cls({metric.name: metric for metric in metrics})

    def total(self, name: str, **wanted: str) -> float:
        """Return the sum of the series that have these labels."""
        return float(
            sum(
                sample.value
                for sample in self._samples(name.removesuffix("_total"))
                if sample.name == name and wanted.items() <= sample.labels.items()
            )
        )

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the sums by some labels."""
        found: dict[tuple[str, ...], float] = defaultdict(float)
        for sample in self._samples(name.removesuffix("_total")):
            if sample.name == name:
                found[tuple(sample.labels.get(label, "") for label in labels)] += sample.value
        return found

    def histograms(
        self, family: HistogramFamily, *labels: str
    ) -> dict[tuple[str, ...], HistogramSums]:
        """Return the sums of a histogram by some labels."""
        found: dict[tuple[str, ...], HistogramSums] = {}
        for sample in self._samples(family.name):
            key = tuple(sample.labels.get(label, "") for label in labels)
            found.setdefault(key, HistogramSums(family)).add(
                sample.name, sample.labels, sample.value
            )
        return found

    def _samples(self, name: str) -> Iterable[Any]:
        family = self.families.get(name)
        return family.samples if family else ()


def traffic_json(metrics: SharedMetrics) -> dict[str, Any]:
    """Return what is said of requests."""
    by_status = metrics.by(REQUESTS.name, "status")
    server = sum(count for (status,), count in by_status.items() if status.startswith("5"))
    client = sum(count for (status,), count in by_status.items() if status.startswith("4"))
    whole = metrics.histograms(DURATIONS).get((), HistogramSums(DURATIONS))
    return {
        "api_calls_total": int(metrics.total(REQUESTS.name)),
        "errors_total": int(server),
        "errors": {
            "client": int(client),
            "server": int(server),
            "by_status": {
                status: int(count)
                for (status,), count in sorted(by_status.items())
                if status >= "400"
            },
            "by_type": {
                name: int(count) for (name,), count in metrics.by(EXCEPTIONS.name, "type").items()
            },
        },
        "response_time_ms": whole.milliseconds(),
        "endpoints": _endpoints(metrics),
    }


def _endpoints(metrics: SharedMetrics) -> list[dict[str, Any]]:
    failed: dict[tuple[str, ...], float] = defaultdict(float)
    for (method, route, status), count in metrics.by(
        REQUESTS.name, "method", "route", "status"
    ).items():
        failed[method, route] += count if status.startswith("5") else 0
    times = metrics.histograms(DURATIONS, "method", "route")
    busiest = sorted(times.items(), key=lambda each: (-each[1].count, each[0]))
    return [
        {
            "method": method,
            "route": route,
            "count": sums.count,
            "errors": int(failed[method, route]),
            **sums.milliseconds("_ms"),
        }
        for (method, route), sums in busiest
    ]


def workflows_json(metrics: SharedMetrics) -> dict[str, Any]:
    """Return what is said of workflows."""
    by = metrics.by(WORKFLOWS.name, "workflow", "status")
    times = metrics.histograms(WORKFLOW_DURATIONS, "workflow")
    total = sum(by.values())
    success = sum(count for (_name, status), count in by.items() if status == SUCCESS)
    whole = metrics.histograms(WORKFLOW_DURATIONS).get((), HistogramSums(WORKFLOW_DURATIONS))
    statuses: dict[str, dict[str, int]] = defaultdict(dict)
    for (name, status), count in by.items():
        statuses[name][status] = int(count)
    return {
        "total": int(total),
        "success": int(success),
        "failed": int(total - success),
        "success_rate": round(success / total, 4) if total else 1.0,
        **whole.milliseconds("_ms"),
        "by_workflow": [
            {
                "workflow_id": name,
                "count": sum(found.values()),
                "by_status": found,
                **times.get((name,), HistogramSums(WORKFLOW_DURATIONS)).milliseconds("_ms"),
            }
            for name, found in sorted(statuses.items())
        ],
    }


def waits_json(metrics: SharedMetrics) -> dict[str, dict[str, float | None]]:
    """Return how long tasks waited in each queue."""
    return {
        name: {f"wait_{key}": value for key, value in sums.milliseconds("_ms").items()}
        for (name,), sums in metrics.histograms(QUEUE_WAITS, "queue").items()
    }
