"""
Saves to the registry what was acked: positions, numbers of records, receipts, in one transaction.

What cannot be saved now is kept for the next time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from shipper.agent.already_stored import stored_contents_of, stored_positions_of
from shipper.deliver.dedupe import Dedupe
from shipper.errors import DataFolderError
from shipper.process import data_folder
from shipper.registry.receipts import Receipts
from shipper.registry.records import Changes
from shipper.registry.registry import Registry

if TYPE_CHECKING:
    from shipper.config.main import Config
    from shipper.deliver.batch import QueuedBlock
    from shipper.deliver.output import Output
    from shipper.tail.tailer import Tailer
    from shipper.times import Clock

log = logging.getLogger("shipper")

FORGET_RUNS_MS = 90 * 24 * 3600 * 1000  # numbers of a run that ended this long ago


class Checkpointer:
    """
    The registry, what has changed since the last save, and the deduplication that it feeds.

    `begun` is the first use of the data folder (epoch ms), by the clock as it was at the start.
    `error` is why the last save failed, if it did; `saves` and `failed_saves` count.
    """

    def __init__(self, config: Config, output: Output[Any], clock: Clock) -> None:
        self._clock = clock
        self.registry = Registry(config.data_dir / data_folder.REGISTRY)
        if self.registry.is_copy:
            log.warning(
                "the registry is a copy or an old backup: lines delivered since are read again and"
                " dropped as duplicates"
            )
        self._unsaved = Changes()
        self.error: str | None = None
        self.saves = self.failed_saves = 0
        self.registry.forget(before=clock.wall() - FORGET_RUNS_MS)
        self.dedupe = Dedupe(
            (),
            self.registry.streams(),
            stored_positions_of(config, output),
            stored_contents_of(config),
            self.registry.seen_of,
        )
        self._recover(output)
        self.registry.begin(clock.wall())
        self.begun = self.registry.begun()
        self._set_back = 0
        if self.registry.is_copy:
            self.registry.save(Changes(), clock.wall())  # now this is the one that is saved to
        self._receipts = Receipts(self.registry.next_receipt())

    def _recover(self, output: Output[Any]) -> None:
        """Add to the deduplication what the output has stored since the last save."""
        unsaved = self._unsaved
        accounted = unsaved.accounted
        if accounted is None:
            accounted = self.registry.accounted()
        if output.commit() < accounted:
            log.warning(
                "the index holds less than the registry accounts for: it was replaced or restored;"
                " to send the missing records again, run shipper registry reset"
            )
            accounted = output.commit()
        count = self.dedupe.recover(output.stored_after(accounted))
        if count:
            log.info("%d records were stored before the last stop; they are not sent again", count)
        unsaved.accounted = output.commit()
        unsaved.streams = dict(self.dedupe.streams)
        unsaved.add_seen(self.dedupe.changes())

    def begin_again(self, config: Config, output: Output[Any]) -> None:
        """Continue at what is acked with another output; nothing may be queued."""
        self.dedupe.rewind(stored_positions_of(config, output), stored_contents_of(config))
        self._recover(output)

    def ack(self, block: QueuedBlock[Any], commit: int) -> None:
        """Record an acked block of a file."""
        if block.read is not None:
            self._receipts.ack(block.read, self._clock.wall(), commit)

    def set_commit(self, commit: int) -> None:
        """Record up to which commit of the output everything is acked."""
        if commit:
            self._unsaved.accounted = commit

    def set_watermark(self, watermark: int) -> None:
        """Record the watermark."""
        self._unsaved.watermark = watermark

    def save(self, tailer: Tailer) -> bool:
        """Save what has changed; return False if it cannot be saved now."""
        unsaved = self._unsaved
        unsaved.add_files(*tailer.take_changes())
        unsaved.add_tombstones(tailer.take_tombstones())
        unsaved.add_seen(self.dedupe.changes())
        unsaved.add_receipts(self._receipts.changes())
        if tailer.scanner.set_back != self._set_back:
            self._set_back = tailer.scanner.set_back
            unsaved.begun = self.begun - self._set_back
        try:
            if not unsaved.is_empty():
                self.registry.save(unsaved, self._clock.wall())
                self.saves += 1
                self._unsaved = Changes()
                self.error = None
            self.dedupe.saved()
            tailer.saved()
        except DataFolderError as error:
            if self.error is None:
                log.warning("%s; nothing is lost, the shipper keeps trying", error)
            self.error = str(error)
            self.failed_saves += 1
            return False
        return True
