"""The clocks of an incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from shipper.alerts.incident import Change, Incident, Phase
from shipper.alerts.incidents.sla import Calendar, Limits, Sla, compliance
from shipper.alerts.severity import Severity
from tests.alerts.verdicts import HOUR, MINUTE, START, live_through

BERLIN = ZoneInfo("Europe/Berlin")
SLA = Sla()


def incident(severity: Severity = Severity.CRITICAL, told_at: int = START) -> Incident:
    fired, _ = live_through("b")
    assert fired is not None
    return replace(fired, severity=severity, told_at=told_at)


def due(one: Incident, after: int, told: tuple[Change, ...] = (), sla: Sla = SLA) -> list[Change]:
    return [each.change for each in sla.due(one, told, START + after)]


def moment(text: str, zone: ZoneInfo = BERLIN) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("severity", "respond", "resolve"),
    [
        (Severity.CRITICAL, 5 * MINUTE, HOUR),
        (Severity.HIGH, 15 * MINUTE, 4 * HOUR),
        (Severity.MEDIUM, HOUR, 8 * HOUR),
    ],
)
def test_the_limits_of_the_guide(severity: Severity, respond: int, resolve: int) -> None:
    """A limit is told of when it is near and when it is breached, each once, and not before."""
    one = incident(severity)
    near = Change.RESPONSE_DUE
    breached = Change.RESPONSE_BREACHED
    answered = replace(one, phase=Phase.ACKNOWLEDGED, acknowledged_at=START + 1)

    assert due(one, respond * 8 // 10 - 1) == []
    assert due(one, respond * 8 // 10) == [near]
    assert due(one, respond - 1, (near,)) == []
    assert due(one, respond, (near,)) == [breached]
    assert due(one, respond + 1, (near, breached)) == []
    assert due(answered, respond) == []
    assert due(answered, resolve * 8 // 10) == [Change.RESOLUTION_DUE]
    assert due(answered, resolve, (Change.RESOLUTION_DUE,)) == [Change.RESOLUTION_BREACHED]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (60_000, "60 s left"),
        (14_600, "14 s left"),
        (0, "the time is over"),
        (-90_000, "1 min over"),
    ],
)
def test_the_time_that_is_left_is_told(left: int, told: str) -> None:
    """To the second where it is short: no minutes left is not what a minute is."""
    (transition,) = SLA.due(incident(), (), START + 5 * MINUTE - left)

    assert transition.note == told


def test_whoever_looks_too_late_tells_of_the_breach_alone() -> None:
    """After a week asleep nobody hears that a limit of last week is near."""
    found = due(incident(), 7 * 24 * HOUR)

    assert found == [Change.RESPONSE_BREACHED, Change.RESOLUTION_BREACHED]


def test_no_clock_runs_before_people_are_told_or_after_the_end() -> None:
    """A muted incident has no clock, and one that is resolved has none any more."""
    muted = replace(incident(), told_at=None)
    over = replace(incident(), phase=Phase.RESOLVED, resolved_at=START + MINUTE)

    assert due(muted, HOUR) == []
    assert due(over, HOUR) == []


@pytest.mark.parametrize(
    ("told", "by"),
    [
        ("2026-02-05T14:30", "2026-02-06T17:00"),  # Thursday
        ("2026-02-06T23:00", "2026-02-09T17:00"),  # Friday night
        ("2026-02-07T12:00", "2026-02-09T17:00"),  # Saturday
        ("2026-12-24T09:00", "2026-12-28T17:00"),  # Christmas is a Friday
        ("2026-03-27T09:00", "2026-03-30T17:00"),  # summer time begins in between
    ],
)
def test_the_next_business_day(told: str, by: str) -> None:
    """A low one is to be answered by the close of the next business day where the people are."""
    calendar = Calendar(BERLIN, holidays=frozenset({date(2026, 12, 25)}))
    one = incident(Severity.LOW, moment(told))

    assert Sla(calendar=calendar).respond_by(one) == moment(by)


def test_a_day_begins_where_the_people_are() -> None:
    """Just before midnight in UTC it is tomorrow in Berlin already."""
    late = incident(Severity.LOW, moment("2026-02-05T23:30", ZoneInfo("UTC")))

    assert Sla(calendar=Calendar(UTC)).respond_by(late) == moment(
        "2026-02-06T17:00", ZoneInfo("UTC")
    )
    assert Sla(calendar=Calendar(BERLIN)).respond_by(late) == moment("2026-02-09T17:00")


def test_spans_pass_whatever_the_clock_on_the_wall_does() -> None:
    """48 hours over a change to summer time are 48 hours, and 49 on the clock."""
    told = moment("2026-03-28T12:00")
    by = Sla(calendar=Calendar(BERLIN)).resolve_by(incident(Severity.LOW, told))

    assert by == moment("2026-03-30T13:00")


def test_limits_can_be_set() -> None:
    """A severity has the limits that it was given."""
    sla = Sla({Severity.CRITICAL: Limits(MINUTE, 2 * MINUTE)}, Calendar(close=time(12)))

    assert due(incident(), MINUTE, sla=sla) == [Change.RESPONSE_BREACHED]


def test_how_the_limits_were_kept() -> None:
    """Per month and severity: how many clocks stopped in time, how many still run."""
    told = moment("2026-01-31T23:59")
    january = incident(Severity.CRITICAL, told)
    kept = replace(january, acknowledged_at=told + MINUTE, resolved_at=told + HOUR)
    by_itself = replace(january, resolved_at=told + 2 * MINUTE)
    ignored = replace(january, resolved_at=told + 30 * MINUTE)
    forgotten = replace(january, acknowledged_at=told + 6 * MINUTE)
    fresh = replace(january, told_at=told + 2 * MINUTE)
    unseen = replace(january, resolved_at=told - HOUR)  # found after the fact
    sla = Sla(calendar=Calendar(BERLIN))

    found = compliance([kept, by_itself, ignored, forgotten, fresh, unseen], sla, told + 3 * MINUTE)
    later = compliance([kept, by_itself, ignored, forgotten], sla, told + 2 * HOUR)

    assert [(each.month, each.incidents) for each in found] == [("2026-01", 4), ("2026-02", 1)]
    assert (found[1].responded, found[1].running, found[1].share) == (0, 2, None)
    assert (later[0].responded, later[0].resolved, later[0].running) == (2, 3, 0)
    assert later[0].share == 5 / 8
