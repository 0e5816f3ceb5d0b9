"""Heartbeats: what they say was acked before they are sent, and none piles up."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from shipper.audit.result import read_open_count
from shipper.config.inputs import InputOptions
from shipper.config.main import Config, HeartbeatOptions, ServiceOptions
from shipper.config.outputs import ConsoleOutput, ElasticsearchOutput, EmbeddedOutput, Output
from shipper.deliver.deadletters import LineCount
from shipper.deliver.heartbeat import (
    FURTHEST,
    HeartbeatSchedule,
    PipelineSnapshot,
    ShipperIdentity,
    furthest,
)
from shipper.events import Events
from shipper.tail.lag import Lag

RUN = "01JKBBBBBBBBBBBBBBBBBBBBBB"
NOW = 1_770_292_800_000
SNAPSHOT = PipelineSnapshot(NOW - 2000, 3, 40, 0, 1, 0, None, ())


def config_of(output: Output, **heartbeat: Any) -> Config:
    return Config(
        service=ServiceOptions("orders", "test", "1.0.0"),
        namespace="blue",
        inputs=(InputOptions(("a.log",)),),
        output=output,
        heartbeat=HeartbeatOptions(**heartbeat),
    )


def schedule_of(output: Output | None = None, **heartbeat: Any) -> HeartbeatSchedule:
    config = config_of(output or EmbeddedOutput(), **heartbeat)
    return HeartbeatSchedule(config, ShipperIdentity(RUN, "1.2.3", NOW - 9), 7)


def numbers_in(events: Events) -> dict[str, Any]:
    (doc,) = events.docs
    heartbeat: dict[str, Any] = json.loads(doc)["extra"]["heartbeat"]
    return heartbeat


def test_it_waits_for_the_ack_of_what_it_claims() -> None:
    """A look is sent when all parcels put before it are acked, and its watermark holds then."""
    schedule = schedule_of()
    assert schedule.is_snapshot_due(0, 0, now=0.0)

    schedule.keep(SNAPSHOT, put=5, now=0.0)

    assert not schedule.is_heartbeat_due(4, now=1.0)
    assert schedule.watermark == 7
    assert schedule.is_heartbeat_due(5, now=1.5)
    assert schedule.watermark == SNAPSHOT.watermark
    assert numbers_in(schedule.make(NOW))["watermark"] == SNAPSHOT.watermark


def test_while_the_output_is_down_one_heartbeat_waits() -> None:
    """There is no further look before the last heartbeat is acked, however long that takes."""
    schedule = schedule_of()
    schedule.keep(SNAPSHOT, put=0, now=0.0)
    assert schedule.is_heartbeat_due(0, now=0.1)
    schedule.make(NOW)
    schedule.sent(put=1)

    assert not schedule.is_snapshot_due(0, 1, now=3600.0)
    assert schedule.is_snapshot_due(1, 1, now=3600.0)


def test_it_beats_in_its_time() -> None:
    """The next look comes after the time of the config, and one that is late makes up for none."""
    schedule = schedule_of(every_seconds=5.0)
    times = []
    for tenth in range(400):
        now = tenth / 10
        if schedule.is_snapshot_due(0, tenth, now) and not 12 < now < 23:
            times.append(now)
            schedule.keep(SNAPSHOT, put=0, now=now)
            assert schedule.is_heartbeat_due(0, now)
            schedule.sent(put=0)

    assert times == [0.0, 5.0, 10.0, 23.0, 28.0, 33.0, 38.0]


def test_an_idle_index_is_written_less_often() -> None:
    """Where nothing is put the embedded store gets a third, and with the next record all."""
    schedule = schedule_of(every_seconds=5.0)
    times = []
    for now in map(float, range(60)):
        put = 1 if now >= 40 else 0  # a block is put then
        if schedule.is_snapshot_due(1, put, now):
            times.append(now)
            schedule.keep(SNAPSHOT, put, now)
            assert schedule.is_heartbeat_due(1, now)
            schedule.sent(put)

    assert times == [0.0, 15.0, 30.0, 40.0, 55.0]


def test_a_store_that_shows_records_later_is_waited_for() -> None:
    """Acked is not yet searchable in Elasticsearch: the heartbeat goes out some time after."""
    schedule = schedule_of(ElasticsearchOutput(("http://es:9200",)))
    schedule.keep(SNAPSHOT, put=1, now=10.0)

    assert not schedule.is_heartbeat_due(1, now=11.0)
    assert not schedule.is_heartbeat_due(1, now=12.9)
    assert schedule.is_heartbeat_due(1, now=13.0)
    assert schedule.watermark == SNAPSHOT.watermark


def test_the_last_one_claims_what_can_be_searched() -> None:
    """At the end all is acked: the embedded store shows it at once, Elasticsearch does not."""
    later = replace(SNAPSHOT, watermark=NOW)
    embedded, elasticsearch = schedule_of(), schedule_of(ElasticsearchOutput(("http://es:9200",)))

    assert numbers_in(embedded.last(later, NOW))["watermark"] == NOW
    assert numbers_in(elasticsearch.last(later, NOW))["watermark"] == 7
    assert numbers_in(elasticsearch.last(later, NOW))["stopped"] is True
    assert elasticsearch.watermark == NOW  # by the next start it can be searched


def test_it_is_a_record_as_all_others() -> None:
    """A heartbeat has origin, objects and numbers where both stores find them."""
    schedule = schedule_of()
    schedule.keep(replace(SNAPSHOT, audit_open=0), put=0, now=0.0)

    made = schedule.make(NOW)

    assert made.origins == {}
    assert made.ids == [f"{RUN}-0"]
    assert made.datasets == ["orchestrator.heartbeat"]
    document = json.loads(made.docs[0])
    assert document["event"] == {
        "dataset": "orchestrator.heartbeat",
        "kind": "metric",
        "created": "2026-02-05T12:00:00.000Z",
    }
    assert (document["run"], document["seq"]) == (RUN, 0)
    assert document["data_stream"]["namespace"] == "blue"
    assert document["extra"]["heartbeat"] == {
        "watermark": SNAPSHOT.watermark,
        "version": "1.2.3",
        "started": NOW - 9,
        "files": 3,
        "behind_bytes": 40,
        "held_bytes": 0,
        "dead_letters": 1,
        "tombstones": 0,
        "audit_open": 0,
        "furthest": [],
        "unreadable": 0,
        "unreadable_files": [],
    }


def test_it_can_be_switched_off() -> None:
    """Without heartbeats nothing is looked at, and the console gets none at all."""
    assert not schedule_of(enabled=False).is_snapshot_due(0, 0, now=99.0)
    assert not schedule_of(ConsoleOutput()).is_snapshot_due(0, 0, now=99.0)


def test_a_few_files_are_named() -> None:
    """However many files are behind, a heartbeat names those that are most, the first first."""
    lags = [Lag(f"{number}.log", 5, 5, 5 + number, 0, b"x" * number) for number in range(50)]

    named = [each.path for each in furthest(lags)]

    assert named == [f"{49 - number}.log" for number in range(FURTHEST)]


def test_letters_and_audit_are_read_from_the_data_folder(tmp_path: Path) -> None:
    """Dead letters are counted anew when the file has changed; no file is no number."""
    letters = LineCount(tmp_path / "letters")
    assert (letters.lines(), read_open_count(tmp_path / "audit.json")) == (0, None)

    (tmp_path / "letters").write_text("a\nb\n")
    (tmp_path / "audit.json").write_text('{"at": 5, "open": 3}')

    assert (letters.lines(), read_open_count(tmp_path / "audit.json")) == (2, 3)
    (tmp_path / "letters").write_text("a\n")
    assert letters.lines() == 1


def test_of_letters_only_what_is_new_is_counted(tmp_path: Path) -> None:
    """A file that grows is not read whole again; one that was replaced is."""
    path = tmp_path / "letters"
    path.write_bytes(b"a\nb\nhalf")
    letters = LineCount(path)
    assert letters.lines() == 3

    with path.open("r+b") as file:
        file.write(b"\n\n\n\n")  # where it was counted, nobody writes
        file.seek(0, os.SEEK_END)
        file.write(b"\nd\n")
    assert letters.lines() == 4

    (tmp_path / "new").write_bytes(b"1\n2\n3\n4\n5\n6\n7\n8\n")
    (tmp_path / "new").rename(path)
    assert letters.lines() == 8
    path.unlink()
    assert letters.lines() == 0
