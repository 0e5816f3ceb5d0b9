"""
Blocks of lines to documents.

The fast path takes a whole block: one call validates all of its lines and takes out the few
fields that enrichment looks at; the enrichment is spliced into the line's own bytes before the
closing brace, and what depends only on logger, level and status is a remembered string. If a
line of the block does not fit, the lines are tried one by one, and those that don't fit go
through `odd.repair`: one bad line costs only itself, and never its neighbours. That holds for
faults of this code, too: a line on which it raises anything is stored as text, tagged `unreadable`.

Every line gives exactly one document (blank ones give none), in the order of the file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from types import MappingProxyType

import msgspec

from shipper.enrich import odd
from shipper.enrich.classify import Traits, classify, stream_of
from shipper.enrich.clock import are_canonical
from shipper.enrich.containers import ContainerReader
from shipper.enrich.context import RecordContext as RecordContext  # noqa: PLC0414 -- part of its interface
from shipper.enrich.context import context_of
from shipper.enrich.documents import BlockDocuments
from shipper.enrich.foreign import JsonReader
from shipper.enrich.logfmt import LogfmtReader
from shipper.enrich.origin import is_run
from shipper.enrich.patterned import FormatReader, LineReader
from shipper.enrich.record import Record
from shipper.enrich.w3c import W3cReader
from shipper.errors import bug_of
from shipper.events import Block, Events, Source
from shipper.fields import level_of
from shipper.formats.definition import LogFormat
from shipper.formats.table import CONTAINERS, FORMATS, JSON, LOGFMT_NAME, W3C_NAME
from shipper.formats.web import W3C_FIELDS
from shipper.splice import (
    AROUND_BODY,
    AnyEvents,
    Spliced,
    SplicedTail,
    begin_with_their_times,
    body_of,
    split_lines,
    tail_of,
)
from shipper.times import iso

log = logging.getLogger(__name__)

MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

NO_FORMATS: Mapping[str, LogFormat] = MappingProxyType({})
CONTEXTS_REMEMBERED = 4096  # of files
LINES_LOGGED = 3  # of a block with lines on which enrichment fails
RUNS_REMEMBERED = 4096  # runs that were found well formed; a host has a few alive at a time
CREATED = iso(0)  # stands in a remembered tail for the time of reading


class _OddLevelError(Exception):
    """A level by another name than its own; the line is put right."""


class Enricher:
    """Turn blocks into events; used by one thread."""

    def __init__(
        self, context: RecordContext, own_formats: Mapping[str, LogFormat] = NO_FORMATS
    ) -> None:
        self._context = context
        self._formats = {**FORMATS, **own_formats}
        self._contexts: dict[tuple[Source, str], RecordContext] = {}
        self._readers: dict[Source, LineReader | ContainerReader | None] = {}
        self._decoder = msgspec.json.Decoder(Record)
        self._runs: set[str] = set()
        self._parts = _Parts(context)

    def enrich(self, block: Block) -> AnyEvents:
        """Make the events of one block; raises nothing, whatever the bytes are."""
        try:
            events = self._enrich(block)
        except Exception as error:  # noqa: BLE001 -- any bug; no line stops the others
            place = f"{block.path}, from byte {block.start}"
            log.error("%s: a bug in enrichment: %s", place, bug_of(error))  # noqa: TRY400
            events = self._one_by_one(block)
        if len(self._runs) > RUNS_REMEMBERED:
            self._runs.clear()
        return events

    def _work(self, block: Block) -> _Work:
        key = block.source, block.path
        context = self._contexts.get(key)
        if context is None:
            if len(self._contexts) >= CONTEXTS_REMEMBERED:
                self._contexts.clear()
            context = self._contexts[key] = self._context.of(*key)
        dataset = block.source.dataset
        if not dataset and block.source.format in self._formats:
            dataset = self._formats[block.source.format].layouts[-1].dataset
        return _Work(context, block, dataset, self._runs, self._parts)

    def _enrich(self, block: Block) -> AnyEvents:
        work = self._work(block)
        source = block.source
        reader = self._readers[source] if source in self._readers else self._reader_of(source)
        if reader is not None:
            if isinstance(reader, ContainerReader):
                for line in _lines(block):
                    work.read_container(line, reader)
            elif isinstance(reader, W3cReader):
                work.read_columns(_lines(block), reader)
            else:
                work.read_all(_lines(block), reader)
            return work.events
        events = self._whole(block, work)
        if events is not None:
            return events if source.is_plain() else work.decorated(events)
        for line in _lines(block):
            self._line(line, block, work)
        return work.events

    def _reader_of(self, source: Source) -> LineReader | ContainerReader | None:
        """Return what reads the lines of a format; None for those of emit."""
        reader: LineReader | ContainerReader | None = None
        if source.format == JSON:
            reader = JsonReader(source.dataset)
        elif source.format == LOGFMT_NAME:
            reader = LogfmtReader(JsonReader(source.dataset))
        elif source.format == W3C_NAME:
            reader = W3cReader(source.zone, source.dataset)
        elif source.format in CONTAINERS:
            reader = ContainerReader(source.format, source.zone, source.dataset)
        elif source.format in self._formats:
            reader = FormatReader(self._formats[source.format], source.zone, source.dataset)
        return self._readers.setdefault(source, reader)

    def _one_by_one(self, block: Block) -> Events:
        """Make the events line by line; a line on which enrichment fails is text."""
        events, start, failed = Events(), block.start, 0
        for line in _lines(block):
            end = start + len(line) + 1
            starts = (0,) if block.starts else ()
            alone = replace(block, data=line + b"\n", start=start, end=end, starts=starts)
            if line.startswith(W3C_FIELDS):
                block = replace(block, preamble=line.rstrip(b"\r"))
            try:
                found = self._enrich(alone)
                columns = (found.ids, found.docs, found.times, found.datasets)
                events.extend(Events(*columns, found.origins, found.tagged, found.misfits))
            except Exception as error:  # noqa: BLE001 -- logged above, with its traceback
                failed += 1
                if failed <= LINES_LOGGED:
                    kind = type(error).__name__
                    log.error("%s, byte %d: %s; the line is text", block.path, start, kind)  # noqa: TRY400
                work = self._work(alone)
                work.add(odd.as_text(line, block.limit, "unreadable", block.read_at))
                events.extend(work.events)
            start = end
        if failed > LINES_LOGGED:
            log.error("%s: %d lines of a block are stored as text", block.path, failed)
        return events

    def _whole(self, block: Block, work: _Work) -> Spliced | None:
        """Splice all lines at once; return None if any needs a closer look."""
        if block.cut or block.starts:
            return None
        bodies = split_lines(block.data)
        if bodies is None:
            return None
        data = block.data
        if len(data) > block.limit and max(map(len, bodies)) > block.limit - AROUND_BODY + 1:
            return None
        try:
            records: list[Record] = self._decoder.decode_lines(data)
        except MISFITS:
            return None
        # The decoder accepts several records on one line, and one on several lines. A line of this
        # form has a whole record at least: with as many records as lines, each line has one.
        return work.splice(records, bodies) if len(records) == len(bodies) else None

    def _line(self, line: bytes, block: Block, work: _Work) -> None:
        """Splice one line, or put it right."""
        spliced = None
        body = body_of(line)
        if body is not None:
            record = self._decode(line, block)
            if record is not None:
                spliced = work.splice([record], [body])
        if spliced is None:
            work.repair(line, block.limit)
        else:
            work.events.extend(work.decorated(spliced))

    def _decode(self, line: bytes, block: Block) -> Record | None:
        if block.cut or len(line) > block.limit:
            return None
        try:
            return self._decoder.decode(line)
        except MISFITS:
            return None


_PartsKey = tuple[Source, str, tuple[str, str, int, str]]


class _Parts(dict[_PartsKey, tuple[str, bytes, bytes]]):
    """(source, path, traits) → dataset, and the tail before and behind the time of reading."""

    LIMIT = 4096  # remembered: each of 100 files has a few dozen
    LONGEST = 1024  # characters of the traits that are remembered

    def __init__(self, context: RecordContext) -> None:
        super().__init__()
        self._context = context

    def __missing__(self, key: _PartsKey) -> tuple[str, bytes, bytes]:
        source, path, (logger, level, status_code, status) = key
        if level_of(level) != level:
            raise _OddLevelError
        classification = classify(Traits(logger, level, status, status_code))
        if source.dataset:
            classification = replace(classification, dataset=source.dataset)
        context = context_of(self._context.of(source, path), classification, CREATED)
        log = {"log": {"file": {"path": path}, "offset": 0}}
        tail = tail_of(msgspec.json.encode(context), msgspec.json.encode(log))
        before, _, behind = tail.partition(b'"created":"' + CREATED.encode())
        dataset = stream_of(classification.dataset)
        if len(logger) + len(level) + len(status) > self.LONGEST:
            return dataset, before + b'"created":"', behind
        if len(self) >= self.LIMIT:
            self.clear()
        return self.setdefault(key, (dataset, before + b'"created":"', behind))


class _Tails(dict[tuple[str, str, int, str], SplicedTail]):
    """(logger, level, status_code, status) → the tail of such a record in this block."""

    def __init__(self, parts: _Parts, block: Block, created: str) -> None:
        super().__init__()
        self._parts = parts
        self._source = block.source
        self._path = block.path
        self._created = created.encode()

    def __missing__(self, key: tuple[str, str, int, str]) -> SplicedTail:
        dataset, before, behind = self._parts[self._source, self._path, key]
        return self.setdefault(key, SplicedTail(dataset, before + self._created + behind))


def _lines(block: Block) -> list[bytes]:
    """Cut a block into its events, without the newline of each."""
    data = block.data
    if not block.starts:
        return data.removesuffix(b"\n").split(b"\n")
    ends = (*block.starts[1:], len(data))
    return [
        data[start:end].removesuffix(b"\n") for start, end in zip(block.starts, ends, strict=True)
    ]


class _Work:
    """One block on its way: the events so far, the offset of the next line."""

    def __init__(
        self,
        context: RecordContext,
        block: Block,
        dataset: str,
        runs: set[str],
        parts: _Parts,
    ) -> None:
        self._documents = BlockDocuments(context, block, dataset)
        self._block = block
        self._runs = runs
        self._offset = block.start
        self._tails = _Tails(parts, block, iso(block.read_at))

    @property
    def events(self) -> Events:
        """The events so far."""
        return self._documents.events

    def splice(self, records: Sequence[Record], bodies: list[bytes]) -> Spliced | None:
        """
        Take records that are well formed: their own bytes, and the enrichment behind them.

        `bodies` are the lines without what every line begins and ends with. None, and nothing
        taken, if one of them has a time, a run or a level that has to be put right. Column by
        column: a step over all records costs less than all steps over one.
        """
        timestamps = [record.timestamp for record in records]
        if not are_canonical(timestamps) or not begin_with_their_times(bodies, timestamps):
            return None
        runs = [record.run for record in records]
        seqs = [record.seq for record in records]
        origins = _origins(runs, seqs)
        if len(origins) == 1:
            runs = [*origins] * len(runs)  # one text for all
        if not all(map(self._is_run, origins)):
            return None
        of = self._tails
        try:
            tails = [of[each.logger, each.level, each.status_code, each.status] for each in records]
        except _OddLevelError:
            return None
        *offsets, self._offset = accumulate(
            map(len, bodies), lambda offset, size: offset + size + AROUND_BODY, initial=self._offset
        )
        return Spliced(
            bodies,
            tails,
            offsets,
            runs,
            seqs,
            origins,
            records,
        )

    def decorated(self, spliced: Spliced) -> Events:
        """Return records as emit wrote them with what their input adds."""
        events, source = spliced.events(), self._block.source
        added: dict[str, object] = {"extra": dict(source.fields)} if source.fields else {}
        if source.tags:
            added["tags"] = source.tags
        if added:
            begin = msgspec.json.encode(added)[:-1] + b","
            events.docs = [begin + doc[1:] for doc in events.docs]
        return events

    def read_all(self, lines: list[bytes], reader: LineReader) -> None:
        """Add events of a format; what does not have it is put right as any line."""
        block = self._block
        limit = -1 if block.cut else block.limit
        misfit = "not_json" if block.source.format == JSON else "no_match"
        read, put, read_at = reader.read, self._documents.put, block.read_at
        offset = self._offset
        for line in lines:
            size = len(line)
            found = read(line, read_at) if size <= limit else None
            if found is None:
                self._offset = offset
                self.repair(line, block.limit, misfit=misfit)
            else:
                put(found, offset)
            offset += size + 1
        self._offset = offset

    def read_columns(self, lines: list[bytes], reader: W3cReader) -> None:
        """Add lines whose columns are named by some of them, which are no events themselves."""
        reader.begin(self._block.preamble)
        for line in lines:
            if reader.is_comment(line):
                self._offset += len(line) + 1
            else:
                self.read_all([line], reader)

    def read_container(self, event: bytes, reader: ContainerReader) -> None:
        """Add what a container wrote in lines that were cut from the file together."""
        block = self._block
        if len(event) > block.limit or block.cut:
            self.repair(event, block.limit, misfit="no_match")
            return
        begin = self._offset
        for start, found in reader.read_all(event, block.read_at):
            self._offset = begin + start
            if isinstance(found, bytes):
                self.repair(found, block.limit, misfit="no_match")
            else:
                self._documents.put(found, self._offset)
        self._offset = begin + len(event) + 1

    def repair(self, line: bytes, limit: int, misfit: str = "not_json") -> None:
        """
        Add one line that is odd in some way; a blank one only moves the offset.

        NUL bytes before it are no part of it, and it begins behind them: they are a hole in the
        file, which the tailer passes over as well, if it is long. `misfit` is the tag of what is
        no JSON.
        """
        behind = line.lstrip(b"\0")
        self._offset += len(line) - len(behind)
        line = behind
        offset, block = self._offset, self._block
        # Beyond the limit a line is not known to be blank.
        if line.strip() or len(line) > limit or block.cut:
            repaired = odd.repair(
                line, limit, cut=block.cut, at_start=offset == 0, read_at=block.read_at
            )
            tags = repaired.fields.get("tags", [])
            if misfit != "not_json" and "not_json" in tags:
                tags[tags.index("not_json")] = misfit
                self.events.misfits += 1
            self.add(repaired)
        self._offset += len(line) + 1

    def add(self, repaired: odd.RepairedRecord) -> None:
        """Add the record of the next line."""
        self._documents.add(repaired, self._offset)

    def _is_run(self, run: str) -> bool:
        if run not in self._runs:
            if not is_run(run):
                return False
            self._runs.add(run)
        return True


def _origins(runs: list[str], seqs: list[int]) -> dict[str, list[int]]:
    """Return the numbers per run, in their order."""
    if runs.count(runs[0]) == len(runs):
        return {runs[0]: seqs}
    origins: dict[str, list[int]] = {}
    for run, seq in zip(runs, seqs, strict=True):
        origins.setdefault(run, []).append(seq)
    return origins
