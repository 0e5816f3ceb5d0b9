"""
Replays dead letters the way of all events: retried, wrapped, and dead letters again if refused.

In this order: a letter is read → skipped if the output has stored its event → published with the
others → acked, so it is stored, or a dead letter again on a new line → at the end the old lines are
removed, all at once. So after a crash anywhere, every letter is in the file or its event in the
output, or both: then the next replay finds the event stored, or the output drops it by its `_id`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipper.deliver.batch import NO_FILE, QueuedBlock, time_in
from shipper.errors import OutputUnavailable
from shipper.events import Events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from shipper.deliver.deadletters import DeadLetter, DeadLetters
    from shipper.deliver.output import Output
    from shipper.splice import AnyEvents

BLOCK_BYTES = 1 << 18  # as a block of a file


@dataclass(slots=True)
class Replayed:
    """How many letters are `stored` now, were stored `before`, or were `refused` again."""

    stored: int = 0
    before: int = 0
    refused: int = 0


class Replay:
    """
    One replay; used by one thread.

    `ids` are the `_id`s to send, None for all. Letters written while it runs are not part of it.
    `redact` takes out what a letter has from a time before the config said so.
    """

    def __init__(
        self,
        letters: DeadLetters,
        ids: Collection[str] | None,
        output: Output[Any],
        redact: Callable[[Events], AnyEvents] = lambda events: events,
    ) -> None:
        self._letters = letters
        self._output = output
        self._redact = redact
        self._lines = [
            (line.letter.id, line.mark)
            for line in letters.read()
            if ids is None or line.letter.id in ids
        ]
        self._marks = {mark for _id, mark in self._lines}
        self._source: Iterator[DeadLetter] = self._chosen()
        self._sent: set[str] = set()
        self._before: set[str] = set()
        self._queued: QueuedBlock[Any] | None = None
        self._all_sent = False

    def _chosen(self) -> Iterator[DeadLetter]:
        """Yield one letter of each `_id`."""
        met: set[str] = set()
        for line in self._letters.read():
            if line.mark in self._marks and line.letter.id not in met:
                met.add(line.letter.id)
                yield line.letter

    def next_block(self) -> QueuedBlock[Any] | None:
        """
        Return the next letters to publish; None if all are sent, or while the last are not acked.

        Raises:
            OutputUnavailable: the output cannot say now what is stored; call again.

        """
        if self._queued is not None:
            return None
        chosen: list[DeadLetter] = []
        size = 0
        for letter in self._source:
            try:
                stored = self._is_stored(letter.id)
            except OutputUnavailable:
                self._source = itertools.chain([*chosen, letter], self._source)
                raise
            if stored:
                self._before.add(letter.id)
                continue
            chosen.append(letter)
            size += len(bytes(letter.document))
            if size >= BLOCK_BYTES:
                break
        if chosen:
            events = self._redact(_events_of(chosen)).events()
            self._queued = QueuedBlock(self._output.prepare(events), NO_FILE, 0, size)
            self._sent.update(letter.id for letter in chosen)
        else:
            self._all_sent = True
        return self._queued

    def ack(self, block: QueuedBlock[Any]) -> None:
        """Record the ack of a block, if it is one of this replay."""
        if block is self._queued:
            self._queued = None

    @property
    def is_over(self) -> bool:
        """Whether all letters are acked, so it is time to finish."""
        return self._all_sent and self._queued is None

    def finish(self) -> Replayed:
        """
        Remove the old letters; return what became of them.

        Raises:
            DataFolderError: none was removed; call again.

        """
        refused = {
            line.letter.id
            for line in self._letters.read()
            if line.letter.id in self._sent and line.mark not in self._marks
        }
        self._letters.remove([mark for _id, mark in self._lines])
        stored = len(self._sent) - len(refused)
        return Replayed(stored=stored, before=len(self._before), refused=len(refused))

    def _is_stored(self, origin: str) -> bool:
        stream, _, position = origin.rpartition("-")
        if not position.isdecimal():
            return False
        return bool(self._output.stored_positions(stream, int(position), int(position)))


def _events_of(letters: Sequence[DeadLetter]) -> Events:
    return Events(
        [letter.id for letter in letters],
        [bytes(letter.document) for letter in letters],
        [time_in(letter.document) or letter.at_ms for letter in letters],
        [letter.dataset for letter in letters],
    )
