"""Rules and how they stand, as a table for people, as one JSON object a line for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipper.alerts.verdict import VerdictState
from shipper.text import Paint, duration, instant, safe, safe_json, table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from shipper.alerts.rules.rule import Rule
    from shipper.alerts.verdict import Group, Verdict
    from shipper.store.fleet import HostBeat

    Judged = Sequence[tuple[Rule, list[Verdict]]]

_LEVELS = {VerdictState.BREACH: "ERROR", VerdictState.OK: "INFO"}
_BEHIND_MS = 60_000  # less is the usual way of things


def rules_text(judged: Judged, idle: Collection[str], paint: Paint) -> list[str]:
    """Show each rule with what it asks, then a line per group with what was found."""
    return [
        line
        for rule, verdicts in judged
        for line in _rule_text(rule, verdicts, paint, is_idle=rule.name in idle)
    ]


def _rule_text(
    rule: Rule, verdicts: Sequence[Verdict], paint: Paint, *, is_idle: bool
) -> Iterator[str]:
    if verdicts:
        window = verdicts[0].window
        times = f"{instant(window.start)} to {instant(window.end)}"
    else:
        times = "no records"
    yield f"{paint.strong(rule.name)}  {rule.severity}  {paint.dim(times)}"
    if rule.asked:
        yield f"  {paint.dim(f'query: {safe(rule.asked)}')}"
    if is_idle:
        yield f"  {paint.level('its query matched nothing in 30 days', 'WARNING')}"
    rows = [[each.state.value, group_text(each.group), safe(each.reason)] for each in verdicts]
    for row, each in zip(table(rows), verdicts, strict=True):
        yield f"  {paint.level(row, _LEVELS[each.state])}"


def group_text(group: Group) -> str:
    """Write a group as it would be searched for."""
    return safe(" ".join(f"{field}:{value}" for field, value in group))


def rules_json(judged: Judged, idle: Collection[str]) -> list[str]:
    """Return an object per rule and group."""
    return [
        safe_json({**_object(rule, verdict), "idle": rule.name in idle})
        for rule, verdicts in judged
        for verdict in verdicts
    ]


def _object(rule: Rule, verdict: Verdict) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "severity": rule.severity.value,
        "kind": rule.kind_name,
        "asked": rule.asked,
        "group": dict(verdict.group),
        "since": instant(verdict.window.start),
        "until": instant(verdict.window.end),
        "state": verdict.state.value,
        "value": verdict.value,
        "threshold": verdict.threshold,
        "low": verdict.low,
        "high": verdict.high,
        "events": verdict.events,
        "reason": verdict.reason,
    }


def late_text(beats: Sequence[HostBeat], now: int) -> list[str]:
    """Say which hosts have not delivered what these numbers are made of."""
    return [
        f"{safe(beat.host)} is {duration((now - beat.watermark) / 1000)} behind: "
        "its newer records are not counted yet"
        for beat in beats
        if beat.watermark and now - beat.watermark > _BEHIND_MS
    ]
