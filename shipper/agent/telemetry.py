"""What a running shipper reports about itself: `status.json`, metrics, the dump of its state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shipper.agent.metrics import MetricsSnapshot, process_usage
from shipper.agent.status import Counters, Rates, write_snapshot
from shipper.process import data_folder
from shipper.tail.report import state, totals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shipper.agent.checkpointer import Checkpointer
    from shipper.agent.heartbeats import Heartbeats
    from shipper.deliver.publisher import Publisher
    from shipper.events import Block
    from shipper.intake.spools import Spools
    from shipper.splice import AnyEvents
    from shipper.tail.tailer import Tailer

log = logging.getLogger("shipper")

MOST_FILES = 1000  # whose misfits are counted
REPORT_SECONDS = 60.0  # between two reports of records with one origin


class Telemetry:
    """
    The counters of one shipper; written by the reading thread.

    `read_metrics` may be called by any thread: so it reads only what does not change meanwhile.
    """

    def __init__(
        self,
        data_dir: Path,
        tailer: Tailer,
        checkpointer: Checkpointer,
        heartbeats: Heartbeats,
        spools: Spools,
    ) -> None:
        self._path = data_dir / data_folder.STATUS
        self._tailer = tailer
        self._spools = spools
        self._checkpointer = checkpointer
        self._heartbeats = heartbeats
        self._counters = Counters()
        self._misfits: dict[int, int] = {}  # by the id of the file
        self._separated = 0  # records with the origin of another one, since the last report
        self._next_report = 0.0
        self._rates = Rates()
        self._totals = 0, 0, 0  # of the files, when the status was written last
        self._dead_letters = 0  # in the file, at that time

    def count(self, block: Block, events: AnyEvents, duplicates: int, dropped: int) -> None:
        """Count a block that was read, with the events that processors left of it."""
        counters = self._counters
        counters.read_bytes += block.end - block.start
        counters.events += len(events) + dropped
        counters.dropped += dropped
        counters.tagged += events.tagged
        counters.duplicates += duplicates

    def count_misfits(self, block: Block, misfits: int) -> None:
        """Count the lines of a block that do not have the format of their file."""
        known = self._misfits
        if misfits and (block.file in known or len(known) < MOST_FILES):
            known[block.file] = known.get(block.file, 0) + misfits

    def count_redacted(self, secrets: int, withheld: int) -> None:
        """Count what redaction took out of a block, and the records that it withheld."""
        self._counters.redacted += secrets
        self._counters.withheld += withheld

    def count_separated(self, path: str, count: int, now: float) -> None:
        """Count records of a file that have the run and seq of another record, and report them."""
        self._counters.same_origin += count
        self._separated += count
        if self._separated and now >= self._next_report:
            log.warning(
                "%s: records have the run and seq of other records (%d of all files): they are"
                " stored under ids of their own, tagged same_origin; a process was copied, or its"
                " writer counts from the same number again",
                path,
                self._separated,
            )
            self._separated, self._next_report = 0, now + REPORT_SECONDS

    def write_status(self, publisher: Publisher, now_ms: int, error: str | None) -> None:
        """Write `status.json`; raises nothing."""
        self._totals = totals(self._tailer)
        self._dead_letters = self._heartbeats.dead_letters.lines()
        published, counters = publisher.counters, self._counters
        counters.acked = published.acked
        counters.wrapped = published.wrapped
        counters.dead_letters = published.dead_letters
        counters.retries = published.retries
        intake = self._spools.totals()
        counters.intake_messages = intake.messages
        counters.intake_cut = intake.cut
        counters.intake_lost = intake.lost
        counters.intake_refused = intake.refused
        snapshot = self._rates.snapshot(now_ms, self._heartbeats.started, counters, error)
        snapshot.deleted = {str(file): size for file, size in self._tailer.held().items()}
        snapshot.misfits = {str(file): count for file, count in self._misfits.items()}
        snapshot.not_held = self._tailer.scanner.count_not_held()
        try:
            write_snapshot(self._path, snapshot)
        except OSError as failure:
            log.debug("cannot write the status: %s", failure)

    def read_metrics(self, publisher: Publisher, unacked_seconds: float) -> MetricsSnapshot:
        """Return all metrics."""
        counters, published, checkpointer = self._counters, publisher.counters, self._checkpointer
        open_files, behind, held = self._totals
        cpu_seconds, resident_bytes = process_usage()
        intake = self._spools.totals()
        return MetricsSnapshot(
            read_bytes=counters.read_bytes,
            read=counters.events,
            duplicates=counters.duplicates,
            dropped=counters.dropped,
            same_origin=counters.same_origin + published.same_origin,
            redacted=counters.redacted,
            withheld=counters.withheld,
            tagged=counters.tagged,
            published=published.published,
            acked=published.acked,
            wrapped=published.wrapped,
            dead_letters=published.dead_letters,
            retries=published.retries,
            errors=published.errors,
            saves=checkpointer.saves,
            save_errors=checkpointer.failed_saves,
            intake_messages=intake.messages,
            intake_cut=intake.cut,
            intake_lost=intake.lost,
            intake_refused=intake.refused,
            intake_connections=intake.connections,
            spool_bytes=self._spools.size(),
            publish_seconds=published.seconds.copy(),
            batch_events=published.batch_events.copy(),
            queue_bytes=publisher.queued_bytes,
            queue_limit_bytes=publisher.settings.queue_bytes,
            unacked_seconds=unacked_seconds,
            open_files=open_files,
            behind_bytes=behind,
            held_bytes=held,
            letters=self._dead_letters,
            watermark=self._heartbeats.watermark / 1000,
            output_up=int(published.last_error is None),
            cpu_seconds=cpu_seconds,
            resident_bytes=resident_bytes,
            start_seconds=self._heartbeats.started / 1000,
        )

    def state(self, publisher: Publisher, error: str | None, *, waits: bool) -> Iterator[str]:
        """Yield what is needed to see why something does not proceed, line by line."""
        yield f"error: {error or 'none'}"
        yield (
            f"queue: {publisher.queued_bytes} of {publisher.settings.queue_bytes} bytes,"
            f" idle: {publisher.is_idle()}, a block waits for room: {waits}"
        )
        yield f"acked: {publisher.counters.acked}, retries: {publisher.counters.retries}"
        yield from state(self._tailer)
