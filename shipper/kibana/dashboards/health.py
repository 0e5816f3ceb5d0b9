"""Whether the application is up, and what it is short of."""

from __future__ import annotations

from typing import Final

from shipper.kibana.dashboards import queries as ask
from shipper.kibana.dashboards.queries import number
from shipper.kibana.panels import (
    ChartPanel,
    Dashboard,
    Form,
    Grouping,
    Measure,
    Measuring,
    RecordsPanel,
    ReferenceLine,
    Unit,
)

_UP: Final = Measure("Uptime", Measuring.AVERAGE, "extra.up", unit=Unit.PERCENT, target=ask.UP)


def _ms(label: str, kind: Measuring, field: str) -> Measure:
    return Measure(label, kind, field, unit=Unit.MILLISECONDS)


HEALTH: Final = Dashboard(
    "health",
    "Health and uptime",
    "Is the application up, and what is it short of?",
    "`shipper run` polls the addresses of the section `health:` of its config. Uptime is the share "
    "of polls with an answer that was not *unhealthy*; time without polls does not count. With "
    "polls at different intervals, look at one target at a time.",
    (
        number("uptime", "Uptime", "In which share of polls was it up?", ask.HEALTH, _UP),
        number(
            "unhealthy",
            "Not healthy",
            "How many polls were degraded, unhealthy or without an answer?",
            ask.HEALTH,
            Measure("Polls", where="status:IN [degraded unhealthy]", target=ask.NONE),
            Measure("of", where=""),
        ),
        number(
            "poll-time",
            "Time to answer",
            "How fast is the health address itself?",
            ask.HEALTH,
            _ms("Mean", Measuring.AVERAGE, "extra.latency_ms"),
            _ms("Slowest", Measuring.MAXIMUM, "extra.latency_ms"),
        ),
        number(
            "database",
            "Database",
            "How fast does the database answer?",
            ask.HEALTH,
            _ms("Mean", Measuring.AVERAGE, "extra.database.response_time_ms"),
            Measure("not connected", where="extra.database.status:IN [disconnected timeout error]"),
        ),
        ChartPanel(
            "status",
            "Status",
            "When was it degraded or unhealthy?",
            Form.BARS,
            ask.HEALTH,
            (Measure("Polls"),),
            by=Grouping("status", "Status", 5),
        ),
        ChartPanel(
            "queue",
            "Queue",
            "Does the queue drain? Growing with no end is the runbook `queue-not-processing`.",
            Form.LINES,
            ask.HEALTH,
            (
                Measure("Most", Measuring.MAXIMUM, "extra.queue_depth"),
                Measure("Mean", Measuring.AVERAGE, "extra.queue_depth", unit=Unit.DECIMAL),
            ),
            thresholds=(ReferenceLine("alert", 100), ReferenceLine("unhealthy", 500, bad=True)),
        ),
        ChartPanel(
            "targets",
            "Targets",
            "Which of the polled addresses is not well?",
            Form.TABLE,
            ask.HEALTH,
            (
                Measure("Polls"),
                _UP,
                _ms("Mean", Measuring.AVERAGE, "extra.latency_ms"),
                ask.NEWEST,
            ),
            by=Grouping("extra.target", "Target", 50),
        ),
        ChartPanel(
            "failures",
            "Failures",
            "Why was there no usable answer?",
            Form.TABLE,
            f"{ask.HEALTH} AND _exists_:extra.failure",
            (Measure("Polls"), ask.NEWEST),
            by=Grouping("extra.failure", "Failure", 20),
        ),
        ChartPanel(
            "processor",
            "Processor and disk",
            "Is the machine at its limits?",
            Form.LINES,
            ask.RESOURCES,
            (
                Measure("CPU %", Measuring.AVERAGE, "extra.resources.cpu_percent"),
                Measure("Disk used %", Measuring.MAXIMUM, "extra.resources.disk_used_percent"),
            ),
        ),
        ChartPanel(
            "memory",
            "Memory",
            "Does memory grow without end? Then see the runbook `memory-leak`.",
            Form.LINES,
            ask.RESOURCES,
            (
                Measure(
                    "Memory",
                    Measuring.MAXIMUM,
                    "extra.resources.memory_rss_bytes",
                    unit=Unit.BYTES,
                ),
            ),
        ),
        ChartPanel(
            "open-files",
            "Open files",
            "Are files or connections left open?",
            Form.LINES,
            ask.RESOURCES,
            (Measure("Open files", Measuring.MAXIMUM, "extra.resources.open_files"),),
        ),
        ChartPanel(
            "disk",
            "Free disk",
            "When will the disk be full?",
            Form.LINES,
            ask.HEALTH,
            (
                Measure(
                    "GB free", Measuring.MINIMUM, "extra.storage.available_gb", unit=Unit.DECIMAL
                ),
            ),
        ),
        RecordsPanel(
            "not-healthy",
            "Polls that were not healthy",
            "What exactly was wrong?",
            f"{ask.HEALTH} AND status:IN [degraded unhealthy]",
            ("extra.target", "status", "extra.failure", "extra.reason", "message"),
        ),
    ),
)
