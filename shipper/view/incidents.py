"""Incidents in a terminal: a line each, one in full, and how the limits of the SLA were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipper.alerts.incident import Incident, Phase
from shipper.text import duration, instant, safe, safe_json, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.alerts.incidents.muting import Silence
    from shipper.alerts.incidents.sla import Kept, Sla
    from shipper.alerts.ledger.acts import Act
    from shipper.alerts.ledger.ledger import Recorded
    from shipper.alerts.ledger.outbox import NotificationState

_OPEN = (Phase.PENDING, Phase.FIRING, Phase.ACKNOWLEDGED)


def group_text(incident: Incident) -> str:
    """Write the group of an incident, `-` for none."""
    return ", ".join(f"{field}={safe(value)}" for field, value in incident.group) or "-"


def list_text(incidents: Sequence[Incident], sla: Sla, now: int) -> list[str]:
    """Return a table, a row per incident."""
    rows = [("id", "severity", "state", "rule", "group", "for", "clock", "")]
    rows += [
        (
            each.id,
            each.severity.value,
            _state(each),
            each.rule,
            group_text(each),
            duration(_lasted(each, now) / 1000),
            _clock(each, sla, now),
            _remark(each),
        )
        for each in incidents
    ]
    return table(rows) if incidents else ["no open incidents"]


def incident_json(incident: Incident, sla: Sla) -> str:
    """Write an incident as one JSON object."""
    verdict = incident.verdict
    fields: dict[str, Any] = {
        "id": incident.id,
        "rule": incident.rule,
        "group": dict(incident.group),
        "severity": incident.severity.value,
        "phase": incident.phase.value,
        "reason": verdict.reason,
        "value": verdict.value,
        "threshold": verdict.threshold,
        "opened_at": _iso(incident.opened_at),
        "fired_at": _iso(incident.fired_at),
        "told_at": _iso(incident.told_at),
        "acknowledged_at": _iso(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": _iso(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "respond_by": _iso(sla.respond_by(incident)),
        "resolve_by": _iso(sla.resolve_by(incident)),
        "muted_by": incident.muted,
        "flapping": incident.flapping,
        "late": incident.late,
    }
    return safe_json({name: value for name, value in fields.items() if value is not None})


def show_text(  # noqa: PLR0913, PLR0917 - all of it
    incident: Incident,
    history: Sequence[Recorded],
    acts: Sequence[Act],
    notifications: Sequence[NotificationState],
    sla: Sla,
    now: int,
) -> list[str]:
    """Return everything that is known of an incident."""
    return [
        f"{incident.id}  {incident.severity.value}  {incident.rule}  {group_text(incident)}",
        f"  {_state(incident)} for {duration(_lasted(incident, now) / 1000)}",
        f"  {safe(incident.verdict.reason)}",
        *(f"  {fact}" for fact in _facts(incident, sla)),
        "",
        *_history_text(history, acts, notifications),
    ]


def silences_text(silences: Sequence[Silence]) -> list[str]:
    """Return a table of the silences, a row each."""
    rows = [("id", "until", "by", "what", "")]
    rows += [
        (
            each.id,
            instant(each.end, unit_ms=1000),
            safe(each.by),
            safe(" ".join(map(str, each.matchers))) or "everything",
            safe(each.comment),
        )
        for each in silences
    ]
    return table(rows) if silences else ["no silences"]


def sla_text(kept: Sequence[Kept]) -> list[str]:
    """Return a table: how the limits were kept, per month and severity."""
    rows = [("month", "severity", "incidents", "acknowledged in time", "resolved in time", "share")]
    rows += [
        (
            each.month,
            each.severity.value,
            str(each.incidents),
            str(each.responded),
            str(each.resolved),
            "-" if each.share is None else f"{100 * each.share:.1f} %",
        )
        for each in kept
    ]
    return table(rows, right={2, 3, 4, 5}) if kept else ["no notification was sent"]


def sla_json(kept: Sequence[Kept]) -> Iterator[str]:
    """Yield a JSON object a line."""
    for each in kept:
        yield safe_json(
            {
                "month": each.month,
                "severity": each.severity.value,
                "incidents": each.incidents,
                "responded_in_time": each.responded,
                "resolved_in_time": each.resolved,
                "running": each.running,
                "kept": each.share,
            }
        )


def _history_text(
    history: Sequence[Recorded], acts: Sequence[Act], notifications: Sequence[NotificationState]
) -> list[str]:
    lines = [*_transitions_text(history, notifications)]
    lines += [(each.at, _step_text(each.at, each.kind, each.by, each.note)) for each in acts]
    return [line for _, line in sorted(lines, key=lambda each: each[0])]


def _step_text(at: int, what: str, by: str | None, note: str) -> str:
    line = f"  {instant(at, unit_ms=1000)}  {what.replace('_', ' ')}"
    line += f" by {safe(by)}" if by else ""
    return f"{line}: {safe(note)}" if note else line


def _transitions_text(
    history: Sequence[Recorded], notifications: Sequence[NotificationState]
) -> Iterator[tuple[int, str]]:
    for recorded in history:
        made = recorded.transition
        sent = [each for each in notifications if each.change is made.change]
        words = ", ".join(map(_notification_text, sent))
        line = _step_text(recorded.decided_at, made.change, made.by, made.note)
        yield recorded.decided_at, f"{line} [{words}]" if words else line


def _notification_text(sent: NotificationState) -> str:
    name = safe(sent.alerter)
    if sent.state == "sent":
        return name
    words = {"waiting": "waits", "trying": "waits"}.get(sent.state, sent.state.replace("_", " "))
    return f"{name} {words}: {safe(sent.fault)}" if sent.fault else f"{name} {words}"


def _facts(incident: Incident, sla: Sla) -> Iterator[str]:
    for name, at in (
        ("opened", incident.opened_at),
        ("fired", incident.fired_at),
        ("notified", incident.told_at),
        ("to acknowledge by", None if incident.acknowledged_at else sla.respond_by(incident)),
        ("to resolve by", None if incident.resolved_at else sla.resolve_by(incident)),
    ):
        if at is not None:
            yield f"{name} {instant(at, unit_ms=1000)}"
    if _remark(incident):
        yield _remark(incident)


def _state(incident: Incident) -> str:
    if incident.phase is Phase.FIRING and incident.muted:
        return "muted"
    return incident.phase.value


def _lasted(incident: Incident, now: int) -> int:
    begun = incident.opened_at if incident.fired_at is None else incident.fired_at
    return max(0, (incident.resolved_at or now) - begun)


def _clock(incident: Incident, sla: Sla, now: int) -> str:
    """Say which limit is next, or was missed."""
    if incident.phase not in _OPEN or incident.told_at is None:
        return "-"
    is_answered = incident.acknowledged_at is not None
    limit = sla.resolve_by(incident) if is_answered else sla.respond_by(incident)
    assert limit is not None, "people were notified"
    what = "resolve" if is_answered else "acknowledge"
    left = duration(abs(limit - now) / 1000)
    return f"{what} in {left}" if limit > now else f"{what}: {left} over"


def _remark(incident: Incident) -> str:
    remarks = []
    if incident.muted:
        remarks.append(f"muted: {safe(incident.muted)}")
    if incident.phase is Phase.ACKNOWLEDGED:
        remarks.append(f"by {safe(incident.acknowledged_by or 'somebody')}")
    if incident.resolved_by:
        remarks.append(f"by {safe(incident.resolved_by)}")
    remarks += [word for word in ("flapping", "late") if getattr(incident, word)]
    return ", ".join(remarks)


def _iso(at: int | None) -> str | None:
    return None if at is None else instant(at)
