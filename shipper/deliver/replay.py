"""
Sends dead letters again, the usual way: retried, wrapped, buried again.

In order: a letter is read → left out if the output holds its event → published with the others →
acked, which says that it is stored, or buried anew as a younger line → at the end the old lines
are taken out, all at once. So a crash anywhere leaves every letter in the file or its event in
the output, or both: then the next replay finds the event stored, by what the output tells or by
its `_id`, and doubles nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipper.deliver.batch import NO_FILE, QueuedBlock, time_in
from shipper.errors import OutputUnavailable
from shipper.events import Events

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from shipper.deliver.deadletters import DeadLetter, DeadLetters
    from shipper.deliver.output import Output

BLOCK_BYTES = 1 << 18  # as a block of a file


@dataclass(slots=True)
class Replayed:
    """What became of letters: sent and `stored`, stored `before`, `refused` again."""

    stored: int = 0
    before: int = 0
    refused: int = 0


class Replay:
    """
    One replay; used by one thread.

    `ids` are the `_id`s to send, None for all; `stored_positions` is that of `Output`. What
    is buried while it runs is not part of it.
    """

    def __init__(
        self,
        letters: DeadLetters,
        ids: Collection[str] | None,
        output: Output[Any],
    ) -> None:
        self._letters = letters
        self._output = output
        self._lines = [
            (line.letter.id, line.mark)
            for line in letters.read()
            if ids is None or line.letter.id in ids
        ]
        self._marks = {mark for _id, mark in self._lines}
        self._source: Iterator[DeadLetter] = self._chosen()
        self._sent: set[str] = set()
        self._before: set[str] = set()
        self._under_way: QueuedBlock[Any] | None = None
        self._all_sent = False

    def _chosen(self) -> Iterator[DeadLetter]:
        """Yield one letter of each `_id`: a second line of it tells the same."""
        met: set[str] = set()
        for line in self._letters.read():
            if line.mark in self._marks and line.letter.id not in met:
                met.add(line.letter.id)
                yield line.letter

    def next_block(self) -> QueuedBlock[Any] | None:
        """
        Return the next letters to publish; None when all are sent, or while some are under way.

        Raises:
            OutputUnavailable: it cannot be told now what is stored; call again.

        """
        if self._under_way is not None:
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
            self._under_way = QueuedBlock(
                self._output.prepare(_events_of(chosen)), NO_FILE, 0, size
            )
            self._sent.update(letter.id for letter in chosen)
        else:
            self._all_sent = True
        return self._under_way

    def ack(self, block: QueuedBlock[Any]) -> None:
        """Count a block, if it is one of this replay, as stored or buried anew."""
        if block is self._under_way:
            self._under_way = None

    @property
    def is_over(self) -> bool:
        """Return whether every letter was answered for: it is time to finish."""
        return self._all_sent and self._under_way is None

    def finish(self) -> Replayed:
        """
        Take the old letters out; tell what became of them.

        Raises:
            DataFolderError: they are all still there; call again.

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
