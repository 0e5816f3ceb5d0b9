"""Which windows are judged when, and on which hosts."""

from __future__ import annotations

import pytest

from shipper.alerts.incidents.tracks import MAIN
from shipper.alerts.judge.schedule import (
    ASSUMED,
    LATE_POLL_MS,
    POLL_MS,
    PORTION,
    SETTLE_MS,
    Fleet,
    ScheduleProgress,
    Turn,
    Waits,
    fleet_of,
    plan,
)
from tests.alerts.rules.rule_texts import rule_of
from tests.alerts.verdicts import HOUR, MINUTE, START

COUNT = rule_of("count: level:ERROR\nabove: 10\n")
RATIO = rule_of("ratio: {of: level:ERROR, to: '*'}\nabove: 1%\n")
CLOCK = rule_of("count: level:ERROR\nabove: 10\njudge: clock\n")
WAITS = Waits(grace_ms=30_000, catch_up_ms=24 * HOUR, assumed_delay_ms=30_000)
NEXT = START + MINUTE
LAST = ScheduleProgress(START)


def on(turn: Turn) -> list[tuple[int, str, list[tuple[tuple[str, ...], bool]]]]:
    """Return what is judged: minute after START, track, and the late hosts and completeness."""
    return [
        (
            (due.end - START) // MINUTE,
            due.track,
            [(asked.hosts.late, asked.complete) for asked in due.asked],
        )
        for due in turn.due
    ]


WHOLE = [((), True)]


def test_a_window_is_judged_when_all_have_delivered_it() -> None:
    """As soon as the last watermark has passed its end, and not a moment before."""
    before = plan(RATIO, LAST, Fleet({"app1": NEXT, "app2": NEXT - 1}), WAITS, NEXT + 3)
    after = plan(RATIO, LAST, Fleet({"app1": NEXT, "app2": NEXT}), WAITS, NEXT + 3)

    assert on(before) == []
    assert (before.progress.judged, before.next_at) == (START, NEXT + 3 + POLL_MS)
    assert on(after) == [(1, MAIN, WHOLE)]
    assert (after.progress, after.next_at) == (ScheduleProgress(NEXT), NEXT + MINUTE)


def test_a_late_host_does_not_hold_back_the_others() -> None:
    """After the grace the window is judged without it, and it owes that window from then on."""
    fleet = Fleet({"app1": NEXT + 5, "app2": START})

    within = plan(RATIO, LAST, fleet, WAITS, NEXT + 29_999)
    turn = plan(RATIO, LAST, fleet, WAITS, NEXT + 30_000)

    assert on(within) == []
    assert on(turn) == [(1, MAIN, [(("app2",), True)])]
    assert turn.progress == ScheduleProgress(NEXT, {"app2": (NEXT, NEXT)})
    again = plan(
        RATIO, turn.progress, Fleet({"app1": NEXT + HOUR, "app2": START}), WAITS, NEXT + HOUR
    )
    assert again.progress.late == {"app2": (NEXT, NEXT + PORTION * MINUTE)}


def test_a_late_host_does_not_hide() -> None:
    """What it owes is judged once more when it delivers, as far as it has, on its own track."""
    owing = ScheduleProgress(START + 5 * MINUTE, {"app2": (START + MINUTE, START + 5 * MINUTE)})
    fleet = Fleet({"app1": START + 6 * MINUTE, "app2": START + 3 * MINUTE, "app3": START})
    now = START + 5 * MINUTE + 1

    turn = plan(RATIO, owing, fleet, WAITS, now)

    others = [(("app3",), True)]
    assert on(turn) == [(1, "app2", others), (2, "app2", others), (3, "app2", others)]
    assert turn.progress.late["app2"] == (START + 4 * MINUTE, START + 5 * MINUTE)
    assert turn.next_at == now + LATE_POLL_MS
    done = plan(RATIO, turn.progress, Fleet({"app2": START + HOUR}), WAITS, now)
    assert on(done) == [(4, "app2", WHOLE), (5, "app2", WHOLE)]
    assert (done.caught_up, dict(done.progress.late)) == (("app2",), {})


def test_who_is_gone_owes_nothing() -> None:
    """A host that is no part of the fleet any more is not waited for."""
    owing = ScheduleProgress(START, {"app2": (START, START)})

    turn = plan(RATIO, owing, Fleet({"app1": START}), WAITS, START + 1)

    assert (turn.caught_up, dict(turn.progress.late)) == (("app2",), {})


def test_what_only_grows_may_breach_early() -> None:
    """While nobody has delivered, a count is asked about once per window; a share is not."""
    fleet = Fleet({"app1": START - HOUR})
    now = NEXT + 30_000

    turn = plan(COUNT, LAST, fleet, WAITS, now)

    assert on(turn) == [(1, MAIN, [((), False)])]
    assert (turn.progress.judged, turn.early) == (START, NEXT)
    assert on(plan(COUNT, LAST, fleet, WAITS, now + 1, early=turn.early)) == []
    later = plan(COUNT, LAST, fleet, WAITS, now + 10 * MINUTE, early=turn.early)
    assert on(later) == [(11, MAIN, [((), False)])]
    assert on(plan(RATIO, LAST, fleet, WAITS, now)) == []


def test_a_count_is_asked_of_late_hosts_too() -> None:
    """Beside those that have delivered, all hosts are asked, where a breach would stay one."""
    fleet = Fleet({"app1": NEXT, "app2": START})

    turn = plan(COUNT, LAST, fleet, WAITS, NEXT + 30_000)

    assert on(turn) == [(1, MAIN, [(("app2",), True), ((), False)])]


def test_the_clock_decides_where_the_rule_says_so() -> None:
    """A rule about the pipeline itself waits for no watermark, only until it can be searched."""
    fleet = Fleet({"app1": START - HOUR})

    assert on(plan(CLOCK, LAST, fleet, WAITS, NEXT + SETTLE_MS - 1)) == []
    assert on(plan(CLOCK, LAST, fleet, WAITS, NEXT + SETTLE_MS)) == [(1, MAIN, WHOLE)]


def test_missed_windows_are_judged_in_order_a_portion_at_a_time() -> None:
    """After a stop the windows in between come one after the other; none is left out."""
    now = START + 2 * HOUR
    fleet, progress = Fleet({"app1": now}), LAST
    ends: list[int] = []
    for _ in range(4):
        turn = plan(RATIO, progress, fleet, WAITS, now)
        assert turn.next_at == (now if turn.is_behind else now + MINUTE)
        ends += [due.end for due in turn.due]
        progress = turn.progress

    assert ends == list(range(NEXT, now + 1, MINUTE))
    assert not turn.is_behind


def test_after_a_week_asleep_the_last_day_is_judged() -> None:
    """What is longer ago than `catch_up` is left out, and counted."""
    now = START + 7 * 24 * HOUR

    turn = plan(RATIO, LAST, Fleet({"app1": now}), WAITS, now)

    assert turn.due[0].end == now - 24 * HOUR + MINUTE
    assert turn.skipped == 6 * 24 * 60


def test_a_clock_that_was_set_back_does_not_blind() -> None:
    """Windows judged while the clock was ahead do not count: judging goes on from where it is."""
    turn = plan(RATIO, ScheduleProgress(START + HOUR), Fleet({"app1": START}), WAITS, START + 1)

    assert on(turn) == []
    assert turn.progress.judged == START
    assert on(plan(RATIO, turn.progress, Fleet({"app1": NEXT}), WAITS, NEXT)) == [(1, MAIN, WHOLE)]


def test_a_new_rule_begins_with_the_last_window() -> None:
    """A rule that was never judged is judged on the window that has just ended."""
    turn = plan(RATIO, ScheduleProgress(), Fleet({"app1": START}), WAITS, START + 1000)

    assert on(turn) == [(0, MAIN, WHOLE)]


def test_jitter_shifts_the_look_not_the_window() -> None:
    """Jobs that start together do not ask together; the windows are the same."""
    fleet = Fleet({"app1": NEXT})

    assert on(plan(RATIO, LAST, fleet, WAITS, NEXT + 4999, jitter=1.0)) == []
    turn = plan(RATIO, LAST, fleet, WAITS, NEXT + 5000, jitter=1.0)
    assert on(turn) == [(1, MAIN, WHOLE)]
    assert turn.next_at == NEXT + MINUTE + 5000


@pytest.mark.parametrize(("now", "count"), [(NEXT + 29_999, 0), (NEXT + 30_000, 1)])
def test_without_heartbeats_a_delay_is_assumed(now: int, count: int) -> None:
    """Where no shipper sends heartbeats, records are taken to be there after the assumed delay."""
    fleet = fleet_of({}, now, WAITS)

    assert list(fleet.watermarks) == [ASSUMED]
    assert len(plan(RATIO, LAST, fleet, WAITS, now).due) == count
