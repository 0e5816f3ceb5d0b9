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
RENAMED = b'{"@timestamp":"'  # the same time, under the name that the store needs
END = b"}\n"
AROUND = len(BEGIN) + 1  # bytes of a line, but for its newline, around its body

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
        work = _Work(self._surroundings, block, self._seconds, self._runs)
        if not self._whole(block, work):
            for line in block.data.removesuffix(b"\n").split(b"\n"):
                self._line(line, block, work)
        if len(self._runs) > RUNS_REMEMBERED:
            self._runs.clear()
        return work.events

    def _whole(self, block: Block, work: _Work) -> bool:
        """Splice all lines at once; False, and nothing done, if any needs a closer look."""
        data = block.data
        if block.cut or not data.startswith(BEGIN) or not data.endswith(END):
            return False
        # One split takes off what every line begins and ends with. The decoder takes several
        # records on one line, and one on several lines: so lines, pieces and records must be as
        # many. A line with these ends has a whole record at least.
        bodies = data.split(END + BEGIN)
        lines = data.count(b"\n")
        if len(bodies) != lines:
            return False
        bodies[0] = bodies[0][len(BEGIN) :]
        bodies[-1] = bodies[-1][: -len(END)]
        if len(data) > block.limit and max(map(len, bodies)) > block.limit - AROUND:
            return False
        try:
            records: list[Record] = self._decoder.decode_lines(data)
        except MISFITS:
            return False
        return len(records) == lines and work.splice(records, bodies)

    def _line(self, line: bytes, block: Block, work: _Work) -> None:
        """Splice one line, or mend it."""
        record = None
        if line.startswith(BEGIN) and line.endswith(b"}"):
            record = self._decode(line, block)
        if record is None or not work.splice((record,), (line[len(BEGIN) : -1],)):
            work.mend(line, block.limit)

    def _decode(self, line: bytes, block: Block) -> Record | None:
        if block.cut or len(line) > block.limit:
            return None
        try:
            return self._decoder.decode(line)
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
        self._tails: dict[tuple[str, str, int, str], tuple[str, str]] = {}

    def splice(self, records: Sequence[Record], bodies: Sequence[bytes]) -> bool:
        """
        Add records that are well formed: their own bytes, and the enrichment behind them.

        `bodies` are the lines without what every line begins and ends with. False, and nothing
        added, if one of them has a time or a run that `emit` doesn't write.
        """
        seconds, fractions, tails, offset = self._seconds, FRACTIONS, self._tails, self._offset
        ids, docs, times, datasets = [], [], [], []
        origins: dict[str, list[int]] = {}
        run: str | None = None
        numbers: list[int] = []
        try:
            for record, body in zip(records, bodies, strict=True):
                timestamp, seq = record.timestamp, record.seq
                times.append(seconds[timestamp[:19]] + fractions[timestamp[19:]])
                if record.run != run:
                    run = self._checked(record.run)
                    numbers = origins.setdefault(run, [])
                numbers.append(seq)
                key = (record.logger, record.level, record.status_code, record.status)
                dataset, tail = tails.get(key) or self._tail(key)
                ids.append(f"{run}-{seq}")
                docs.append(RENAMED + body + f"{tail}{offset}}}}}".encode())
                datasets.append(dataset)
                offset += len(body) + AROUND + 1
        except KeyError:
            return False
        events = self.events
        events.ids += ids
        events.docs += docs
        events.times += times
        events.datasets += datasets
        for known, taken in origins.items():
            events.origins.setdefault(known, []).extend(taken)
        self._offset = offset
        return True

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

    def _checked(self, run: str) -> str:
        """Give the run back; KeyError if it is none."""
        if run not in self._runs:
            if not is_run(run):
                raise KeyError(run)
            self._runs.add(run)
        return run

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
