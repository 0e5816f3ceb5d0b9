"""The records that several dashboards ask about, with the thresholds of the guide."""

from __future__ import annotations

from typing import Final

from shipper.kibana.panels import ChartPanel, Form, Measure, Measuring, Target, Unit

REQUESTS: Final = "event.dataset:orchestrator.access"
ERRORS: Final = "level:IN [ERROR CRITICAL]"
WORKFLOWS: Final = "event.dataset:orchestrator.workflow AND status:IN [success failed]"
HEALTH: Final = "event.dataset:orchestrator.health"
# One record per poll has the numbers of the application; those of its processes are left out.
RESOURCES: Final = "event.dataset:orchestrator.metrics AND _exists_:extra.api_calls_total"
HEARTBEATS: Final = "event.dataset:orchestrator.heartbeat"
INCIDENTS: Final = "event.dataset:orchestrator.alerts"

SUCCEEDED: Final = Target(good=0.98, bad=0.95)
FAILED: Final = Target(good=0.01, bad=0.02)
RESPONSE: Final = Target(good=200, bad=500)
QUEUE: Final = Target(good=100, bad=500)
UP: Final = Target(good=0.995, bad=0.95)
NONE: Final = Target(good=1, bad=10)

MEAN: Final = Measure(
    "Mean", Measuring.AVERAGE, "duration_ms", unit=Unit.MILLISECONDS, target=RESPONSE
)
P95: Final = Measure("p95", Measuring.PERCENTILE, "duration_ms", unit=Unit.MILLISECONDS)
SERVER_ERRORS: Final = Measure(
    "Server errors", Measuring.SHARE, where="status_code:>=500", unit=Unit.PERCENT, target=FAILED
)
NEWEST: Final = Measure("Latest", Measuring.MAXIMUM, "@timestamp", unit=Unit.PLAIN)


def number(key: str, title: str, answers: str, query: str, *measures: Measure) -> ChartPanel:
    """Return a panel that shows one number, or two."""
    return ChartPanel(key, title, answers, Form.NUMBER, query, measures, width=12, height=7)
