"""Sessions and the throttle of log-ins: their ends and their bounds, by a clock of the test."""

from __future__ import annotations

from shipper.web.sessions import (
    IDLE_SECONDS,
    LONGEST_SECONDS,
    MOST_OF_A_USER,
    MOST_SESSIONS,
    LoginMeans,
    Sessions,
)
from shipper.web.throttle import (
    MOST_PAIRS,
    OF_NAME,
    OF_NETWORK,
    SLOTS,
    LoginThrottle,
    network_of,
)


class SetClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(sessions: Sessions, name: str = "ada") -> str:
    return sessions.open(name, "", LoginMeans.PASSWORD)[0]


def test_a_session_ends_when_nobody_uses_it() -> None:
    """Each request keeps it; the longest pause is the last."""
    clock = SetClock()
    sessions = Sessions(clock)
    cookie = opened(sessions)
    for _ in range(3):
        clock.now += IDLE_SECONDS
        assert sessions.find(cookie) is not None
    clock.now += IDLE_SECONDS + 1

    assert sessions.find(cookie) is None


def test_a_session_ends_even_if_it_is_used() -> None:
    """A page that renews itself keeps nobody logged in for ever."""
    clock = SetClock()
    sessions = Sessions(clock)
    cookie = opened(sessions)
    session = sessions.find(cookie)
    assert session is not None
    for _ in range(int(LONGEST_SECONDS / IDLE_SECONDS)):
        clock.now += IDLE_SECONDS
        assert sessions.find(cookie) is not None
    clock.now += 1
    assert not sessions.is_open(session)

    assert sessions.find(cookie) is None


def test_the_sessions_of_a_user_are_bounded() -> None:
    """One too many ends the one that was idle longest, not those of others."""
    clock = SetClock()
    sessions = Sessions(clock)
    other = opened(sessions, "bo")
    cookies = []
    for _ in range(MOST_OF_A_USER + 1):
        clock.now += 1
        cookies.append(opened(sessions))

    assert [cookie for cookie in cookies if sessions.find(cookie) is None] == cookies[:1]
    assert sessions.find(other) is not None


def test_all_sessions_are_bounded() -> None:
    """There are never more than so many."""
    clock = SetClock()
    sessions = Sessions(clock)
    cookies = []
    for number in range(MOST_SESSIONS + 5):
        clock.now += 1
        cookies.append(opened(sessions, f"user{number}"))

    assert sum(sessions.find(cookie) is not None for cookie in cookies) == MOST_SESSIONS


def test_one_network_cannot_guess_for_ever() -> None:
    """After some tries it has to wait, with whatever name; others need not."""
    throttle = LoginThrottle(SetClock())

    tries = [
        throttle.try_one(f"name{number}", "10.0.0.1") for number in range(OF_NETWORK.burst + 1)
    ]

    assert tries[:-1] == [0] * OF_NETWORK.burst
    assert tries[-1] > 0
    assert throttle.try_one("ada", "10.0.0.2") == 0


def test_a_flood_from_everywhere_cannot_lock_out_a_user() -> None:
    """Where a user was before, they can log in; elsewhere they can soon after the flood."""
    clock = SetClock()
    throttle = LoginThrottle(clock)
    assert throttle.try_one("ada", "10.0.0.1") == 0
    throttle.succeeded("ada", "10.0.0.1")
    for number in range(10 * OF_NAME.burst):
        throttle.try_one("ada", f"10.1.{number >> 8}.{number & 255}")

    assert throttle.try_one("ada", "10.0.0.1") == 0
    assert throttle.try_one("ada", "10.0.0.9") > 0
    clock.now += OF_NAME.seconds
    assert throttle.try_one("ada", "10.0.0.9") == 0


def test_a_user_cannot_be_guessed_from_everywhere() -> None:
    """All networks together have so many tries of a name."""
    throttle = LoginThrottle(SetClock())

    tries = [throttle.try_one("ada", f"2001:db8:{number:x}::1") for number in range(100)]

    assert tries.count(0) == OF_NAME.burst


def test_a_network_that_was_right_once_cannot_guess_for_ever() -> None:
    """Its own bucket is one."""
    throttle = LoginThrottle(SetClock())
    throttle.succeeded("ada", "10.0.0.1")

    assert [throttle.try_one("ada", "10.0.0.1") for _ in range(50)].count(0) == OF_NETWORK.burst


def test_the_tables_do_not_grow() -> None:
    """Names and networks share a fixed number of buckets; the last pairs are kept."""
    clock = SetClock()
    throttle = LoginThrottle(clock)
    for number in range(2 * SLOTS):
        clock.now += 100
        throttle.try_one(f"name{number}", f"2001:db8:{number:x}::1")
    for number in range(MOST_PAIRS + 1):
        throttle.succeeded(f"user{number}", "10.0.0.1")

    assert not throttle.knows("user0", "10.0.0.1")
    assert throttle.knows("user1", "10.0.0.1")


def test_a_network_is_what_one_can_have_many_addresses_of() -> None:
    """An IPv6 network counts as one, and an address in either form as the same."""
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("testclient") == network_of("") == "unknown"
