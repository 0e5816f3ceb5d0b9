"""The lease in a real Elasticsearch: one holder at a time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import StoreUnavailable
from shipper.net.elastic import Cluster
from shipper.store.elasticsearch.lease import SKEW_MS, Lease
from tests.alerts.verdicts import START

pytestmark = pytest.mark.server
LASTS = 60_000
Make = Callable[[str], Lease]


@pytest.fixture
def lease(elasticsearch_url: str) -> Iterator[Make]:
    name = f"alerts-{uuid.uuid4().hex}"
    made: list[Lease] = []

    def make(holder: str) -> Lease:
        cluster = Cluster(ElasticsearchOutput(hosts=(elasticsearch_url,)), raw=True)
        made.append(Lease(cluster, name, holder, LASTS))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_one_holds_it_until_it_runs_out(lease: Make) -> None:
    """A second process waits until the lease of the first has expired, plus the clock skew."""
    one, other = lease("one"), lease("other")

    assert one.hold(START)
    assert not other.hold(START)
    assert not other.hold(START + LASTS + SKEW_MS - 1)
    assert other.hold(START + LASTS + SKEW_MS)
    assert not one.hold(START + LASTS + SKEW_MS + 1)


def test_who_renews_keeps_it(lease: Make) -> None:
    """A holder that renews in time is never replaced."""
    one, other = lease("one"), lease("other")

    for step in range(10):
        now = START + step * LASTS // 2
        assert one.hold(now)
        assert not other.hold(now)


def test_a_clock_that_was_set_back_renews(lease: Make) -> None:
    """A lease renewed before the clock was set back is renewed by the current clock."""
    one, other = lease("one"), lease("other")
    assert one.hold(START + 100 * LASTS)

    assert one.hold(START)

    assert not other.hold(START + 1)
    assert other.hold(START + LASTS + SKEW_MS)


def test_a_process_that_starts_again_takes_its_own(lease: Make) -> None:
    """A restarted holder acquires its own lease at once."""
    assert lease("one").hold(START)

    assert lease("one").hold(START + 1)


def test_what_is_given_back_is_free_at_once(lease: Make) -> None:
    """After a release another process acquires the lease at once."""
    one = lease("one")
    assert one.hold(START)
    one.release()

    assert lease("other").hold(START + 1)


def test_of_many_that_come_at_once_one_gets_it(lease: Make) -> None:
    """Of many processes that create or replace an expired lease, one succeeds."""
    for now in (START, START + 10 * LASTS):
        holders = [lease(f"{now}-{number}") for number in range(6)]
        gate = threading.Barrier(len(holders))
        held: list[bool] = []

        def take(each: Lease, at: int = now, gate: threading.Barrier = gate) -> None:
            gate.wait(60)
            held.append(each.hold(at))  # noqa: B023 - joined below

        threads = [threading.Thread(target=take, args=(each,)) for each in holders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(held) == [False] * 5 + [True]


def test_without_a_server_nobody_holds_it() -> None:
    """Without an answer `hold` raises, so nobody works."""
    cluster = Cluster(ElasticsearchOutput(hosts=("http://127.0.0.1:9",)), raw=True)
    lease = Lease(cluster, "x", "one", LASTS)

    with pytest.raises(StoreUnavailable):
        lease.hold(START)
    lease.close()
