"""Heartbeats in a store: how they are read, and that no other query finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.store.api import (
    Filters,
    Question,
    Selection,
    Sort,
    Terms,
    buckets_of,
)
from shipper.store.fleet import QUERY, FileLag, HostBeat, read_fleet
from shipper.store.opening import open_embedded
from tests.store.store_loading import STORES, Load
from tests.store.store_noting import NotingStore
from tests.store.store_records import NOON, Record, enriched, record, write_parts

OLD, NEW = "01JKAAAAAAAAAAAAAAAAAAAAAA", "01JKBBBBBBBBBBBBBBBBBBBBBB"


def beat(host: str, run: str, seq: int, at: int = NOON, **content: object) -> Record:
    """Make a heartbeat as a shipper sends it."""
    objects = enriched("heartbeat", 0, host=host)
    del objects["log"]
    heartbeat = {"watermark": at - 1000, "version": "1.2.3", **content}
    return record(seq, at, run, **objects, extra={"heartbeat": heartbeat})


@pytest.mark.parametrize("load", STORES)
def test_the_last_heartbeat_of_a_host_is_that_of_its_newest_run(
    load: Load, request: pytest.FixtureRequest
) -> None:
    """The highest number of the newest run counts, whatever the clocks of the hosts."""
    furthest = [{"path": "a.log", "read": 7, "acked": 5, "size": 9, "next_at": NOON}]
    records = [
        beat("web-1", OLD, 9, NOON + 60_000),
        beat("web-1", NEW, 0, NOON),
        beat(
            "web-1",
            NEW,
            1,
            NOON + 5,
            started=NOON - 7,
            behind_bytes=4,
            files=3,
            dead_letters=2,
            held_bytes=1,
            tombstones=6,
            audit_open=0,
            furthest=furthest,
        ),
        beat("web-2", NEW.replace("B", "C"), 3, NOON + 1),
        beat("gone", OLD.replace("A", "D"), 0, NOON - 5000),
    ]
    store = load(request, [records[:2], records[2:]])

    first, second = read_fleet(store, since=NOON)

    assert first == HostBeat(
        host="web-1",
        at=NOON + 5,
        watermark=NOON - 995,
        version="1.2.3",
        started=NOON - 7,
        behind_bytes=4,
        files=3,
        dead_letters=2,
        held_bytes=1,
        tombstones=6,
        audit_open=0,
        run=NEW,
        seq=1,
        service="orders",
        furthest=(FileLag("a.log", 7, 5, 9, NOON),),
    )
    assert (second.host, second.seq, second.audit_open) == ("web-2", 3, None)


@pytest.mark.parametrize("load", STORES)
def test_a_heartbeat_of_the_far_future_hides_no_other(
    load: Load, request: pytest.FixtureRequest
) -> None:
    """Neither its time nor its run, which sorts last, makes it the newest of its host."""
    day, run = 86_400_000, "01KGPHV0000000000000000000"  # begun a minute before
    records = [
        beat("web-1", run, 3, NOON),
        beat("web-1", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", 0, NOON),
        beat("web-1", run, 9, NOON + 2 * day),
        beat("web-2", run.replace("V0", "V1"), 1, NOON, watermark=NOON + 2 * day),
    ]
    store = load(request, [records])

    first, second = read_fleet(store, since=NOON - day, now=NOON)

    assert (first.run, first.seq, first.is_ahead(NOON)) == (run, 3, False)
    assert second.is_ahead(NOON)


@pytest.mark.parametrize("load", STORES)
def test_only_a_query_that_names_heartbeats_finds_them(
    load: Load, request: pytest.FixtureRequest
) -> None:
    """Queries about the application count no heartbeat; queries about heartbeats count all."""
    records = [
        record(0, level="INFO", **enriched("app", 0)),
        *(beat("web-1", NEW, number, NOON + number) for number in range(3)),
    ]
    store = load(request, [records])
    everything = Selection()
    shares = Question(everything, {"a": Terms("host.name"), "b": Filters({"all": "*"})})

    (answer,) = store.ask([shares])

    assert store.count(everything) == answer.total == 1
    assert [each.count for each in buckets_of(answer, "a").buckets] == [1]
    assert [each.count for each in buckets_of(answer, "b").buckets] == [1]
    assert [hit.id for hit in store.search(everything, limit=9).hits] == [records[0].id]
    assert store.count(Selection("NOT level:INFO")) == 0
    assert store.count(Selection("event.dataset:*")) == 1
    assert store.count(Selection(QUERY)) == 3
    assert store.count(Selection(f"NOT {QUERY}")) == 1
    assert store.count(Selection(f"event.dataset:orchestrator.app OR {QUERY}")) == 4
    assert store.count(Selection(f"heartbeat.watermark:>={NOON}")) == 0
    assert store.count(Selection(f"heartbeat.watermark:>={NOON - 999}")) == 2
    assert store.search(Selection(QUERY), limit=1, sort=Sort.DESC).hits[0].time == NOON + 2


def test_a_thousand_hosts_are_a_handful_of_requests(tmp_path: Path) -> None:
    """All hosts are read, in one request for their newest runs and four for the heartbeats."""
    runs = [f"01JK{number:022d}" for number in range(1000)]
    write_parts(
        tmp_path,
        [[beat(f"web-{run[-4:]}", run, seq) for run in runs for seq in range(2)]],
    )
    store = NotingStore(open_embedded(tmp_path))

    beats = read_fleet(store, since=0)

    assert [(each.host, each.seq) for each in beats] == [(f"web-{run[-4:]}", 1) for run in runs]
    assert store.asked == ["ask", *["search"] * 4]
