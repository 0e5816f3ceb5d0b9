"""
Heartbeats: what a shipper tells of itself, sent the way of its records.

A heartbeat is an event as any other: it passes the queue, the output and the store, so that its
arrival proves the path. Its origin is the `run` of this shipper and a `seq`, its dataset is
`orchestrator.heartbeat`, its numbers are under `extra.heartbeat`:

    watermark     everything older that this shipper will ever read is searchable, epoch ms; 0: none
    version       of the shipper          started       when it was started, epoch ms
    files         that are open           behind_bytes  in these, not acked
    held_bytes    of these in files that are gone but for the shipper
    dead_letters  that lie in the data folder
    tombstones    what was given up on purpose, in files
    audit_open    records that the last `shipper audit` here left unproved, if there was one
    stopped       true in the last one before the shipper ends
    furthest      the files most behind: path, read, acked, size, next_at

What it claims has been acked when it is made, so it is no matter in which order an output stores
what it is given. In turn, every `heartbeat.every`:

    look    scan, see how far every file is → watermark, and the number of parcels put so far
    wait    until all of these are acked, and as long again as the store may take to show them
    send    one heartbeat with that look; the next look waits for its ack

So while an output is down one heartbeat waits at most, and the watermark stands.
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
from shipper.deliver.batch import OWN, QueuedBlock
from shipper.deliver.watermark import time_of
from shipper.events import Events
from shipper.fields import HEARTBEAT
from shipper.times import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.config.main import Config
    from shipper.tail.lag import Lag

FURTHEST = 5  # files that a heartbeat names

# How long an acked record may take until it can be found: Elasticsearch refreshes once a second,
# and behind Logstash the ack comes before that.
SHOWN_SECONDS = {ElasticsearchOutput: 2.0, LogstashOutput: 5.0}


# A commit of the embedded index takes 12 ms of a core (measured), so where nothing else is written
# it is made less often: every 5 s it would cost as much as all the rest of an idle shipper.
IDLE_PACE: dict[type, int] = {EmbeddedOutput: 3}


@dataclass(frozen=True, slots=True)
class FileBehind:
    """A file that is behind; `next_at` is the time of its next record, if that can be told."""

    path: str
    read: int
    acked: int
    size: int
    next_at: int | None


@dataclass(frozen=True, slots=True)
class PipelineSnapshot:
    """How far everything is at one moment."""

    watermark: int
    files: int
    behind_bytes: int
    held_bytes: int
    dead_letters: int
    tombstones: int
    audit_open: int | None
    furthest: tuple[FileBehind, ...]


@dataclass(frozen=True, slots=True)
class ShipperIdentity:
    """Who sends: the run and version of this shipper, and when it was started (epoch ms)."""

    run: str
    version: str
    started: int


class HeartbeatSchedule:
    """Decides when to look and when to send; makes the heartbeats. Used by one thread."""

    def __init__(self, config: Config, identity: ShipperIdentity, watermark: int) -> None:
        self._config = config
        self._identity = identity
        self._every = config.heartbeat.every_seconds
        self._idle_every = self._every * IDLE_PACE.get(type(config.output), 1)
        self._shown_seconds = SHOWN_SECONDS.get(type(config.output), 0.0)
        # What nobody can search needs no heartbeat.
        self.enabled = config.heartbeat.enabled and not isinstance(config.output, ConsoleOutput)
        self.watermark = watermark  # the newest that was acked
        self._shown = watermark  # the newest that can be searched
        self._next_look = 0.0
        self._look: PipelineSnapshot | None = None
        self._wait_for = 0  # parcels that have to be acked before the next step
        self._acked_at: float | None = None
        self._seq = 0

    def is_to_look(self, acked: int, put: int, now: float) -> bool:
        """Return whether it is time for a look; `now` is the monotonic clock."""
        return (
            self.enabled
            and self._look is None
            and now >= self._due(put)
            and acked >= self._wait_for
        )

    def _due(self, put: int) -> float:
        """Return the time of the next look; while nothing happens it may be a later one."""
        is_idle = put == self._wait_for and self._seq > 0
        return self._next_look + (self._idle_every - self._every if is_idle else 0.0)

    def next_step(self, put: int) -> float:
        """Return the moment of the monotonic clock at which there is something to do."""
        if not self.enabled:
            return float("inf")
        if self._look is None:
            return self._due(put)
        return float("inf") if self._acked_at is None else self._acked_at + self._shown_seconds

    def take(self, look: PipelineSnapshot, put: int, now: float) -> None:
        """Keep a look, which is about the first `put` parcels."""
        self._look = look
        self._wait_for = put
        self._acked_at = None
        self._next_look += self._every
        if self._next_look <= now:
            self._next_look = now + self._every  # one that is late makes up for none

    def is_to_send(self, acked: int, now: float) -> bool:
        """Return whether what was looked at can be searched by now."""
        if self._look is None or acked < self._wait_for:
            return False
        if self._acked_at is None:
            self._acked_at = now
            self.watermark = self._look.watermark
        return now >= self._acked_at + self._shown_seconds

    def make(self, at: int) -> QueuedBlock:
        """Make the heartbeat of the look that was taken; `at` is epoch ms."""
        assert self._look is not None
        self._shown = self._look.watermark
        return self._parcel(self._look, at)

    def sent(self, put: int) -> None:
        """Take note that the heartbeat is the last of `put` parcels."""
        self._look = None
        self._wait_for = put
        self._seq += 1

    def last(self, look: PipelineSnapshot, at: int) -> QueuedBlock:
        """Make the heartbeat of a shipper that ends, all of whose records are acked."""
        self.watermark = look.watermark
        return self._parcel(look, at, stopped=True)

    def _parcel(self, look: PipelineSnapshot, at: int, *, stopped: bool = False) -> QueuedBlock:
        shown = self._shown if stopped and self._shown_seconds else look.watermark
        document = msgspec.json.encode(self._document(look, shown, at, stopped=stopped))
        origin = f"{self._identity.run}-{self._seq}"
        # No numbers in `origins`: what is remembered of records is for what can be read again.
        return QueuedBlock(Events([origin], [document], [at], [HEARTBEAT]), OWN, 0, len(document))

    def _document(
        self, look: PipelineSnapshot, watermark: int, at: int, *, stopped: bool
    ) -> dict[str, object]:
        config, identity = self._config, self._identity
        told = {name: value for name, value in asdict(look).items() if value is not None}
        told |= {"watermark": watermark, "version": identity.version, "started": identity.started}
        if stopped:
            told["stopped"] = True
        service = config.service
        return {
            "@timestamp": iso(at),
            "message": "heartbeat",
            "run": identity.run,
            "seq": self._seq,
            "extra": {"heartbeat": told},
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
    """Return the files that are most behind."""
    behind = sorted(
        (lag for lag in lags if lag.acked < lag.size), key=lambda lag: lag.acked - lag.size
    )
    return tuple(
        FileBehind(lag.path, lag.read, lag.acked, lag.size, time_of(lag.head))
        for lag in behind[:FURTHEST]
    )
