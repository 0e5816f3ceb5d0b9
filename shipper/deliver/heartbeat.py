"""
Heartbeats: records about the shipper itself, sent the way of all records.

A heartbeat passes the queue, the output and the store like any other event, so its arrival proves
that they work. Its origin is the `run` of this shipper and a `seq`, its dataset is
`orchestrator.heartbeat`, its numbers are under `extra.heartbeat`:

    watermark     everything older that this shipper will ever read is searchable, epoch ms; 0: none
    version       of the shipper          started       when it was started, epoch ms
    files         that are open           behind_bytes  bytes of these that are not acked
    held_bytes    of behind_bytes, those in deleted files that the shipper keeps
    dead_letters  in the data folder
    tombstones    files that were dropped on purpose before they were delivered
    audit_open    records that the last `shipper audit` here could not account for, if there was one
    stopped       true in the last heartbeat before the shipper ends
    furthest      the files most behind: path, read, acked, size, next_at
    unreadable    files that cannot be opened       unreadable_files  the names of some of them

A heartbeat is only sent when all that it says is acked. So it does not matter in which order an
output stores what it is sent. Every `heartbeat.every`, in this order:

    snapshot  scan, see how far every file is → watermark, and the number of blocks put so far
    wait      until all of these are acked, plus the time until the store can find them
    send      one heartbeat with that snapshot; the next snapshot waits for its ack

So while an output is down, at most one heartbeat waits, and the watermark does not move.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec

from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
)
from shipper.deliver.watermark import time_of
from shipper.events import Events
from shipper.fields import HEARTBEAT
from shipper.times import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.config.main import Config
    from shipper.tail.lag import Lag

FURTHEST = 5  # files that a heartbeat names

# The time from the ack of a record until a search finds it: Elasticsearch refreshes once a second,
# and Logstash acks before it has sent the record to Elasticsearch.
SEARCHABLE_SECONDS = {ElasticsearchOutput: 2.0, LogstashOutput: 5.0}

# A commit of the embedded store takes 12 ms of a core (measured). So an idle shipper sends fewer
# heartbeats to it: every 5 s they would cost as much as all the rest of an idle shipper.
IDLE_PACE: dict[type, int] = {EmbeddedOutput: 3}


@dataclass(frozen=True, slots=True)
class FileBehind:
    """A file that is behind; `next_at` is the time of its next record in epoch ms, if known."""

    path: str
    read: int
    acked: int
    size: int
    next_at: int | None


@dataclass(frozen=True, slots=True)
class PipelineSnapshot:
    """How far the pipeline is at one moment; see the module for the fields."""

    watermark: int
    files: int
    behind_bytes: int
    held_bytes: int
    dead_letters: int
    tombstones: int
    audit_open: int | None
    furthest: tuple[FileBehind, ...]
    unreadable: int = 0
    unreadable_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShipperIdentity:
    """Who sends: the run and version of this shipper, and when it was started (epoch ms)."""

    run: str
    version: str
    started: int


class HeartbeatSchedule:
    """Decides when to take a snapshot and when to send it; makes the heartbeats."""

    def __init__(self, config: Config, identity: ShipperIdentity, watermark: int) -> None:
        self._config = config
        self._identity = identity
        self._every = config.heartbeat.every_seconds
        self._idle_every = self._every * IDLE_PACE.get(type(config.output), 1)
        self._searchable_seconds = SEARCHABLE_SECONDS.get(type(config.output), 0.0)
        # Nobody can search what the console prints.
        self.enabled = config.heartbeat.enabled and not isinstance(config.output, ConsoleOutput)
        self.watermark = watermark  # the newest that was acked
        self._sent_watermark = watermark  # the newest that was sent, and so is searchable
        self._next_snapshot = 0.0
        self._snapshot: PipelineSnapshot | None = None
        self._wait_for = 0  # blocks that have to be acked before the next step
        self._acked_at: float | None = None
        self._seq = 0

    def is_snapshot_due(self, acked: int, put: int, now: float) -> bool:
        """
        Return whether it is time for a snapshot.

        `acked` and `put` are numbers of blocks, `now` is the monotonic clock.
        """
        return (
            self.enabled
            and self._snapshot is None
            and now >= self._due(put)
            and acked >= self._wait_for
        )

    def _due(self, put: int) -> float:
        """Return the time of the next snapshot; it is later while nothing is put."""
        is_idle = put == self._wait_for and self._seq > 0
        return self._next_snapshot + (self._idle_every - self._every if is_idle else 0.0)

    def next_step(self, put: int) -> float:
        """Return the monotonic time at which there is something to do."""
        if not self.enabled:
            return float("inf")
        if self._snapshot is None:
            return self._due(put)
        return float("inf") if self._acked_at is None else self._acked_at + self._searchable_seconds

    def keep(self, snapshot: PipelineSnapshot, put: int, now: float) -> None:
        """Keep a snapshot, which describes the first `put` blocks, until it can be sent."""
        self._snapshot = snapshot
        self._wait_for = put
        self._acked_at = None
        self._next_snapshot += self._every
        if self._next_snapshot <= now:
            self._next_snapshot = now + self._every  # what was missed is not made up for

    def is_heartbeat_due(self, acked: int, now: float) -> bool:
        """Return whether what the snapshot describes can be searched by now."""
        if self._snapshot is None or acked < self._wait_for:
            return False
        if self._acked_at is None:
            self._acked_at = now
            self.watermark = self._snapshot.watermark
        return now >= self._acked_at + self._searchable_seconds

    def make(self, at: int) -> Events:
        """Return the heartbeat of the snapshot; `at` is epoch ms."""
        assert self._snapshot is not None
        self._sent_watermark = self._snapshot.watermark
        return self._heartbeat(self._snapshot, at)

    def sent(self, put: int) -> None:
        """Record that the heartbeat is the last of `put` blocks."""
        self._snapshot = None
        self._wait_for = put
        self._seq += 1

    def last(self, snapshot: PipelineSnapshot, at: int) -> Events:
        """Return the last heartbeat of a shipper, which ends with all records acked."""
        self.watermark = snapshot.watermark
        return self._heartbeat(snapshot, at, stopped=True)

    def _heartbeat(self, snapshot: PipelineSnapshot, at: int, *, stopped: bool = False) -> Events:
        is_waited_for = not (stopped and self._searchable_seconds)
        watermark = snapshot.watermark if is_waited_for else self._sent_watermark
        document = self._document(snapshot, watermark, at, stopped=stopped)
        origin = f"{self._identity.run}-{self._seq}"
        # No `origins`: only numbers of records that can be read again are remembered.
        return Events([origin], [msgspec.json.encode(document)], [at], [HEARTBEAT])

    def _document(
        self, snapshot: PipelineSnapshot, watermark: int, at: int, *, stopped: bool
    ) -> dict[str, object]:
        config, identity = self._config, self._identity
        numbers = {name: value for name, value in asdict(snapshot).items() if value is not None}
        numbers |= {
            "watermark": watermark,
            "version": identity.version,
            "started": identity.started,
        }
        if stopped:
            numbers["stopped"] = True
        service = config.service
        return {
            "@timestamp": iso(at),
            "message": "heartbeat",
            "run": identity.run,
            "seq": self._seq,
            "extra": {"heartbeat": numbers},
            "host": {"name": config.host.name},
            "service": {
                "name": service.name,
                "environment": service.environment,
                "version": service.version,
            },
            "event": {"dataset": HEARTBEAT, "kind": "metric", "created": iso(at)},
            "data_stream": {"type": "logs", "dataset": HEARTBEAT, "namespace": config.namespace},
        }


def furthest(lags: Sequence[Lag]) -> tuple[FileBehind, ...]:
    """Return the files that are most behind, the worst first."""
    behind = sorted(
        (lag for lag in lags if lag.acked < lag.size), key=lambda lag: lag.acked - lag.size
    )
    return tuple(
        FileBehind(lag.path, lag.read, lag.acked, lag.size, time_of(lag.head))
        for lag in behind[:FURTHEST]
    )
