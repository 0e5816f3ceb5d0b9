"""Takes snapshots of the pipeline and sends them as heartbeats (shipper/deliver/heartbeat.py)."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from shipper.audit.result import read_open_count
from shipper.deliver.deadletters import LineCount
from shipper.deliver.heartbeat import (
    FURTHEST,
    HeartbeatSchedule,
    PipelineSnapshot,
    ShipperIdentity,
    furthest,
)
from shipper.deliver.watermark import watermark
from shipper.emit.ulid import ulid
from shipper.process import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.agent.scan_schedule import ScanSchedule
    from shipper.config.main import Config
    from shipper.events import Events
    from shipper.registry.registry import Registry
    from shipper.tail.tailer import Tailer
    from shipper.times import Clock


class Heartbeats:
    """
    The heartbeats of one shipper; used by the reading thread.

    `now` is always the monotonic clock, `acked` and `put` are
    numbers of blocks. `put_events` queues a heartbeat; it returns False if there is no room.
    """

    def __init__(
        self,
        config: Config,
        tailer: Tailer,
        registry: Registry,
        scans: ScanSchedule,
        clock: Clock,
    ) -> None:
        self._tailer = tailer
        self._registry = registry
        self._scans = scans
        self._clock = clock
        self.started = clock.wall()
        self.dead_letters = LineCount(config.data_dir / data_folder.DEAD_LETTERS)
        self.begin(config, registry.watermark())

    def begin(self, config: Config, watermark: int) -> None:
        """Begin a run of heartbeats with another config or output."""
        self._audit = config.data_dir / data_folder.AUDIT
        run = ulid(self._clock.wall(), os.urandom(10))
        identity = ShipperIdentity(run, version("orchestrator-shipper"), self.started)
        self._schedule = HeartbeatSchedule(config, identity, watermark)

    @property
    def watermark(self) -> int:
        """The newest watermark that was acked, in epoch milliseconds."""
        return self._schedule.watermark

    def next_step(self, put: int) -> float:
        """Return the monotonic time at which there is something to do."""
        return self._schedule.next_step(put)

    def beat(self, acked: int, put: int, now: float, put_events: Callable[[Events], bool]) -> None:
        """Take a snapshot or send the last one, if it is time."""
        schedule = self._schedule
        if schedule.is_snapshot_due(acked, put, now):
            schedule.keep(self._snapshot(now), put, now)
        if schedule.is_heartbeat_due(acked, now) and put_events(schedule.make(self._clock.wall())):
            schedule.sent(put + 1)

    def last(self, now: float) -> Events | None:
        """Return the last heartbeat of this shipper, all of whose records are acked."""
        if not self._schedule.enabled:
            return None
        return self._schedule.last(self._snapshot(now), self._clock.wall())

    def _snapshot(self, now: float) -> PipelineSnapshot:
        at = self._clock.wall()
        self._scans.scan()
        lags = self._tailer.lags(now)
        unreadable = sorted(self._tailer.unreadable())
        return PipelineSnapshot(
            watermark=watermark(lags, self._tailer.unreadable_since(), at),
            files=len(lags),
            behind_bytes=sum(max(lag.size - lag.acked, 0) for lag in lags),
            held_bytes=sum(self._tailer.held().values()),
            dead_letters=self.dead_letters.lines(),
            tombstones=len(self._registry.tombstones()),
            audit_open=read_open_count(self._audit),
            furthest=furthest(lags),
            unreadable=len(unreadable),
            unreadable_files=tuple(unreadable[:FURTHEST]),
        )
