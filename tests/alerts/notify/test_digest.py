"""When many incidents open at once: some pages, one digest, and nothing dropped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.incident import Change
from shipper.alerts.notify.digest import DigestPlan, Sent, WaitingNotification, plan
from shipper.alerts.page import Page
from shipper.alerts.settings import DigestLimits
from shipper.alerts.severity import Severity
from tests.alerts.paging import page

LIMITS = DigestLimits(pages=2, within_seconds=300, collect_seconds=30)
NOW = 1_780_000_000_000


def waiting(
    id_: str,
    since: int = NOW,
    severity: Severity = Severity.HIGH,
    change: Change = Change.FIRED,
) -> WaitingNotification:
    return WaitingNotification(page(change, id_=id_, severity=severity), since)


def ids(pages: tuple[Page, ...]) -> str:
    return " ".join(each.thread for each in pages)


def test_where_there_is_room_nothing_waits() -> None:
    """Up to the limit each page goes out by itself, at once."""
    made = plan([waiting("a"), waiting("b")], [], LIMITS, NOW)

    assert (ids(made.singles), made.digest, made.again_at) == ("a b", (), None)
    assert plan([], [], LIMITS, NOW) == DigestPlan()


def test_the_worst_go_first() -> None:
    """What goes out by itself is the worst, then the oldest; ends come last."""
    many = [
        waiting("low", NOW - 9, Severity.LOW),
        waiting("over", NOW - 9, Severity.CRITICAL, Change.RESOLVED),
        waiting("worst", NOW, Severity.CRITICAL),
        waiting("old", NOW - 5),
    ]

    made = plan(many, [], LIMITS, NOW)

    assert ids(made.singles) == "worst old"
    assert made.again_at == NOW - 9 + 30_000


def test_the_pages_of_an_incident_stay_in_order() -> None:
    """What was decided first is told first, although what came of it is worse or better."""
    changes = (Change.FIRED, Change.ACKNOWLEDGED, Change.RESOLUTION_BREACHED)
    one = [waiting("a", NOW - 50_000 + number, change=each) for number, each in enumerate(changes)]

    made = plan([*one, waiting("b", NOW - 40_000)], [], LIMITS, NOW)

    told = [each.transition.change for each in (*made.singles, *made.digest) if each.thread == "a"]
    assert ids(made.singles).startswith("b a")
    assert told == list(changes)


def test_what_is_too_much_is_collected_into_one_page() -> None:
    """After `collect` the rest goes out as one digest, however much it is."""
    rest = [waiting(f"n{number:02}", NOW - 30_000) for number in range(40)]

    made = plan(rest, [Sent(NOW - 1000), Sent(NOW - 2000)], LIMITS, NOW)

    assert made.singles == ()
    assert len(made.digest) == 40
    assert made.again_at is None


def test_there_is_one_digest_in_that_time() -> None:
    """A storm that lasts gives a digest per `within`, not one per `collect`."""
    sent = [Sent(NOW - 1000), Sent(NOW - 900), Sent(NOW - 60_000, digest=True)]

    made = plan([waiting("a", NOW - 40_000), waiting("b", NOW - 40_000)], sent, LIMITS, NOW)

    assert (made.singles, made.digest) == ((), ())
    assert made.again_at == NOW + 240_000


def test_a_digest_of_one_is_a_page() -> None:
    """What would stand alone in a digest goes out as it is."""
    sent = [Sent(NOW - 1000), Sent(NOW - 900)]

    made = plan([waiting("a", NOW - 30_000)], sent, LIMITS, NOW)

    assert (ids(made.singles), made.digest) == ("a", ())


def test_room_comes_back() -> None:
    """What was sent before `within` does not count; the plan says when that will be so."""
    sent = [Sent(NOW - 300_000), Sent(NOW - 299_000)]

    assert ids(plan([waiting("a")], sent, LIMITS, NOW).singles) == "a"
    crowded = [Sent(NOW - 299_000), Sent(NOW - 1000)]
    assert plan([waiting("a")], crowded, LIMITS, NOW).again_at == NOW + 1000


@given(
    arrivals=st.lists(st.integers(0, 900), max_size=60),
    pages=st.integers(1, 5),
    collect=st.integers(0, 60),
)
def test_every_page_goes_out_once_and_in_time(
    arrivals: list[int], pages: int, collect: int
) -> None:
    """From plan to plan: each is told once, in time, and never more than is allowed."""
    limits = DigestLimits(pages=pages, within_seconds=120, collect_seconds=collect)
    coming = sorted(arrivals)
    held: list[WaitingNotification] = []
    sent: list[Sent] = []
    told: list[str] = []
    now = 0
    while coming or held:
        while coming and coming[0] * 1000 <= now:
            held.append(waiting(f"i{len(told) + len(held)}", coming.pop(0) * 1000))
        made = plan(held, sent, limits, now)
        out = {each.key for each in (*made.singles, *made.digest)}
        assert all(now - each.since <= 120_000 for each in held)
        sent += [Sent(now)] * len(made.singles) + [Sent(now, digest=True)] * bool(made.digest)
        told += [each.page.thread for each in held if each.page.key in out]
        held = [each for each in held if each.page.key not in out]
        assert made.again_at is None or made.again_at > now
        ahead = [at for at in (made.again_at, coming[0] * 1000 if coming else None) if at]
        recent = [each for each in sent if each.at > now - 120_000]
        assert len(recent) <= pages + 1
        now = max(now + 1, min(ahead)) if ahead else now + 1
    assert sorted(told) == sorted(set(told))
    assert len(told) == len(arrivals)
