"""What people do on the pages of incidents, and the live tail."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from shipper.alerts.incident import Change, Incident, Phase
from shipper.alerts.incidents.muting import hold
from shipper.alerts.incidents.sla import Sla
from shipper.alerts.ledger.acts import ActKind
from shipper.alerts.ledger.ledger import Ledger
from shipper.errors import StoreUnavailable
from shipper.store.api import Hit
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces, silence_of
from shipper.web.live import MOST_ROWS, LiveTails
from tests.alerts.verdicts import HOUR, live_through
from tests.web.browsing import Browser

TOKEN = "the-token-of-the-link"
GROUP = (("service.name", "shop"),)


def no_store() -> Any:
    raise StoreUnavailable("there is no store", "start shipper run")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.db"


@pytest.fixture
def incident(path: Path) -> Incident:
    """Keep an incident that fires."""
    found, transitions = live_through("bb")
    assert found is not None
    with closing(Ledger(path)) as ledger, ledger.deciding():
        ledger.place("server_errors", GROUP, "", found)
        for each in transitions:
            ledger.record(each, (), each.at)
    return found


@contextmanager
def browser_of(path: Path, incident: Incident) -> Iterator[Browser]:
    alerts = AlertPlaces(path, path.parent, path.parent, Sla(), "oncall")
    now = incident.opened_at + HOUR
    app = make_app(WebSources(no_store, alerts, lambda: now), token=TOKEN, port=8765)
    with Browser(app) as browser:
        browser.get(f"/?token={TOKEN}")
        yield browser


def stored(path: Path, incident: Incident) -> Incident:
    with closing(Ledger(path)) as ledger:
        (found,) = ledger.find(incident.id)
        return found


def post(browser: Browser, page: str, **form: str) -> httpx.Response:
    return browser.request("POST", page, data=form)


def test_an_incident_is_acknowledged_and_resolved_in_the_page(
    path: Path, incident: Incident
) -> None:
    """The forms of the page do what the commands do, with a note, in the ledger of the job."""
    with browser_of(path, incident) as browser:
        page = browser.get(f"/incidents/{incident.id}")
        token = re.findall(r'name="form" value="([^"]+)"', page.text)[0]
        assert incident.rule in page.text

        done = post(browser, f"/incidents/{incident.id}/ack", form=token, note="on it <b>")

        assert done.headers["location"] == f"/incidents/{incident.id}"
        assert stored(path, incident).acknowledged_by == "oncall"
        page = browser.get(f"/incidents/{incident.id}")
        assert html.escape("on it <b>") in page.text
        post(browser, f"/incidents/{incident.id}/resolve", form=token)
        assert stored(path, incident).phase is Phase.RESOLVED
    with closing(Ledger(path)) as ledger:
        changes = [each.transition.change for each in ledger.history(incident.id)]
    assert changes[-2:] == [Change.ACKNOWLEDGED, Change.RESOLVED]


@pytest.mark.parametrize(
    ("form", "status"), [({}, 403), ({"form": "guessed"}, 403), ({"note": "x" * 20_000}, 413)]
)
def test_another_site_cannot_act(
    path: Path, incident: Incident, form: dict[str, str], status: int
) -> None:
    """A form without the token of the page changes nothing, even with the cookie."""
    with browser_of(path, incident) as browser:
        assert post(browser, f"/incidents/{incident.id}/ack", **form).status_code == status

    assert stored(path, incident).phase is Phase.FIRING


def test_an_unknown_incident_is_said_to_be_unknown(path: Path, incident: Incident) -> None:
    """An id that is a mere prefix, or another act, finds nothing."""
    with browser_of(path, incident) as browser:
        page = browser.get(f"/incidents/{incident.id}").text
        token = re.findall(r'name="form" value="([^"]+)"', page)[0]
        for name in (f"{incident.id[:3]}/ack", f"{incident.id}/delete"):
            assert post(browser, f"/incidents/{name}", form=token).status_code == 404
        assert browser.get(f"/incidents/{incident.id[:3]}").status_code == 404

    assert stored(path, incident).phase is Phase.FIRING


def test_an_incident_is_silenced_and_unsilenced_in_the_page(path: Path, incident: Incident) -> None:
    """Its rule and group are muted for the time, by whom and why; the page ends it early."""
    with browser_of(path, incident) as browser:
        here = f"/incidents/{incident.id}"
        token = re.findall(r'name="form" value="([^"]+)"', browser.get(here).text)[0]
        form = {"form": token, "for": "4h", "note": "deploying <b>"}

        assert post(browser, f"{here}/silence", **form).status_code == 303

        now = incident.opened_at + HOUR
        with closing(Ledger(path)) as ledger:
            (made,) = ledger.silences.active(now=now)
        assert hold(made.matchers, incident)
        assert not hold(made.matchers, replace(incident, rule="another"))
        assert not hold(made.matchers, replace(incident, group=(("service.name", "x"),)))
        assert (made.by, made.comment, made.end) == ("oncall", "deploying <b>", now + 4 * HOUR)
        assert html.escape("deploying <b>") in browser.get(here).text
        for wrong in ({"for": "9y"}, {"silence": made.id[:2]}):
            act = "silence" if "for" in wrong else "unsilence"
            assert post(browser, f"{here}/{act}", form=token, **wrong).status_code == 404
        assert post(browser, f"{here}/unsilence", silence=made.id).status_code == 403
        post(browser, f"{here}/unsilence", form=token, silence=made.id)
        with closing(Ledger(path)) as ledger:
            assert ledger.silences.active(now=now) == ()
            acts = [(each.kind, each.by) for each in ledger.acts.of(incident)]
        assert acts == [(ActKind.SILENCED, "oncall"), (ActKind.UNSILENCED, "oncall")]
        assert "unsilenced" in browser.get(here).text


def test_a_note_is_in_the_history_with_who_wrote_it(path: Path, incident: Incident) -> None:
    """It is text, keeps its lines, and can be added to an incident that has ended."""
    with browser_of(path, incident) as browser:
        here = f"/incidents/{incident.id}"
        token = re.findall(r'name="form" value="([^"]+)"', browser.get(here).text)[0]
        post(browser, f"{here}/resolve", form=token)

        done = post(browser, f"{here}/note", form=token, note="the pool <b>\r\nwas\u202e full")

        assert done.status_code == 303
        page = browser.get(here).text
        assert "<td>oncall</td>" in page
        assert "the pool &lt;b&gt;\nwas\\u202e full" in page
        for wrong in ("", " ", "x" * 2001):
            assert post(browser, f"{here}/note", form=token, note=wrong).status_code == 404
        assert post(browser, f"{here}/note", note="no token").status_code == 403
    with closing(Ledger(path)) as ledger:
        assert [each.note for each in ledger.acts.of(stored(path, incident))] == [
            "the pool <b>\nwas\u202e full"
        ]


def test_a_silence_takes_the_value_of_a_group_as_it_is(incident: Incident) -> None:
    """A value from a log line with wildcards mutes no other group; a name in use, no other rule."""
    starred = replace(incident, group=(("service.name", "a*[b]"),))
    named = replace(incident, group=(("id", "7"),))

    made = silence_of(starred, "oncall", "", 0, HOUR)
    alone = silence_of(named, "oncall", "", 0, HOUR)

    assert hold(made.matchers, starred)
    assert not hold(made.matchers, replace(starred, group=(("service.name", "aab"),)))
    assert hold(alone.matchers, named)
    assert not hold(alone.matchers, replace(named, id="other"))


class ArrivingStore:
    """A store to which records arrive in the given portions."""

    def __init__(self, portions: Sequence[int]) -> None:
        self.portions = portions
        self.closed = False

    def follow(self, _selection: object) -> Iterator[Sequence[Hit]]:
        for count in self.portions:
            yield [Hit(f"x-{n}", n, {"message": "<b>", "level": "INFO"}) for n in range(count)]
        raise StoreUnavailable("the store is gone", "")

    def close(self) -> None:
        self.closed = True


def tail(
    tails: LiveTails, query: bytes = b"", is_over: Callable[[], bool] = lambda: False
) -> tuple[int, list[str]]:
    async def read() -> tuple[int, list[str]]:
        scope: dict[str, Any] = {
            "type": "http",
            "query_string": query,
            "headers": [],
            "method": "GET",
        }
        scope["state"] = {"is_over": is_over}
        answer = await tails.answer(Request(scope))
        if not isinstance(answer, StreamingResponse):
            return answer.status_code, []
        return answer.status_code, [str(part) async for part in answer.body_iterator]

    return asyncio.run(read())


def test_the_live_tail_says_what_it_leaves_out() -> None:
    """Records arrive as events; of too many at once the rest is counted; the end has its reason."""
    store: Any = ArrivingStore([2, 0, MOST_ROWS + 5])

    status, parts = tail(LiveTails(lambda: store))

    assert status == 200
    events = [json.loads(part.partition("data: ")[2]) for part in parts if "data: " in part]
    assert [len(event["rows"]) for event in events[:2]] == [2, MOST_ROWS]
    assert [event["left"] for event in events[:2]] == [0, 5]
    assert events[2] == {"fault": "the store is gone"}
    assert store.closed


def test_the_live_tail_ends_with_the_session() -> None:
    """Whoever is removed gets no record that arrives later."""
    store: Any = ArrivingStore([2, 2, 2, 2])
    looks = iter([False, False, True])

    _, parts = tail(LiveTails(lambda: store), is_over=lambda: next(looks))

    assert len([part for part in parts if "data: " in part]) == 2
    assert store.closed


def test_a_wrong_query_has_no_live_tail() -> None:
    """A query that is wrong is refused before a store is opened."""
    assert tail(LiveTails(no_store), b"q=level:(") == (400, [])
