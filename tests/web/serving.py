"""The pages on a port of this machine, and a site that has something on every page."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from shipper.alerts.incident import Transition
from shipper.alerts.incidents.sla import Sla
from shipper.alerts.ledger.ledger import Ledger
from shipper.config.shipped import own_or_shipped
from shipper.kibana.place import KibanaPlace
from shipper.store.api import Store
from shipper.store.elasticsearch.curl import CurlPlace
from shipper.store.opening import open_embedded
from shipper.web.access import Access
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces, silence_of
from tests.alerts.verdicts import HOUR, live_through
from tests.store.store_records import Record, write_parts
from tests.web.test_dashboard import HOSTILE, NOW, RECORDS, RUN, TOKEN, hostile_records

LONG = 60.0  # seconds, after which a test fails
LONG_TEXT = "x" * 300  # without a place to break it


@dataclass(frozen=True, slots=True)
class Served:
    """Where the pages are served, and the cookie of the one session that the link has opened."""

    port: int
    cookie: str

    def at(self, page: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.port}{page}"


@contextmanager
def served(sources: WebSources, access: Access | None = None) -> Iterator[Served]:
    """Serve the pages for the length of a `with`; with users the cookie is worth nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = make_app(sources, token=TOKEN, port=port, access=access)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
            client.request("GET", f"/?token={TOKEN}")
            cookie = client.getresponse().headers.get("set-cookie", "").partition(";")[0]
            client.close()
            yield Served(port, cookie)
        finally:
            server.should_exit = True
            thread.join()


def plain_sources(opened: Callable[[], Store], folder: Path) -> WebSources:
    """Return sources with a store and nothing else."""
    alerts = AlertPlaces(folder / "none.db", folder, folder, Sla(), "oncall")
    return WebSources(opened, alerts, lambda: NOW)


def full_sources(folder: Path) -> tuple[WebSources, str]:
    """Make a site with something on every page, hostile and long texts too; name its incident."""
    write_parts(folder / "index", [RECORDS + hostile_records() + _usual_records()])
    incident = _make_ledger(folder / "alerts.db")
    (folder / "reports").mkdir()
    (folder / "reports" / "daily-2026-02-05.html").write_text("<p>the report</p>")
    letters = [
        {
            "_id": f"{RUN}-{number}",
            "dataset": "orchestrator.app",
            "reason": f"{text} {LONG_TEXT}",
            "at": "2026-02-05T14:30:00.000Z",
            "document": {text: LONG_TEXT},
        }
        for number, text in enumerate(HOSTILE)
    ]
    dead = folder / "deadletters.ndjson"
    dead.write_text("".join(f"{json.dumps(letter)}\n" for letter in letters))
    rules = own_or_shipped("rules")
    alerts = AlertPlaces(folder / "alerts.db", rules, own_or_shipped("runbooks"), Sla(), "oncall")
    sources = WebSources(
        lambda: open_embedded(folder / "index"),
        alerts,
        lambda: NOW,
        reports=folder / "reports",
        dead_letters=dead,
        kibana=KibanaPlace("https://kibana.example.com", "ops"),
        curl=CurlPlace("https://elasticsearch.example.com:9200", "default"),
        searches=folder / "searches.json",
        command=(sys.executable, "-c", "print('done')"),
    )
    return sources, incident


def _usual_records() -> list[Record]:
    """Return records of an hour, of every level; one has long texts."""
    levels = ("INFO", "INFO", "INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL")
    records = []
    for number in range(200, 400):
        text = LONG_TEXT if number == 399 else f"order {number} was paid"
        document = {
            "message": text,
            "level": levels[number % len(levels)],
            "logger": f"shop.{text}",
            "run": RUN,
            "seq": number,
            "request_id": f"r-{number}",
            "host": {"name": "web-1"},
            "service": {"name": "shop"},
            "extra": {"user": text},
            "event": {"dataset": "orchestrator.app"},
        }
        at = NOW - (number - 199) * 17_000
        records.append(Record(f"{RUN}-{number}", json.dumps(document).encode(), at))
    return records


def _make_ledger(path: Path) -> str:
    """Keep incidents that fire, with a note and a silence; name one of them."""
    found, transitions = live_through("bb")
    assert found is not None
    shift = NOW - HOUR - found.opened_at
    name = ""
    with closing(Ledger(path)) as ledger:
        for number, text in enumerate(HOSTILE):
            group = (("service.name", f"{text} {LONG_TEXT if number == 1 else ''}"),)
            window = replace(found.verdict.window, start=NOW - 2 * HOUR, end=NOW - HOUR)
            verdict = replace(found.verdict, group=group, window=window, reason=f"{text} is high")
            name = f"incident{number}"
            made = replace(found, id=name, group=group, verdict=verdict, told_at=NOW)
            made = replace(made, opened_at=found.opened_at + shift, fired_at=NOW - HOUR)
            with ledger.deciding():
                ledger.place(made.rule, group, "", made)
                for each in transitions:
                    ledger.record(Transition(made, each.change, each.at + shift), (), NOW)
            ledger.acts.note(made, text[:20], NOW, f"{text}\nsecond line {LONG_TEXT}")
            ledger.silences.put(silence_of(made, text[:20], LONG_TEXT, NOW, HOUR))
    return "incident1"
