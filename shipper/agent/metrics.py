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
    from collections.abc import Iterator, Mapping

    from shipper.deliver.histogram import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class MetricField:
    """The name, type and help text of a metric."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()  # of a mapping from their values to a number


def _counter(name: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"metric": MetricField(name, "counter", meaning)})


def _gauge(name: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"metric": MetricField(name, "gauge", meaning)})


def _histogram(name: str, meaning: str) -> Any:
    return dataclasses.field(metadata={"metric": MetricField(name, "histogram", meaning)})


def _counters(name: str, meaning: str, *labels: str) -> Any:
    return dataclasses.field(
        default_factory=dict, metadata={"metric": MetricField(name, "counter", meaning, labels)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSnapshot:
    """All metrics at one moment. Counters begin at 0 with the process and never decrease."""

    read_bytes: int = _counter("shipper_read_bytes_total", "Bytes of log lines read.")
    read: int = _counter("shipper_read_events_total", "Events read.")
    duplicates: int = _counter("shipper_duplicate_events_total", "Duplicate events dropped.")
    dropped: int = _counter(
        "shipper_dropped_events_total", "Events dropped by processors, as the config says."
    )
    same_origin: int = _counter(
        "shipper_same_origin_events_total",
        "Events with the run and seq of another record, stored under an id of their own.",
    )
    redacted: int = _counter(
        "shipper_redacted_secrets_total", "Secrets taken out of records by redaction."
    )
    withheld: int = _counter(
        "shipper_withheld_events_total",
        "Events stored without their content, as redaction failed on them.",
    )
    tagged: int = _counter(
        "shipper_tagged_events_total", "Events tagged because their line was irregular."
    )
    published: int = _counter(
        "shipper_published_events_total", "Events sent to the output, counted at every attempt."
    )
    acked: int = _counter(
        "shipper_acked_events_total",
        "Events stored, stored as text, or written to the dead letters.",
    )
    wrapped: int = _counter(
        "shipper_wrapped_events_total", "Events refused by the output and sent again as text."
    )
    dead_letters: int = _counter(
        "shipper_dead_letter_events_total",
        "Events refused as text too and written to the dead letters.",
    )
    retries: int = _counter(
        "shipper_publish_retries_total", "Pauses before another publish attempt."
    )
    errors: int = _counter(
        "shipper_output_errors_total", "Failed publish attempts with unknown outcome."
    )
    saves: int = _counter("shipper_registry_saves_total", "Commits of the registry.")
    save_errors: int = _counter(
        "shipper_registry_errors_total",
        "Commits of the registry that failed; their changes are saved later.",
    )
    intake_messages: int = _counter(
        "shipper_intake_messages_total",
        "Lines of standard input, messages of syslog, entries of journald, in a spool by now.",
    )
    intake_cut: int = _counter(
        "shipper_intake_cut_total", "Of them those that were longer than allowed and cut."
    )
    intake_lost: int = _counter(
        "shipper_intake_lost_total",
        "Datagrams that the kernel dropped as they were not received in time.",
    )
    intake_refused: int = _counter(
        "shipper_intake_refused_total",
        "Connections of syslog closed at once, as there were too many.",
    )
    intake_connections: int = _gauge(
        "shipper_intake_connections", "Connections over which syslog is received."
    )
    spool_bytes: int = _gauge("shipper_spool_bytes", "Bytes in the spools of all inputs.")
    publish_seconds: Histogram = _histogram(
        "shipper_publish_seconds", "Duration of a publish attempt in seconds."
    )
    batch_events: Histogram = _histogram("shipper_batch_events", "Events in a batch.")
    queue_bytes: int = _gauge("shipper_queue_bytes", "Bytes of lines in the queue.")
    queue_limit_bytes: int = _gauge(
        "shipper_queue_limit_bytes", "Size of the queue (delivery.queue_bytes)."
    )
    unacked_seconds: float = _gauge(
        "shipper_unacked_seconds", "Age of the oldest unacked lines in the queue, in seconds."
    )
    open_files: int = _gauge("shipper_open_files", "Open log files.")
    behind_bytes: int = _gauge("shipper_behind_bytes", "Unacked bytes of the open files.")
    held_bytes: int = _gauge(
        "shipper_held_bytes", "Unacked bytes of deleted files that the shipper keeps."
    )
    letters: int = _gauge("shipper_dead_letters", "Dead letters in the data folder.")
    watermark: float = _gauge(
        "shipper_watermark_timestamp_seconds",
        "Everything older can be searched, as a Unix time; 0 if not known.",
    )
    output_up: int = _gauge("shipper_output_up", "1 if the last publish attempt succeeded.")
    polls: Mapping[tuple[str, ...], int] = _counters(
        "shipper_polls_total",
        "Polls of an application of `health` by `target` (its name) and `outcome`: the status of "
        "the answer, or why there was none.",
        "target",
        "outcome",
    )
    cpu_seconds: float = _counter(
        "process_cpu_seconds_total", "User and system CPU time in seconds."
    )
    resident_bytes: int = _gauge("process_resident_memory_bytes", "Resident memory in bytes.")
    start_seconds: float = _gauge(
        "process_start_time_seconds", "Start time of the process, as a Unix time."
    )


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


def exposition(snapshot: MetricsSnapshot, version: str) -> str:
    """Return the metrics in the text format, and the version of the shipper."""
    lines = [
        "# HELP shipper_info The version of the shipper.",
        "# TYPE shipper_info gauge",
        f'shipper_info{{version="{version}"}} 1',
    ]
    for field in dataclasses.fields(snapshot):
        metric: MetricField = field.metadata["metric"]
        value = getattr(snapshot, field.name)
        lines.append(f"# HELP {metric.name} {metric.meaning}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        if metric.kind == "histogram":
            lines += _buckets(metric.name, value)
        elif metric.labels:
            lines += _labelled(metric, value)
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


def _labelled(metric: MetricField, values: Mapping[tuple[str, ...], int]) -> Iterator[str]:
    """Yield a sample for each combination of labels; their values need no escapes."""
    for labels, value in sorted(values.items()):
        pairs = zip(metric.labels, labels, strict=True)
        text = ",".join(f'{name}="{label}"' for name, label in pairs)
        yield f"{metric.name}{{{text}}} {value}"
