"""Windows judged at their time and again for late hosts: one open incident per group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.incidents.lifecycle import LifecycleTerms, is_firing, is_open
from shipper.alerts.incidents.tracks import MAIN, Standings
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import VerdictState
from tests.alerts.verdicts import MINUTE, START, TERMS, verdict

STATES = {
    "b": VerdictState.BREACH,
    "o": VerdictState.OK,
    "p": VerdictState.OK,
}
GROUP = (("service.name", "shop"),)
WAITING = LifecycleTerms(Severity.HIGH, for_ms=2 * MINUTE)


class Windows:
    """Judges windows, a minute each, on tracks."""

    def __init__(self, terms: LifecycleTerms = TERMS) -> None:
        self.standings = Standings({})
        self.terms = terms
        self.told: list[Transition] = []

    def judge(self, letters: str, first: int, track: str = MAIN) -> str:
        told: list[Transition] = []
        for number, letter in enumerate(letters, start=first):
            waiting = ("app2",) if letter == "p" else ()
            each = verdict(STATES[letter], START + number * MINUTE, waiting=waiting)
            told += self.standings.take(each, self.terms, track)
        self.told += told
        return " ".join(each.change for each in told)

    def at(self, track: str = MAIN) -> Incident | None:
        return dict(self.standings.changes()).get((GROUP, track))


def test_a_host_that_was_late_shows_what_nobody_saw() -> None:
    """A breach that only the late host's records make is found when it catches up, and says so."""
    windows = Windows()
    assert windows.judge("ppppp", 1) == ""

    assert windows.judge("obboo", 1, "app2") == "opened fired resolved"

    fired = next(each for each in windows.told if each.change is Change.FIRED)
    assert fired.incident.late
    assert fired.at == START + 2 * MINUTE
    assert windows.told[-1].at == START + 4 * MINUTE


def test_what_was_found_at_its_time_is_not_found_again() -> None:
    """Late windows within the life of an incident, or before an open one, find nothing new."""
    windows = Windows()
    windows.judge("obbo", 1)
    assert windows.judge("obbo", 1, "app2") == ""

    open_one = Windows()
    open_one.judge("ppbp", 1)
    assert open_one.judge("bbb", 0, "app2") == ""


def test_two_late_hosts_find_an_incident_once() -> None:
    """What the first late host brought to light is known when the second one catches up."""
    windows = Windows()
    windows.judge("ppppp", 1)
    windows.judge("obboo", 1, "app2")

    assert windows.judge("obboo", 1, "app3") == ""


def test_the_whole_answer_ends_what_a_part_could_not() -> None:
    """While a host is late nothing is resolved; its late windows resolve, after the last breach."""
    windows = Windows()
    assert windows.judge("bpppp", 1) == "opened fired"

    assert windows.judge("b", 1, "app2") == ""
    assert windows.judge("o", 2, "app2") == "resolved"
    assert windows.told[-1].at == START + 2 * MINUTE


def test_late_windows_wait_for_their_own_time() -> None:
    """`for` is counted on the track of the late host, whatever the main track says meanwhile."""
    windows = Windows(WAITING)
    windows.judge("pppp", 1)

    assert windows.judge("bb", 1, "app2") == "opened"
    assert windows.judge("p", 5) == ""
    assert windows.judge("b", 3, "app2") == "fired"


def test_a_breach_carries_on_what_a_late_host_found() -> None:
    """There is one open incident: the main track goes on with that of the late one."""
    windows = Windows()
    windows.judge("pp", 1)
    assert windows.judge("b", 1, "app2") == "opened fired"
    found = windows.at("app2")
    assert found is not None

    assert windows.judge("b", 3) == ""

    assert windows.at("app2") is None
    carried = windows.at()
    assert carried is not None
    assert carried.id == found.id
    assert windows.judge("o", 4) == "resolved"


def test_a_host_that_caught_up_has_no_track() -> None:
    """What still fires is carried on at its time; what is pending is forgotten."""
    windows = Windows()
    windows.judge("p", 1)
    windows.judge("b", 1, "app2")

    assert windows.standings.close("app2", START + 2 * MINUTE) == ()

    assert windows.at("app2") is None
    carried = windows.at()
    assert carried is not None
    assert carried.phase is Phase.FIRING
    assert windows.standings.open_groups() == {GROUP}
    assert windows.judge("o", 2) == "resolved"


def test_a_host_that_caught_up_drops_what_is_pending() -> None:
    """What did not fire by the time its host has caught up never will, and is told as dropped."""
    windows = Windows(WAITING)
    windows.judge("b", 1, "app2")

    dropped = windows.standings.close("app2", START + 2 * MINUTE)

    assert [each.change for each in dropped] == [Change.DROPPED]
    assert windows.at("app2") is None


@given(
    st.lists(
        st.tuples(st.sampled_from("bop"), st.sampled_from(["", "", "app2", "app3", "close"])),
        max_size=60,
    ),
    st.sampled_from([TERMS, WAITING]),
)
def test_whatever_comes_in_whatever_order(
    judged: list[tuple[str, str]], terms: LifecycleTerms
) -> None:
    """A group has at most one firing incident, and each incident one life, whatever is late."""
    windows = Windows(terms)
    ends = dict.fromkeys(["", "app2", "app3"], 0)
    for letter, track in judged:
        if track == "close":
            windows.told += windows.standings.close("app2", START + ends[""] * MINUTE)
            continue
        ends[track] = max(ends[track] + 1, ends[""] if track == "" else 0)
        ends[""] = max(ends.values())  # nothing late is ahead of what is judged at its time
        windows.judge(letter, ends[track], track)
        firing = [each for _, each in windows.standings.changes() if is_firing(each)]
        assert len(firing) <= 1

    lives: dict[str, list[Change]] = {}
    for each in windows.told:
        lives.setdefault(each.incident.id, []).append(each.change)
    for life in lives.values():
        assert life[0] is Change.OPENED
        assert sorted(set(life)) == sorted(life)
        assert not {Change.FIRED, Change.DROPPED} <= {*life}
    still = {each.id for _, each in windows.standings.changes() if each and is_open(each)}
    over = {Change.DROPPED, Change.RESOLVED}
    assert {name for name, life in lives.items() if not over & {*life}} == still


def test_only_what_changed_is_kept() -> None:
    """An ok where nothing was changes nothing."""
    windows = Windows()

    windows.judge("opo", 1)

    assert list(windows.standings.changes()) == []
