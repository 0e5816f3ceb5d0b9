"""
The numbers of records that were accepted already: each record is stored once, though in two files.

An ERROR that the application wrote to app.log and error.log has one origin (run, seq). The first
copy that is read is delivered, the second is dropped as a duplicate. So the set must never claim a
record that is not on its way. Therefore two of them are kept: one of what was *read*, which ends
with the process, and one of what was *acked*. Only the latter is saved, in the transaction that
saves the positions, and a new process starts with it as both.

The numbers of a run arrive nearly in order and nearly without gaps, from several files at
different speeds. They are held in chunks of 4,096. A chunk takes one byte a number while it fills,
nothing once it is full; it is compressed when it is far from the last number, or when other runs
are busy. (One byte a number is faster than one bit: a test or a mark is a single index
operation in Python.) Memory is bounded by gaps and runs, not by records.

Runs that have ended would pile up: so a set holds `MOST_RUNS` of them. Those that were used least
lately are left to the registry (`Seen.drop`), once it has all of them, and are read from there when
they are met again. At the start none is read.

On disk there is a row per chunk: its 4,096 bytes (1 = accepted) deflated (RFC 1950), nothing for a
full chunk. `low` says that every chunk below it is full; a row with chunk -1 holds only that.
"""

from __future__ import annotations

import copy
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from shipper.registry.records import SeenRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE = 4096
FULL = b"\1" * SIZE
SETTLED = 64  # chunks from the last number on either side that are not packed: 512 KiB a run
MOST_RUNS = 1024  # in memory: about 1.5 KB each; a host has fewer that write now
BUSY_RUNS = 64  # runs whose chunks are not packed: the processes that write now


class RunNumbers:
    """The numbers of one run that were accepted."""

    __slots__ = ("_chunks", "_dirty", "_filling", "low")

    def __init__(self) -> None:
        self.low = 0  # in chunks: every number below low * SIZE was accepted
        self._chunks: dict[int, bytearray | bytes] = {}
        self._filling: set[int] = set()  # the chunks that are one byte a number now
        self._dirty: set[int] = set()

    def accept(self, numbers: Sequence[int]) -> list[int]:
        """Add numbers; return those that were there before, each as often as it was given."""
        first, last = numbers[0], numbers[-1]
        if last - first == len(numbers) - 1 and list(range(first, last + 1)) == numbers:
            again = self._accept_range(first, last + 1)
        else:
            again = self._accept_each(numbers)
        self._settle(last // SIZE)
        return again

    def known(self, numbers: Sequence[int]) -> set[int]:
        """Return those of some numbers that were accepted, or that are among them twice."""
        first, last = numbers[0], numbers[-1]
        is_range = last - first == len(numbers) - 1 and list(range(first, last + 1)) == numbers
        found = set() if is_range else _repeated(numbers)
        if is_range and all(
            self.chunk(index).find(1, max(first - index * SIZE, 0), last - index * SIZE + 1) < 0
            for index in range(first // SIZE, last // SIZE + 1)
        ):
            return found
        at, chunk = -1, b""
        for number in numbers:
            if number // SIZE != at:
                at = number // SIZE
                chunk = self.chunk(at)
            if chunk[number % SIZE]:
                found.add(number)
        return found

    def _accept_each(self, numbers: Iterable[int]) -> list[int]:
        again = []
        index, chunk = -1, bytearray()
        for number in numbers:
            if number // SIZE != index:
                index = number // SIZE
                if index < self.low:
                    again.append(number)
                    index = -1
                    continue
                chunk = self._fill(index)
            if chunk[number % SIZE]:
                again.append(number)
            else:
                chunk[number % SIZE] = 1
        return again

    def _accept_range(self, start: int, end: int) -> list[int]:
        again: list[int] = []
        while start < end:
            index, first = divmod(start, SIZE)
            last = min(first + end - start, SIZE)
            if index < self.low:
                again += range(start, start + last - first)
            else:
                chunk = self._fill(index)
                if chunk.find(1, first, last) >= 0:
                    again += [index * SIZE + i for i in range(first, last) if chunk[i]]
                chunk[first:last] = FULL[: last - first]
            start += last - first
        return again

    def _fill(self, index: int) -> bytearray:
        """Return a chunk to mark numbers in."""
        self._dirty.add(index)
        chunk = self._chunks.get(index)
        if not isinstance(chunk, bytearray):
            chunk = bytearray(SIZE) if chunk is None else _unpack(chunk)
            self._chunks[index] = chunk
            self._filling.add(index)
        return chunk

    def _settle(self, newest: int) -> None:
        """Free the chunks that are full, pack those far from the last number."""
        for index in list(self._filling):
            chunk = self._chunks[index]
            if chunk.find(0) < 0:
                self._chunks[index] = b""
            elif abs(index - newest) > SETTLED:
                self._chunks[index] = _pack(chunk)
            else:
                continue
            self._filling.remove(index)
        while self._chunks.get(self.low) == b"":
            del self._chunks[self.low]
            self._dirty.discard(self.low)
            self._dirty.add(-1)
            self.low += 1

    def pack(self) -> None:
        """Pack all chunks: the run is not busy now."""
        for index in self._filling:
            self._chunks[index] = _pack(self._chunks[index])
        self._filling.clear()

    def changes(self) -> Iterator[tuple[int, bytes]]:
        """Yield (chunk, data) of all that changed since the last call; -1 for `low`."""
        dirty, self._dirty = self._dirty, set()
        for index in sorted(dirty):
            yield index, b"" if index < 0 else _pack(self._chunks[index])

    def restore(self, low: int, chunk: int, data: bytes) -> None:
        """Add a saved row."""
        self.low = max(self.low, low)
        if chunk >= 0:
            self._chunks[chunk] = data

    def indexes(self) -> set[int]:
        """Return the indexes of the chunks that have an accepted number."""
        return {*range(self.low), *self._chunks}

    def chunk(self, index: int) -> bytes:
        """Return one byte per number from `index` * `SIZE`, 1 for accepted ones."""
        if index < self.low:
            return FULL
        data = self._chunks.get(index)
        if data is None:
            return bytes(SIZE)
        return bytes(data if isinstance(data, bytearray) else _unpack(data))


SavedNumbers = Callable[[str], Iterable[SeenRow]]  # the saved rows of a run


class Seen:
    """
    The numbers of all runs that were accepted.

    `saved` returns what the registry has of a run that is not in memory.
    """

    def __init__(self, saved: SavedNumbers = lambda _run: ()) -> None:
        self._saved = saved
        self._runs: dict[str, RunNumbers] = {}  # the run that was used last comes last
        self._busy: dict[str, None] = {}  # the run that was used last comes last
        self._changed: dict[str, None] = {}  # runs, since the last call of `changes`

    def accept(self, run: str, numbers: Sequence[int]) -> list[int]:
        """Add numbers of a run; return those that were there before."""
        if not numbers:
            return []
        self._busy.pop(run, None)
        self._busy[run] = self._changed[run] = None
        if len(self._busy) > BUSY_RUNS:
            idle = next(iter(self._busy))
            del self._busy[idle]
            self._runs[idle].pack()
        return self._of(run).accept(numbers)

    def known(self, run: str, numbers: Sequence[int]) -> set[int]:
        """Return those of some numbers that were accepted, or that are among them twice."""
        return self._of(run).known(numbers) if numbers else set()

    def _of(self, run: str) -> RunNumbers:
        """Return the numbers of a run, from the registry if they are not in memory."""
        found = self._runs.pop(run, None)
        if found is None:
            found = RunNumbers()
            for row in self._saved(run):
                found.restore(row.low, row.chunk, row.data)
        self._runs[run] = found
        return found

    def is_full(self) -> bool:
        """Return whether some runs should be left to the registry."""
        return len(self._runs) > MOST_RUNS

    def idle_runs(self) -> list[str]:
        """Return the runs that were used least lately: all but half of what there is room for."""
        return [*self._runs][: -MOST_RUNS // 2]

    def has_same(self, run: str, other: Seen) -> bool:
        """Return whether another set has the numbers of a run that this one has in memory."""
        mine = self._runs.get(run)
        if mine is None:
            return True
        others = other._of(run)
        if mine.low != others.low:
            return False
        indexes = mine.indexes() | others.indexes()
        return all(mine.chunk(each) == others.chunk(each) for each in indexes if each >= mine.low)

    def copy(self) -> Seen:
        """Return a set of its own with the same numbers."""
        other = Seen(self._saved)
        other._runs = copy.deepcopy(self._runs)
        return other

    def drop(self, run: str) -> None:
        """Leave a run to the registry, which has all of its numbers."""
        for each in (self._runs, self._busy, self._changed):
            each.pop(run, None)

    def changes(self) -> Iterator[SeenRow]:
        """Yield the rows that changed since the last call."""
        changed, self._changed = self._changed, {}
        for run in changed:
            numbers = self._runs[run]
            for chunk, data in numbers.changes():
                yield SeenRow(run, numbers.low, chunk, data)

    def restore(self, rows: Iterable[SeenRow]) -> None:
        """Add saved rows."""
        for row in rows:
            self._runs.setdefault(row.run, RunNumbers()).restore(row.low, row.chunk, row.data)


def _repeated(numbers: Sequence[int]) -> set[int]:
    """Return the numbers that are there more than once."""
    if len(set(numbers)) == len(numbers):
        return set()
    return {number for number, times in Counter(numbers).items() if times > 1}


def _pack(chunk: bytes | bytearray) -> bytes:
    """Return a chunk as it is saved; one that is packed already as it is."""
    if len(chunk) != SIZE:
        return bytes(chunk)
    return zlib.compress(chunk, 1) if chunk.find(0) >= 0 else b""


def _unpack(data: bytes) -> bytearray:
    """Return a packed chunk as one byte per number; raises zlib.error for anything else."""
    return bytearray(zlib.decompress(data) if data else FULL)
