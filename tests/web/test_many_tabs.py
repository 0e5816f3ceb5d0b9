"""Fifty tabs at once: what the server takes for them is bounded, and given back when they close."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipper.errors import StoreUnavailable
from shipper.store.api import Store
from shipper.store.opening import open_embedded
from shipper.web.live import MOST_TAILS
from shipper.web.stores import AT_ONCE, THREADS
from tests.store.store_records import write_parts
from tests.web.serving import LONG, Served, plain_sources, served
from tests.web.test_dashboard import NOW, RECORDS, record

TABS = 50
POOL = 40  # threads of the server for what asks no store, and for the tails


class CountedStores:
    """Opens stores, and counts those that are open."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._lock = threading.Lock()
        self.open = self.most = 0

    def opened(self) -> Store:
        store = open_embedded(self._index)
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        close = store.close

        def closed() -> None:
            with self._lock:
                self.open -= 1
            close()

        store.close = closed  # type: ignore[method-assign]
        return store


@contextmanager
def tail(site: Served) -> Iterator[http.client.HTTPResponse]:
    """Open a live tail, which is read up to its first line."""
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=LONG)
    with closing(client):
        client.request("GET", "/live?q=message:arrived", headers={"cookie": site.cookie})
        yield client.getresponse()


def get(site: Served, page: str) -> tuple[int, str]:
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=LONG)
    with closing(client):
        client.request("GET", page, headers={"cookie": site.cookie})
        answer = client.getresponse()
        return answer.status, answer.read().decode()


def at_once(work: Callable[[], Any], number: int) -> list[Any]:
    """Do something in so many threads; return what came of it."""
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(number)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def until(is_so: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(LONG / 0.05)):
        if is_so():
            return
        waiting.wait(0.05)
    pytest.fail("it did not come to that")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    write_parts(tmp_path / "index", [RECORDS])
    return tmp_path / "index"


def test_fifty_tails_and_overviews_are_bounded(index: Path, tmp_path: Path) -> None:
    """Stores and threads are few; each tab has its page, or the word that there are too many."""
    stores = CountedStores(index)
    before = threading.active_count()
    with served(plain_sources(stores.opened, tmp_path), None) as site:
        answers: list[http.client.HTTPResponse] = []
        leave, lock = threading.Event(), threading.Lock()

        def watch() -> None:
            with tail(site) as answer:
                with lock:
                    answers.append(answer)
                if answer.status == 200:
                    assert answer.readline() == b": open\n"
                leave.wait(LONG)

        watchers = [threading.Thread(target=watch) for _ in range(TABS)]
        for each in watchers:
            each.start()
        until(lambda: len(answers) == TABS)
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [200] * MOST_TAILS + [503] * (TABS - MOST_TAILS)

        overviews = at_once(lambda: get(site, f"/?range=15m&at={NOW}"), TABS)
        assert {status for status, _ in overviews} == {200}
        assert stores.most <= MOST_TAILS + AT_ONCE
        # 50 watchers and 50 that asked are of the test
        assert threading.active_count() - before - TABS <= POOL + THREADS + 8

        leave.set()
        for each in watchers:
            each.join()
        until(lambda: stores.open <= AT_ONCE)
    assert stores.open == 0


def test_the_shipper_writes_while_tails_are_open(index: Path, tmp_path: Path) -> None:
    """A piece of the index that is written meanwhile is there at once, in every tail."""
    with served(plain_sources(lambda: open_embedded(index), tmp_path)) as site:
        opened = threading.Barrier(9)

        def watch() -> bool:
            with tail(site) as answer:
                answer.readline()
                opened.wait(LONG)
                while line := answer.readline():
                    if b"arrived" in line:
                        return True
            return False

        def write() -> bool:
            opened.wait(LONG)
            write_parts(index, [[record(900, -1000, message="it arrived")]])
            return True

        found: list[bool] = []
        threads = [threading.Thread(target=lambda: found.append(watch())) for _ in range(8)]
        for each in threads:
            each.start()
        assert write()
        for each in threads:
            each.join()
        assert found == [True] * 8


def test_pages_that_wait_leave_threads_for_the_rest(tmp_path: Path) -> None:
    """While every store is busy, few pages wait in a thread, and those that ask none are there."""
    free, busy = threading.Event(), threading.Semaphore(0)
    begun: list[int] = []

    def opened() -> Store:
        busy.release()
        free.wait(LONG)
        raise StoreUnavailable("there is none", "start it")

    def now() -> int:
        begun.append(1)
        return NOW

    sources = replace(plain_sources(opened, tmp_path), now=now)
    with served(sources) as site:
        begun.clear()
        waiting = threading.Thread(target=lambda: at_once(lambda: get(site, "/logs"), TABS))
        waiting.start()
        try:
            for _ in range(AT_ONCE):
                assert busy.acquire(timeout=LONG)
            for _ in range(40):  # more would begin in this time
                waiting.join(0.05)
            assert len(begun) <= THREADS
            assert get(site, "/incidents")[0] == 200
        finally:
            free.set()
            waiting.join()
