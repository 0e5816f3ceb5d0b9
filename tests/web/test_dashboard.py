"""The dashboard: what its pages show, and what neither records nor other sites can do with it."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.errors import QueryError, StoreUnavailable
from shipper.kibana.links import dashboard_link, discover_link
from shipper.kibana.place import KibanaPlace
from shipper.store.api import Selection, Store
from shipper.store.opening import open_embedded
from shipper.web import logs
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.place import place_of
from shipper.web.stores import UNUSED_SECONDS, StorePool
from tests.store.store_records import Record, write_parts
from tests.web.browsing import Browser

NOW = 1_770_300_000_000
RUN = "01KGVWFG00" + "0" * 16
TOKEN = "the-token-of-the-link"

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><a href=javascript:alert(1)>x</a>",
    "</pre></details></main><h1>gone</h1>",
    "{{ 7*7 }}{% raw %}",
    "<!--",
    "]]>",
    "\u202egnp.exe\u2066",
    "a\x1b[31mred\x00\u2028end",
    "javascript:alert(1)",
    "//evil.example/x",
]


def record(seq: int, before_ms: int = 60_000, **fields: Any) -> Record:
    time = NOW - before_ms
    document = {
        "@timestamp": time,
        "level": "INFO",
        "message": "done",
        "run": RUN,
        "seq": seq,
        "event": {"dataset": "orchestrator.app"},
        **fields,
    }
    return Record(f"{RUN}-{seq}", json.dumps(document).encode(), time)


def hostile_records() -> list[Record]:
    """A record per text, which is in every kind of field, in keys as well."""
    return [
        record(
            number,
            message=text,
            level=text,
            logger=text,
            error_type=text,
            exc_info=f"Traceback\n  {text}\nError: {text}",
            request_id=text,
            workflow_id=text,
            route=text,
            host={"name": text},
            service={"name": text},
            extra={text: text, "inner": {text: [text, {text: text}]}},
        )
        for number, text in enumerate(HOSTILE)
    ]


RECORDS = [
    record(100, message="Workflow failed", level="ERROR", error_type="TimeoutError"),
    record(101, message="slow", level="WARNING", request_id="r-1"),
    record(
        102,
        event={"dataset": "orchestrator.access"},
        status_code=500,
        duration_ms=12.5,
        route="/api/x",
    ),
    record(
        103,
        event={"dataset": "orchestrator.health"},
        status="degraded",
        extra={"target": "api", "uptime_seconds": 7200, "success_rate": 0.9, "queue_depth": 612},
    ),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("web") / "index"
    write_parts(path, [RECORDS + hostile_records()])
    return path


@contextmanager
def client_of(
    path: Path, now: int = NOW, *, opened: bool = True, kibana: KibanaPlace | None = None
) -> Iterator[Browser]:
    def store() -> Store:
        return open_embedded(path)

    alerts = AlertPlaces(path / "none.db", path / "rules", path / "runbooks", Sla(), "oncall")
    app = make_app(WebSources(store, alerts, lambda: now, kibana=kibana), token=TOKEN, port=8765)
    with Browser(app) as client:
        if opened:
            assert client.get(f"/?token={TOKEN}").status_code == 303
        yield client


@pytest.fixture
def client(index: Path) -> Iterator[Browser]:
    with client_of(index) as client:
        yield client


PAGES = [
    "/",
    "/logs",
    "/similar",
    "/trace?q=request_id:r-1",
    "/incidents",
    "/rules",
    "/pipeline",
    "/reports",
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_shown_with_a_strict_policy(client: Browser, page: str) -> None:
    """Every page answers, has no inline script or style, and forbids what it does not need."""
    answer = client.get(page)

    assert answer.status_code == 200
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*src=\"/static/)|<style|\sstyle=|\son\w+=\"", answer.text)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_can_only_be_read(client: Browser, page: str, method: str) -> None:
    """No request changes anything: without a form of a page it is refused at the gate."""
    assert client.request(method, page).status_code == 403


def test_without_the_link_nothing_is_shown(index: Path) -> None:
    """Another user of the machine, who has neither token nor cookie, sees no record."""
    with client_of(index, opened=False) as stranger:
        for page in [*PAGES, "/static/page.js", "/?token=wrong"]:
            answer = stranger.get(page)
            assert answer.status_code == 401
            assert "Workflow" not in answer.text


def test_the_token_leaves_the_address_at_once(index: Path) -> None:
    """The link leads to its page by a cookie that scripts cannot read, on this server alone."""
    with client_of(index, opened=False) as client:
        answer = client.get(f"http://127.0.0.1:8765//evil.example/logs?q=a&token={TOKEN}")

    assert answer.headers["location"] == "/evil.example/logs?q=a"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=strict" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""]
)
def test_another_name_of_this_machine_is_refused(client: Browser, host: str) -> None:
    """A site whose name resolves to 127.0.0.1 gets no page, even with the cookie."""
    assert client.get("/logs", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_record_holds_is_text(client: Browser, text: str) -> None:
    """No value of a record, in whatever field, becomes markup, an address or a control mark."""
    pages = [client.get(f"/logs?q=seq:{HOSTILE.index(text)}").text, client.get("/").text]
    pages.append(client.get(f"/similar?q=seq:{HOSTILE.index(text)}").text)

    for page in [*pages, client.get("/logs", params={"q": text, "facet": text}).text]:
        assert not re.search(r"<(img|a href=javascript|svg onload)", page)
        assert page.count("<script") == page.count('<script type="module" src="/static/')
        assert "<h1>gone" not in page
        links = re.findall(r'href="([^"]*)"', page)
        assert all(re.match(r"/(?!/)|#main$", html.unescape(link)) for link in links)
    assert not re.search("[\x00\x1b\u2028\u202e\u2066]", "".join(pages))


def test_the_log_page_counts_and_filters(client: Browser) -> None:
    """A query chooses records; facets and fields lead to narrower queries."""
    page = client.get("/logs", params={"q": "level:ERROR"}).text

    assert "<b>1</b> record," in page
    assert "Workflow failed" in page
    assert "level%3AERROR+AND+error_type%3A%22TimeoutError%22" in page
    assert "TimeoutError" in page
    assert 'class="bar-bad"' in page


def test_a_link_of_a_field_finds_its_record(client: Browser) -> None:
    """Each address that a record offers is answered, and finds that record or leaves it out."""
    page = client.get("/logs", params={"q": "seq:102"}).text

    links = [html.unescape(link) for link in re.findall(r'href="(/[^"]*)"', page)]
    answers = [client.get(link) for link in dict.fromkeys(links)]
    assert all(answer.status_code == 200 for answer in answers)
    assert len(answers) > 20


def test_similar_messages_are_counted(client: Browser) -> None:
    """The page of a query has the patterns of its messages."""
    page = client.get("/similar", params={"q": "level:WARNING"}).text

    assert "Of the newest 1 of 1 records" in page
    assert "100.0%" in page


def test_records_are_downloaded_as_they_were_stored(client: Browser) -> None:
    """The file has a line a record, and is never shown as a page."""
    answer = client.get("/download", params={"q": "level:ERROR"})

    assert [json.loads(line)["message"] for line in answer.text.splitlines()] == ["Workflow failed"]
    assert answer.headers["content-disposition"].startswith("attachment")
    assert client.get("/download", params={"q": "level:("}).status_code == 400


def test_records_are_downloaded_as_csv_without_formulas(index: Path) -> None:
    """A row a record; a text that a spreadsheet would compute is marked as text."""
    with client_of(index) as client:
        answer = client.get("/download", params={"q": "level:ERROR", "form": "csv"})
    rows = list(csv.reader(answer.text.splitlines()))

    assert rows[0][:2] == ["timestamp", "level"]
    assert rows[1][6] == "Workflow failed"
    assert answer.headers["content-disposition"].endswith('"records.csv"')
    assert logs._cell("=cmd|' /C calc'!A0") == "'=cmd|' /C calc'!A0"
    assert logs._cell(-1) == "-1"


def test_a_query_is_completed_with_the_fields_of_its_records(client: Browser) -> None:
    """Names that records have are offered behind the query; what is no name of a field is not."""
    page = html.unescape(client.get("/logs", params={"q": "level:WARNING"}).text)

    assert '<option value="level:WARNING AND request_id:">' in page
    offered = re.findall(r'<option value="([^"]+):">', client.get("/logs").text)
    assert "level" in offered
    assert all(re.fullmatch(r"[\w.@-]+", name) for name in offered)


def test_the_page_has_the_command_for_a_terminal(client: Browser) -> None:
    """The same question for a shell, quoted."""
    page = client.get("/logs", params={"q": "level:ERROR OR a", "range": "6h"}).text

    assert "shipper search 'level:ERROR OR a' --since 6h" in html.unescape(page)


def test_a_wrong_query_is_shown_beside_its_form(client: Browser) -> None:
    """What is wrong with a query is said, and the query stays for correction."""
    answer = client.get("/logs", params={"q": "level:(ERROR"})

    assert answer.status_code == 400
    assert 'value="level:(ERROR"' in answer.text
    assert 'role="alert"' in answer.text


def test_a_field_that_cannot_be_counted_does_not_take_the_page(client: Browser) -> None:
    """A facet of a text is refused in words; the records are shown."""
    answer = client.get("/logs", params={"q": "level:ERROR", "facet": "message"})

    assert answer.status_code == 200
    assert "message is text" in answer.text
    assert "Workflow failed" in answer.text


@pytest.mark.parametrize(
    ("state", "value"), [("degraded", "2.0 h"), ("degraded", "90.0%"), ("unhealthy", "612")]
)
def test_the_cards_have_the_states_of_the_guide(client: Browser, state: str, value: str) -> None:
    """The cards show the last poll; the queue of more than 500 is unhealthy."""
    page = client.get("/").text

    assert value in page
    assert f'class="card {state}"' in page


def test_the_overview_compares_with_the_time_before(index: Path) -> None:
    """Counts of this time and of as long a time before it, with their records."""
    with client_of(index, NOW + 3_600_000) as client:
        page = client.get("/?compare=1").text
        link = re.findall(r'requests</th>.*?<a href="[^"]+">0</a>.*?<a href="([^"]+)">1</a>', page)

        assert len(link) == 1
        assert "<b>1</b> record," in client.get(html.unescape(link[0])).text
        assert "-100%" in page
        assert "-100%" not in client.get("/").text


def test_an_old_poll_is_not_shown_as_new(index: Path) -> None:
    """Where polls have stopped the status says since when, and no old number is shown."""
    with client_of(index, NOW + 3_600_000) as client:
        page = client.get("/").text

    assert "no answer" in page
    assert "no poll since 2026-02-05T13:59:00Z" in page
    assert "612" not in page


def test_without_a_store_the_page_says_what_to_do(tmp_path: Path) -> None:
    """Before the first record, and while a store cannot be read, the page has the remedy."""
    with client_of(tmp_path / "nothing") as client:
        answer = client.get("/logs")

    assert answer.status_code == 503
    assert 'role="alert"' in answer.text


class FakeStore:
    """A store that fails as it is told."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_store_that_failed_is_closed_and_another_is_opened() -> None:
    """A wrong query leaves the store open for the next request; anything else closes it."""
    opened: list[FakeStore] = []

    def open_one() -> Any:
        opened.append(FakeStore())
        return opened[-1]

    pool = StorePool(open_one, size=1)
    for error in (QueryError("wrong"), StoreUnavailable("gone"), QueryError("wrong")):
        with pytest.raises(type(error)), pool.store():
            raise error

    assert [each.closed for each in opened] == [True, False]
    pool.close()
    assert opened[1].closed


def test_a_store_that_nobody_needs_is_closed() -> None:
    """An idle server holds no store; one that was used lately stays open."""
    opened: list[FakeStore] = []
    now = 0.0

    def open_one() -> Any:
        opened.append(FakeStore())
        return opened[-1]

    pool = StorePool(open_one, clock=lambda: now)
    with pool.store(), pool.store():
        pass
    now = UNUSED_SECONDS - 1
    with pool.store():
        pass
    now += 2
    pool.close_unused()

    assert sorted(each.closed for each in opened) == [False, True]
    now += UNUSED_SECONDS
    pool.close_unused()
    assert all(each.closed for each in opened)
    with pool.store():
        assert len(opened) == 3


def test_the_state_of_a_page_is_in_its_address() -> None:
    """A place is made from an address, and its link makes the same place."""
    given = {"q": "a OR b", "since": "2026-02-05T10:00:00Z", "until": "2026-02-05T11:00:00Z"}

    place = place_of(given, NOW)

    assert place.selection == Selection("a OR b", 1_770_285_600_000, 1_770_289_200_000)
    assert "since=2026-02-05T10%3A00%3A00.000Z" in place.link()
    assert place.adding("level:ERROR") == "(a OR b) AND level:ERROR"


@pytest.mark.parametrize(
    "given",
    [
        {"range": "soon"},
        {"range": "999999w"},
        {"since": "yesterday-ish"},
        {"since": "2026-02-05", "until": "2026-02-04"},
        {"since": "0001-01-01", "until": "9999-01-01"},
    ],
)
def test_a_wrong_time_is_refused(client: Browser, given: dict[str, str]) -> None:
    """A time that is none, or without end, is an error in words."""
    assert client.get("/logs", params=given).status_code == 400


def test_the_overview_leads_to_the_dashboard_in_kibana(index: Path) -> None:
    """With a `kibana` in the config, the overview leads to that of Kibana, at the same time."""
    place = KibanaPlace("https://kibana.example.com", "ops")

    with client_of(index, kibana=place) as client:
        text = client.get("/", params={"range": "1h"}).text

    (address,) = re.findall(r'href="(https://kibana[^"]*)"', text)
    asked = dashboard_link(place, "overview", NOW - 3_600_000, NOW)
    assert html.unescape(address) == asked


def test_records_have_their_link_to_kibana(index: Path) -> None:
    """With a `kibana` in the config, logs and traces lead to the same records there."""
    place = KibanaPlace("https://kibana.example.com", "ops")
    query = "level:ERROR AND message:failed"
    with client_of(index, kibana=place) as client:
        for page in ("/logs", "/trace"):
            text = client.get(page, params={"q": query, "range": "1h"}).text
            (address,) = re.findall(r'href="(https://kibana[^"]*)"', text)
            asked = discover_link(place, query, NOW - 3_600_000, NOW)
            assert html.unescape(address) == asked
    with client_of(index) as client:
        assert "Kibana" not in client.get("/logs", params={"q": query}).text
