"""
The metrics of a running shipper, in the text format 0.0.4 of Prometheus.

Each metric is declared once, as a field of `MetricsSnapshot`: its name, kind and meaning. The
text is written here, not by a library, which would cost memory and time at the start.
 https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import dataclasses
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.deliver.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class MetricField:
    """What a scrape is told of a metric."""

    name: str
    kind: str
    meaning: str


def _counter(name: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"metric": MetricField(name, "counter", meaning)})


def _gauge(name: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"metric": MetricField(name, "gauge", meaning)})


def _histogram(name: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"metric": MetricField(name, "histogram", meaning)})


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """All metrics at one moment. Counters begin at 0 with the process, and never go back."""

    read_bytes: int = _counter("shipper_read_bytes_total", "Bytes of log lines that were read.")
    read: int = _counter("shipper_read_events_total", "Events that were read.")
    duplicates: int = _counter(
        "shipper_duplicate_events_total", "Events left out: they were taken or stored before."
    )
    tagged: int = _counter(
        "shipper_tagged_events_total", "Events with a tag for what was odd about their line."
    )
    published: int = _counter(
        "shipper_published_events_total", "Events handed to the output, again each time."
    )
    acked: int = _counter(
        "shipper_acked_events_total", "Events stored, stored as text, or kept as dead letters."
    )
    wrapped: int = _counter(
        "shipper_wrapped_events_total", "Events that the output refused and that went as text."
    )
    dead_letters: int = _counter(
        "shipper_dead_letter_events_total", "Events refused as text too: dead letters now."
    )
    retries: int = _counter("shipper_publish_retries_total", "Pauses before another try.")
    errors: int = _counter(
        "shipper_output_errors_total", "Tries of which nothing is known: the output failed."
    )
    saves: int = _counter("shipper_registry_saves_total", "Commits of the registry.")
    save_errors: int = _counter(
        "shipper_registry_errors_total", "Commits of the registry that failed, and were kept."
    )
    publish_seconds: Histogram = _histogram(
        "shipper_publish_seconds", "How long a try to publish a batch took."
    )
    batch_events: Histogram = _histogram("shipper_batch_events", "Events in a batch.")
    queue_bytes: int = _gauge("shipper_queue_bytes", "Bytes of lines between reading and output.")
    queue_limit_bytes: int = _gauge("shipper_queue_limit_bytes", "delivery.queue_bytes.")
    unacked_seconds: float = _gauge(
        "shipper_unacked_seconds", "For how long the oldest lines that were read are not acked."
    )
    open_files: int = _gauge("shipper_open_files", "Log files that are open.")
    behind_bytes: int = _gauge("shipper_behind_bytes", "Bytes in these that are not acked.")
    held_bytes: int = _gauge(
        "shipper_held_bytes", "Bytes of these in files that are gone but for the shipper."
    )
    letters: int = _gauge("shipper_dead_letters", "Dead letters in the data folder.")
    watermark: float = _gauge(
        "shipper_watermark_timestamp_seconds",
        "All that is older can be searched, since 1970; 0 where that is not known.",
    )
    output_up: int = _gauge("shipper_output_up", "1 if the last try of the output was good.")
    cpu_seconds: float = _counter("process_cpu_seconds_total", "User and system time.")
    resident_bytes: int = _gauge("process_resident_memory_bytes", "Memory in use.")
    start_seconds: float = _gauge("process_start_time_seconds", "When it started, since 1970.")


def process_usage() -> tuple[float, int]:
    """Return the CPU seconds and the resident bytes of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        pages = 0
    return used.ru_utime + used.ru_stime, pages * resource.getpagesize()


METRICS: tuple[MetricField, ...] = tuple(
    each.metadata["metric"] for each in dataclasses.fields(MetricsSnapshot)
)


def exposition(reading: MetricsSnapshot, version: str) -> str:
    """Write a reading, and which version it is of."""
    lines = [
        "# HELP shipper_info The version of the shipper.",
        "# TYPE shipper_info gauge",
        f'shipper_info{{version="{version}"}} 1',
    ]
    for field in dataclasses.fields(reading):
        metric: MetricField = field.metadata["metric"]
        value = getattr(reading, field.name)
        lines.append(f"# HELP {metric.name} {metric.meaning}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        if metric.kind == "histogram":
            lines += _buckets(metric.name, value)
        else:
            lines.append(f"{metric.name} {value}")
    return "\n".join([*lines, ""])


def _buckets(name: str, histogram: Histogram) -> Iterator[str]:
    count = 0
    for bound, here in zip([*histogram.bounds, "+Inf"], histogram.counts, strict=True):
        count += here
        yield f'{name}_bucket{{le="{bound}"}} {count}'
    yield f"{name}_sum {histogram.total}"
    yield f"{name}_count {count}"
