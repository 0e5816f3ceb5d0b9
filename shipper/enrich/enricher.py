"""
Blocks of lines to documents.

The fast path takes a whole block: one call validates all of its lines and takes out the few
fields that enrichment looks at; the enrichment is spliced into the line's own bytes before the
closing brace, and what depends only on logger, level and status is a remembered string. If a
line of the block does not fit, the lines are tried one by one, and those that don't fit go
through `odd.mend`: one bad line costs only itself, and never its neighbours.

Every line gives exactly one document (blank ones give none), in the order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from shipper.enrich import odd
from shipper.enrich.classify import Classification, Traits, classify
from shipper.enrich.clock import FRACTIONS, Seconds, iso
from shipper.enrich.origin import is_run
from shipper.enrich.record import Record
from shipper.events import Block, Events

if TYPE_CHECKING:
    from collections.abc import Sequence

MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

BEGIN = b'{"timestamp":"'  # of every line that `emit` writes

RUNS_REMEMBERED = 4096  # runs that were found well formed; a host has a few alive at a time


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every record of this shipper has in common."""

    host: str
    service: str
    environment: str
    version: str
    namespace: str


class Enricher:
    """Turn blocks into events; used by one thread."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._decoder = msgspec.json.Decoder(Record)
        self._seconds = Seconds()
        self._runs: set[str] = set()

    def enrich(self, block: Block) -> Events:
        """Make the events of one block."""
        lines = block.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        work = _Work(self._surroundings, block, self._seconds, self._runs)
        records = self._decode(block, lines)
        if records is None:
            self._one_by_one(block, lines, work)
        else:
            work.splice(records, lines)
        if len(self._runs) > RUNS_REMEMBERED:
            self._runs.clear()
        return work.events

    def _decode(self, block: Block, lines: Sequence[bytes]) -> list[Record] | None:
        """Decode all lines at once; None if any of them needs a closer look."""
        if block.cut or max(map(len, lines), default=0) > block.limit:
            return None
        # The decoder takes several records on one line, and one on several lines; so it is not
        # enough that there are as many records as lines. A line with these ends has a whole one.
        whole = block.data.startswith(BEGIN) and block.data.endswith((b"}\n", b"}"))
        if not whole or block.data.count(b"}\n" + BEGIN) != len(lines) - 1:
            return None
        try:
            records: list[Record] = self._decoder.decode_lines(block.data)
        except MISFITS:
            return None
        return records if len(records) == len(lines) else None

    def _one_by_one(self, block: Block, lines: Sequence[bytes], work: _Work) -> None:
        for line in lines:
            records = None
            if line.startswith(BEGIN) and line.endswith(b"}"):
                records = self._decode_one(block, line)
            if records is None:
                work.mend(line, block.limit)
            else:
                work.splice(records, (line,))

    def _decode_one(self, block: Block, line: bytes) -> list[Record] | None:
        if block.cut or len(line) > block.limit:
            return None
        try:
            return [self._decoder.decode(line)]
        except MISFITS:
            return None


class _Work:
    """One block on its way: the events so far, the offset of the next line."""

    def __init__(
        self, surroundings: Surroundings, block: Block, seconds: Seconds, runs: set[str]
    ) -> None:
        self.events = Events()
        self._surroundings = surroundings
        self._block = block
        self._seconds = seconds
        self._runs = runs
        self._offset = block.start
        self._created = iso(block.read_at)
        self._tails: dict[tuple[object, ...], tuple[str, str]] = {}

    def splice(self, records: Sequence[Record], lines: Sequence[bytes]) -> None:
        """Add records that are well formed: their own bytes, and the enrichment behind them."""
        events = self.events
        ids, docs, times, datasets = events.ids, events.docs, events.times, events.datasets
        seconds, fractions, tails = self._seconds, FRACTIONS, self._tails
        offset = self._offset
        run: str | None = None
        numbers: list[int] = []
        for record, line in zip(records, lines, strict=True):
            timestamp, seq = record.timestamp, record.seq
            try:
                time = seconds[timestamp[:19]] + fractions[timestamp[19:]]
                if record.run != run:
                    numbers = self._numbers(record.run)
                    run = record.run
            except KeyError:  # a time or run that `emit` doesn't write
                self._offset = offset
                self.mend(line, len(line))
                offset = self._offset
                continue
            key = (record.logger, record.level, record.status_code, record.status)
            dataset, tail = tails.get(key) or self._tail(key)
            ids.append(f"{run}-{seq}")
            # its first key is `timestamp`, which `@timestamp` stands for in the store
            docs.append(b'{"@' + line[2:-1] + f"{tail}{offset}}}}}".encode())
            times.append(time)
            datasets.append(dataset)
            numbers.append(seq)
            offset += len(line) + 1
        self._offset = offset

    def mend(self, line: bytes, limit: int) -> None:
        """Add one line that is odd in some way; a blank one only moves the offset."""
        offset, block = self._offset, self._block
        self._offset += len(line) + 1
        if not line.strip():
            return
        mended = odd.mend(line, limit, cut=block.cut, at_start=offset == 0, read_at=block.read_at)
        classification = classify(mended.traits)
        if mended.origin is None:
            origin = f"{block.stream}-{offset}"
        else:
            run, seq = mended.origin
            origin = f"{run}-{seq}"
            self.events.origins.setdefault(run, []).append(seq)
        log = {"file": {"path": block.path}, "offset": offset}
        if mended.origin is None:
            log["stream"] = block.stream
        document = {
            **mended.fields,
            "@timestamp": iso(mended.time),
            **self._context(classification),
            "log": log,
        }
        self.events.ids.append(origin)
        self.events.docs.append(msgspec.json.encode(document))
        self.events.times.append(mended.time)
        self.events.datasets.append(classification.dataset)
        self.events.tagged += "tags" in mended.fields

    def _numbers(self, run: str) -> list[int]:
        """Give the list that collects the numbers of this run; KeyError if it is none."""
        if run not in self._runs:
            if not is_run(run):
                raise KeyError(run)
            self._runs.add(run)
        return self.events.origins.setdefault(run, [])

    def _tail(self, key: tuple[str, str, int, str]) -> tuple[str, str]:
        """Make dataset and spliced text for (logger, level, status_code, status)."""
        logger, level, status_code, status = key
        classification = classify(Traits(logger, level, status, status_code))
        context = msgspec.json.encode(self._context(classification)).decode()
        path = msgspec.json.encode(self._block.path).decode()
        tail = f',{context[1:-1]},"log":{{"file":{{"path":{path}}},"offset":'
        self._tails[key] = classification.dataset, tail
        return classification.dataset, tail

    def _context(self, classification: Classification) -> dict[str, dict[str, object]]:
        """Give the objects that enrichment adds, but for `log`."""
        around = self._surroundings
        event: dict[str, object] = {"dataset": classification.dataset, "kind": "event"}
        if classification.categories:
            event["category"] = classification.categories
        event["created"] = self._created
        context: dict[str, dict[str, object]] = {
            "host": {"name": around.host},
            "service": {
                "name": around.service,
                "environment": around.environment,
                "version": around.version,
            },
            "event": event,
            "data_stream": {
                "type": "logs",
                "dataset": classification.dataset,
                "namespace": around.namespace,
            },
        }
        if classification.error:
            context["error"] = {"category": classification.error}
        return context
