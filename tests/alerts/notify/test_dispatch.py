"""Taking errands to alerters: in order, again after failures, to another one, many as one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.alerters.alerter import AlerterContext, open_alerter
from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.notify.dispatch import Dispatcher, PageBuilder
from shipper.alerts.pages.compose import PageComposer
from shipper.alerts.settings import AlertSettings
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import VerdictState
from shipper.config.options import read_options
from shipper.errors import StoreUnavailable
from shipper.store.api import Store
from tests.alerts.verdicts import MINUTE, START, verdict
from tests.servers.posts import Posts, Says, recording_server


def no_store() -> Store:
    raise StoreUnavailable("there is none")


class Desk:
    """A ledger with errands, and tellers that take them to a server."""

    def __init__(self, folder: Path, posts: Posts, **more: Any) -> None:
        self.posts = posts
        self.ledger = Ledger(folder / "alerts.db")
        self.outbox = Outbox(self.ledger)
        self.now = START
        self.asked, self.allowed = 0, 1_000_000  # how often the lease is asked for, and held
        hook = {"webhook": {"url": f"{posts.url}/one"}, "fallback": "two"}
        told = {"one": hook, "two": {"webhook": {"url": f"{posts.url}/two"}}}
        text = json.dumps({"alerters": told, **more})
        self.settings: AlertSettings = read_options(text, AlertSettings)
        self.tellers = {name: self._teller(name) for name in told}

    def _teller(self, name: str) -> Dispatcher:
        pages = PageBuilder(PageComposer({}, Path("runbooks")), no_store)
        surroundings = AlerterContext(lambda: self.now / 1000)
        alerter = open_alerter(name, self.settings.all_alerters[name], surroundings)
        return Dispatcher(
            alerter, self.settings, self.outbox, pages, lambda: 0.5, may_send=self._may_send
        )

    def _may_send(self, _: Transition) -> bool:
        self.asked += 1
        return self.asked <= self.allowed

    def decide(self, name: str, *changes: Change, alerters: tuple[str, ...] = ("one",)) -> None:
        """Have something happen to an incident."""
        incident = Incident(
            id=name,
            rule="errors",
            group=(("service.name", name),),
            severity=Severity.HIGH,
            phase=Phase.FIRING,
            opened_at=START,
            verdict=verdict(VerdictState.BREACH, START),
            fired_at=START,
        )
        with self.ledger.deciding():
            for change in changes:
                self.ledger.record(Transition(incident, change, self.now), alerters, self.now)

    def turn(self, name: str = "one", after: int = 0) -> int | None:
        self.now += after
        return self.tellers[name].turn(lambda: self.now, is_stopping=lambda: False)

    def heard(self) -> list[str]:
        """Return the titles that were sent, by path, and forget them."""
        found = [
            f"{each.path[1:]} {each.json['title'].split(':')[0]}" for each in self.posts.posted
        ]
        self.posts.posted.clear()
        return found


@pytest.fixture
def posts() -> Iterator[Posts]:
    with recording_server() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, posts: Posts) -> Iterator[Desk]:
    made = Desk(tmp_path, posts)
    with closing(made.ledger):
        yield made


def test_an_errand_is_told_once(desk: Desk) -> None:
    """What was told is noted, and nothing waits any more."""
    desk.decide("a", Change.FIRED)

    assert desk.turn() is None
    assert desk.turn() is None

    assert desk.heard() == ["one Firing"]
    (telling,) = desk.outbox.notifications("a")
    assert (telling.state, telling.sent_at) == ("sent", START)


def test_a_page_waits_for_those_before_it(desk: Desk, posts: Posts) -> None:
    """While the first page of an incident can't be told, its end is not told either."""
    desk.decide("a", Change.FIRED, Change.RESOLVED)
    posts.script = [Says(503)]

    again = desk.turn()
    assert again == START + 3750  # half of the first pause is left to chance
    assert desk.heard() == ["one Firing"]
    assert desk.turn(after=3000) == again
    assert desk.heard() == []
    assert desk.turn(after=1000) is None

    assert desk.heard() == ["one Firing", "one Resolved after 0.0 s"]


def test_a_service_that_is_down_is_left_alone(desk: Desk, posts: Posts) -> None:
    """One failure is enough to know: nothing else is tried before the pause is over."""
    for name in ("a", "b", "c"):
        desk.decide(name, Change.FIRED)
    posts.otherwise = Says(503)

    desk.turn()
    desk.turn(after=1)

    assert desk.heard() == ["one Firing"]
    assert desk.ledger.failing() == {}


def test_a_clock_that_was_set_back_holds_up_nobody(desk: Desk, posts: Posts) -> None:
    """A pause that began in a future that did not come is no pause."""
    desk.decide("a", Change.FIRED)
    posts.script = [Says(503)]
    desk.turn(after=24 * 60 * MINUTE)

    assert desk.turn(after=-24 * 60 * MINUTE) is None

    assert desk.heard() == ["one Firing", "one Firing"]


def test_another_alerter_takes_over(desk: Desk, posts: Posts) -> None:
    """After two minutes of failures the fallback is told, and the failure is known as one."""
    desk.decide("a", Change.FIRED)
    desk.decide("b", Change.FIRED)
    posts.otherwise = Says(503, b"down")
    until = START + 3 * MINUTE
    while desk.now < until and (again := desk.turn()):
        desk.now = again
    assert set(desk.heard()) == {"one Firing"}
    posts.otherwise = Says(200)

    assert desk.turn("two") is None

    assert desk.heard() == ["two Firing", "two Firing"]
    assert desk.turn() is None
    ((group, fault),) = desk.ledger.failing().items()
    assert group == (("alerter", "one"),)
    assert "503" in fault
    desk.decide("c", Change.FIRED)
    desk.turn()
    assert desk.ledger.failing() == {}


def test_what_is_refused_goes_to_another_at_once(desk: Desk, posts: Posts) -> None:
    """A page that a service refuses concerns that page alone."""
    desk.decide("a", Change.FIRED)
    desk.decide("b", Change.FIRED)
    posts.script = [Says(400)]

    assert desk.turn() is None
    assert desk.turn("two") is None

    assert desk.heard() == ["one Firing", "one Firing", "two Firing"]
    states = [each.state for each in desk.outbox.notifications("a")]
    assert states == ["handed_over", "sent"]


def test_many_at_once_are_one_page(tmp_path: Path, posts: Posts) -> None:
    """So many go out one by one, and the rest as one page under one key."""
    desk = Desk(tmp_path, posts, digest={"pages": 2, "within": "5m", "collect": "0s"})
    for number in range(9):
        desk.decide(f"i{number}", Change.FIRED)

    assert desk.turn() is None

    assert desk.heard() == ["one Firing", "one Firing", "one 7 more pages at once"]
    desk.ledger.close()


def test_a_digest_that_was_cut_short_is_sent_again_as_it_was(tmp_path: Path, posts: Posts) -> None:
    """After a crash the same pages go out as the same digest, whatever has come since."""
    desk = Desk(tmp_path, posts, digest={"pages": 1, "within": "5m", "collect": "0s"})
    for number in range(4):
        desk.decide(f"i{number}", Change.FIRED)
    desk.turn()
    key = posts.posted[-1].headers["webhook-id"]
    keys = [f"i{number}.fired" for number in range(1, 4)]
    digest = desk.ledger.rows("SELECT DISTINCT digest FROM outbox WHERE digest NOT NULL")
    desk.outbox.trying(keys, "one", digest[0][0])  # as it was before the crash
    desk.decide("new", Change.FIRED)
    desk.heard()

    desk.turn(after=10 * MINUTE)

    assert posts.posted[0].headers["webhook-id"] == key
    assert desk.heard()[0] == "one 3 more pages at once"
    desk.ledger.close()


def test_who_is_not_there_any_more_is_told_nothing(desk: Desk) -> None:
    """What waits for an alerter that was removed is given up, and is no failure of one."""
    desk.decide("a", Change.FIRED, alerters=("gone",))

    desk.outbox.give_up_without(["one", "two"], START)

    assert desk.outbox.errands() == []
    assert [each.state for each in desk.outbox.notifications("a")] == ["given_up"]
    assert desk.ledger.failing() == {}


def test_a_page_is_not_sent_once_the_lease_is_gone(desk: Desk) -> None:
    """The lease is asked for right before each page; what is left waits as if never tried."""
    desk.decide("a", Change.FIRED)
    desk.allowed = 1  # it is held at the beginning of the turn, and ends before the page is sent

    desk.turn()

    assert desk.heard() == []
    (errand,) = desk.outbox.errands()
    assert (errand.state, errand.tries) == ("waiting", 0)
    desk.allowed = 1_000_000
    desk.turn()
    assert desk.heard() == ["one Firing"]
