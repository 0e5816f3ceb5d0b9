"""Incidents, transitions and pages for tests of who is told, and how."""

from __future__ import annotations

from typing import Any

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.page import Example, Page, Share
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import VerdictState
from tests.alerts.verdicts import MINUTE, START, verdict

PHASES = {
    Change.FIRED: Phase.FIRING,
    Change.ACKNOWLEDGED: Phase.ACKNOWLEDGED,
    Change.RESOLVED: Phase.RESOLVED,
}


def transition(
    change: Change = Change.FIRED,
    *,
    rule: str = "server_errors",
    service: str = "shop",
    severity: Severity = Severity.HIGH,
    at: int = START + MINUTE,
    id_: str = "k3x9",
    **more: Any,
) -> Transition:
    group = (("service.name", service),) if service else ()
    incident = Incident(
        id=id_,
        rule=rule,
        group=group,
        severity=severity,
        phase=PHASES.get(change, Phase.FIRING),
        opened_at=START,
        verdict=verdict(VerdictState.BREACH, START, rule, group),
        **{
            "fired_at": START,
            "resolved_at": at if change is Change.RESOLVED else None,
            "resolved_by": "rule" if change is Change.RESOLVED else None,
            "acknowledged_by": "backup" if change is Change.ACKNOWLEDGED else None,
        }
        | more,
    )
    return Transition(incident, change, at)


def page(change: Change = Change.FIRED, **more: Any) -> Page:
    made = transition(change, **more)
    incident = made.incident
    return Page(
        transition=made,
        key=f"{incident.id}/{change}/{made.at}",
        thread=incident.id,
        title=f"{incident.rule} {change}: 3.0 % of requests",
        summary="Server errors are 3.0 % of requests",
        asked="status_code:[500 TO 599]",
        numbers="3.0 % (2.2 % to 4.1 %) of 1,200 records; the limit is 1 %",
        shares=(
            Share("error_type", "TimeoutError", 0.82, 0.05),
            Share("route", "/api/orders", 0.9, 0.4),
        ),
        examples=(Example(START, "2026-05-28T20:26:00Z ERROR no answer in 5 s", "req_abc_123"),),
        runbook=("Look at the newest errors", "Restart if they cascade"),
        search="shipper search 'status_code:[500 TO 599]' --since 5m",
        link="https://kibana.example.com/app/discover#/?_a=(query:(query:'a%20b'))",
    )


def hostile_page(text: str, change: Change = Change.FIRED, **more: Any) -> Page:
    """Make a page whose every text is hostile."""
    made = transition(change, service=text, acknowledged_by=text, resolved_by=text, **more)
    return Page(
        transition=Transition(made.incident, made.change, made.at, note=text),
        key=f"hostile/{change}",
        thread="hostile",
        title=text,
        summary=text,
        asked=text,
        numbers=text,
        shares=(Share("error_type", text, 0.5, None),),
        examples=(Example(START, text, text),),
        runbook=(text,),
        search=text,
        link=None,
        notes=(text,),
    )
