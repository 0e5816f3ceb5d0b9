"""What rules would have done, as tables for people, as one JSON object a line for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipper.text import Paint, counted, duration, instant, safe, safe_json, table
from shipper.view.rules import group_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.alerts.backtest.backtest import BacktestOutcome
    from shipper.alerts.incident import Incident

    Swept = Sequence[tuple[str, BacktestOutcome]]

_SECOND_MS = 1000


def incidents_text(outcomes: Sequence[BacktestOutcome], paint: Paint) -> list[str]:
    """Show a line per rule and, below it, a line per incident that would have fired."""
    return [line for outcome in outcomes for line in _outcome_text(outcome, paint)]


def _outcome_text(outcome: BacktestOutcome, paint: Paint) -> Iterator[str]:
    rule = outcome.rule
    yield f"{paint.strong(rule.name)}  {rule.severity}  {_sum_text(outcome)}"
    rows = [_incident_row(outcome, incident) for incident in outcome.incidents]
    yield from (f"  {row}" for row in table(rows))


def _sum_text(outcome: BacktestOutcome) -> str:
    time = duration((outcome.until - outcome.since) / _SECOND_MS)
    muted = f"; {counted(len(outcome.muted), 'incident')} muted" if outcome.muted else ""
    if not outcome.pages:
        return f"no pages in {time}{muted}"
    return (
        f"{counted(outcome.pages, 'page')} in {time}, {outcome.pages_a_day:.2g} a day; "
        f"firing for {duration(outcome.firing_ms / _SECOND_MS)}{muted}"
    )


def _incident_row(outcome: BacktestOutcome, incident: Incident) -> list[str]:
    end = (
        "still firing"
        if incident.resolved_at is None
        else instant(incident.resolved_at, unit_ms=_SECOND_MS)
    )
    return [
        instant(incident.fired_at or 0, unit_ms=_SECOND_MS),
        end,
        duration(outcome.lasted_ms(incident) / _SECOND_MS),
        group_text(incident.group),
        safe(_reason(outcome, incident)),
    ]


def _reason(outcome: BacktestOutcome, incident: Incident) -> str:
    muted = outcome.muted.get(incident.id)
    return f"muted: {muted}" if muted else incident.verdict.reason


def incidents_json(outcomes: Sequence[BacktestOutcome]) -> list[str]:
    """Return an object per incident that would have fired."""
    return [
        safe_json(_incident(outcome, incident))
        for outcome in outcomes
        for incident in outcome.incidents
    ]


def _incident(outcome: BacktestOutcome, incident: Incident) -> dict[str, Any]:
    verdict = incident.verdict
    return {
        "rule": incident.rule,
        "severity": incident.severity.value,
        "group": dict(incident.group),
        "opened": instant(incident.opened_at),
        "fired": instant(incident.fired_at or 0),
        "resolved": None if incident.resolved_at is None else instant(incident.resolved_at),
        "seconds": outcome.lasted_ms(incident) / _SECOND_MS,
        "flapping": incident.flapping,
        "muted_by": outcome.muted.get(incident.id),
        "value": verdict.value,
        "threshold": verdict.threshold,
        "reason": verdict.reason,
    }


def sweep_text(outcomes: Swept, key: str) -> list[str]:
    """Show a line per rule and value."""
    head = ["rule", key, "pages", "a day", "firing for"]
    rows = [
        [
            outcome.rule.name,
            value,
            f"{outcome.pages:,}",
            f"{outcome.pages_a_day:.2g}",
            duration(outcome.firing_ms / _SECOND_MS),
        ]
        for value, outcome in outcomes
    ]
    return table([head, *rows], right={1, 2, 3, 4})


def sweep_json(outcomes: Swept, key: str) -> list[str]:
    """Return an object per rule and value."""
    return [
        safe_json(
            {
                "rule": outcome.rule.name,
                key: value,
                "pages": outcome.pages,
                "pages_a_day": outcome.pages_a_day,
                "firing_seconds": outcome.firing_ms / _SECOND_MS,
            }
        )
        for value, outcome in outcomes
    ]
