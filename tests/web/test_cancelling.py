"""A browser that goes away ends the question that is asked for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import StoreUnavailable
from shipper.store.answers import cancelled
from shipper.store.api import Selection
from shipper.store.embedded.view import View, Views
from shipper.store.opening import ReadLimits, open_elasticsearch, open_embedded
from shipper.web.stores import AT_ONCE
from tests.store.store_records import write_parts
from tests.web.serving import LONG, Served, plain_sources, served
from tests.web.test_dashboard import RECORDS

SLOW = "SELECT sum(a.range * b.range) FROM range(100_000_000) a, range(100_000) b"


def cancelled_meanwhile(store: Any, ask: Callable[[], object], begun: threading.Event) -> str:
    """Ask, cancel from another thread once it has begun, and return the error."""
    over = threading.Event()

    def cancel() -> None:
        begun.wait(LONG)
        while not over.wait(0.05):
            store.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    try:
        with pytest.raises(StoreUnavailable) as error:
            ask()
    finally:
        over.set()
        canceller.join()
    return str(error.value)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    write_parts(tmp_path / "index", [RECORDS])
    return tmp_path / "index"


def test_a_long_statement_of_the_embedded_store_is_cancelled(index: Path) -> None:
    """It ends long before its time limit, and what is asked later is refused."""
    views = Views(index, ReadLimits(600.0))
    begun = threading.Event()

    def slow(_view: View) -> object:
        begun.set()
        return views.connection.execute(SLOW).fetchall()

    said = cancelled_meanwhile(views, lambda: views.answer(slow), begun)

    assert "cancelled" in said
    with pytest.raises(StoreUnavailable, match="cancelled"):
        views.current()
    views.close()


def test_a_store_that_is_cancelled_answers_no_more(index: Path) -> None:
    """A page that asks one question after the other is cancelled between two, too."""
    store = open_embedded(index)
    assert store.count(Selection()) == len(RECORDS)

    store.cancel()

    with pytest.raises(StoreUnavailable, match="cancelled"):
        store.count(Selection())
    store.close()


def test_a_request_to_elasticsearch_is_cancelled() -> None:
    """Its connection ends, by which Elasticsearch ends the search."""
    begun, ended = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while connection.recv(65_536):
                    begun.set()
            ended.set()

        threading.Thread(target=serve, daemon=True).start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        store = open_elasticsearch(ElasticsearchOutput(hosts=(address,), request_seconds=600.0))

        said = cancelled_meanwhile(store, lambda: store.count(Selection("level:ERROR")), begun)

        assert "cancelled" in said
        assert ended.wait(LONG)
        store.close()


class SlowStore:
    """A store that answers nothing until it is cancelled."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.is_cancelled = threading.Event()
        self.is_closed = threading.Event()

    def ask(self, _questions: object) -> object:
        self.is_asked.set()
        assert self.is_cancelled.wait(LONG)
        raise cancelled()

    def search(self, *_: object, **__: object) -> object:
        return self.ask(None)

    def cancel(self) -> None:
        self.is_cancelled.set()

    def close(self) -> None:
        self.is_closed.set()


def ask(site: Served, page: str) -> socket.socket:
    tab = socket.create_connection(("127.0.0.1", site.port), timeout=LONG)
    head = f"GET {page} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {site.cookie}\r\n\r\n"
    tab.sendall(head.encode())
    return tab


@pytest.mark.parametrize("page", ["/", "/logs", "/trace", "/similar", "/download", "/pipeline"])
def test_a_closed_tab_cancels_its_question(tmp_path: Path, page: str) -> None:
    """The store is asked no more, and not lent again."""
    stores: list[Any] = []

    def opened() -> Any:
        stores.append(SlowStore())
        return stores[-1]

    with served(plain_sources(opened, tmp_path)) as site:
        with ask(site, page):
            deadline = threading.Event()
            while not stores:
                assert not deadline.wait(0.01)
            assert stores[0].is_asked.wait(LONG)
            assert not stores[0].is_cancelled.is_set()

        assert stores[0].is_cancelled.wait(LONG)
        assert stores[0].is_closed.wait(LONG)


def test_who_waits_for_a_free_store_is_cancelled_too(tmp_path: Path) -> None:
    """A tab that is closed while others are answered is not answered after them."""
    stores: list[Any] = []

    def opened() -> Any:
        stores.append(SlowStore())
        return stores[-1]

    with served(plain_sources(opened, tmp_path)) as site:
        tabs = [ask(site, "/logs") for _ in range(AT_ONCE)]
        while len(stores) < AT_ONCE:
            threading.Event().wait(0.01)
        ask(site, "/logs").close()
        for _ in range(3):  # the server has seen by now that nobody waits
            with ask(site, "/static/style.css") as other:
                assert other.recv(100)
        for tab in tabs:
            tab.close()
        for store in stores:
            assert store.is_closed.wait(LONG)

    assert len(stores) == AT_ONCE
