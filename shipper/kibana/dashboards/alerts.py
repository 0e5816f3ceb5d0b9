"""What fired, and how fast it was acknowledged and resolved."""

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
    Unit,
)

_OPEN: Final = "extra.open_seconds"
_ACKNOWLEDGED: Final = f"{ask.INCIDENTS} AND extra.change:acknowledged"
_RESOLVED: Final = f"{ask.INCIDENTS} AND extra.change:resolved"


def _after(key: str, title: str, answers: str, query: str) -> ChartPanel:
    return ChartPanel(
        key,
        title,
        answers,
        Form.TABLE,
        query,
        (
            Measure("Incidents"),
            Measure("Mean", Measuring.AVERAGE, _OPEN, unit=Unit.SECONDS),
            Measure("Longest", Measuring.MAXIMUM, _OPEN, unit=Unit.SECONDS),
        ),
        by=Grouping("extra.severity", "Severity", 5),
    )


ALERTS: Final = Dashboard(
    "alerts",
    "Alerts",
    "What fired, and how fast was it acknowledged and resolved?",
    "The log of the alert job: one record per transition of an incident. Times run from the "
    "beginning of the incident. Limits (response, resolution): critical 5 min, 1 h; high 15 min, "
    "4 h; medium 1 h, 8 h; low next business day, 48 h. A *breach* is counted by the job, with "
    "its working hours.",
    (
        number(
            "fired",
            "Fired",
            "How many incidents fired?",
            ask.INCIDENTS,
            Measure("Fired", where="extra.change:fired", target=ask.NONE),
            Measure("Incidents", Measuring.UNIQUE, "extra.incident"),
        ),
        number(
            "critical",
            "Critical",
            "How many of them were critical?",
            ask.INCIDENTS,
            Measure(
                "Critical",
                where="extra.change:fired AND extra.severity:critical",
                target=ask.NONE,
            ),
        ),
        number(
            "response-breached",
            "Late responses",
            "How often was an incident acknowledged too late?",
            ask.INCIDENTS,
            Measure("Breaches", where="extra.change:response_breached", target=ask.NONE),
        ),
        number(
            "resolution-breached",
            "Late resolutions",
            "How often was an incident resolved too late?",
            ask.INCIDENTS,
            Measure("Breaches", where="extra.change:resolution_breached", target=ask.NONE),
        ),
        ChartPanel(
            "by-severity",
            "Fired by severity",
            "When did incidents fire, and how severe were they?",
            Form.BARS,
            f"{ask.INCIDENTS} AND extra.change:fired",
            (Measure("Incidents"),),
            by=Grouping("extra.severity", "Severity", 5),
        ),
        ChartPanel(
            "changes",
            "Transitions",
            "What became of incidents?",
            Form.BARS,
            ask.INCIDENTS,
            (Measure("Transitions"),),
            by=Grouping("extra.change", "Change", 12),
        ),
        _after(
            "acknowledge",
            "Time to acknowledge",
            "How long until somebody took care, against the limit of the severity?",
            _ACKNOWLEDGED,
        ),
        _after(
            "resolve",
            "Time to resolve",
            "How long until it was over, against the limit of the severity?",
            _RESOLVED,
        ),
        ChartPanel(
            "rules",
            "Rules",
            "Which rules fire most? One that fires and is never acknowledged needs another limit.",
            Form.TABLE,
            ask.INCIDENTS,
            (
                Measure("Transitions"),
                Measure("Fired", where="extra.change:fired"),
                Measure("Acknowledged", where="extra.change:acknowledged"),
                Measure("Flapping", where="extra.flapping:true"),
                ask.NEWEST,
            ),
            by=Grouping("extra.rule", "Rule", 50),
            width=48,
        ),
        RecordsPanel(
            "log",
            "Log of incidents",
            "What happened, in order?",
            ask.INCIDENTS,
            ("extra.change", "extra.severity", "extra.rule", "message", "extra.by", "extra.note"),
        ),
    ),
)
