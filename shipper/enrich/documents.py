"""
The documents of the lines of one block that are not spliced: foreign ones, and odd ones of emit.

What many of them have in common is encoded once for a block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from shipper.enrich.classify import Classification, classify, stream_of
from shipper.enrich.context import RecordContext, context_of
from shipper.enrich.odd import RepairedRecord
from shipper.enrich.patterned import ReadLine
from shipper.events import Block, Events
from shipper.times import iso

MOST_TAILS = 256  # of a block: datasets and kinds of errors are few


_encode = msgspec.json.Encoder().encode


class _KnownTail(NamedTuple):
    """What records of one classification have in common; as long as this is there, it is."""

    classification: Classification
    tail: bytes
    stream: str


class BlockDocuments:
    """Adds the documents of a block to `events`, in the order of its lines."""

    def __init__(self, context: RecordContext, block: Block, dataset: str = "") -> None:
        self.events = Events()
        self._block = block
        self._stream = block.stream
        self._dataset = dataset  # of odd lines, where it is not for the record to say
        self._context = context
        self._created = iso(block.read_at)
        self._tails: dict[Classification, bytes] = {}
        self._known: dict[int, _KnownTail] = {}  # by the identity of the classification
        self._extra = dict(block.source.fields)
        self._tags = [*block.source.tags]
        path = msgspec.json.encode(block.path)
        self._log = b',"log":{"file":{"path":' + path + b'},"offset":'
        self._end = b',"stream":' + msgspec.json.encode(block.stream) + b"}}"

    def add(self, repaired: RepairedRecord, offset: int) -> None:
        """Add the record that was made of an odd line."""
        classification = classify(repaired.traits)
        if self._dataset:
            classification = replace(classification, dataset=self._dataset)
        fields = repaired.fields
        self.events.tagged += "tags" in fields
        if self._extra:
            fields["extra"] = self._extra | fields.get("extra", {})
        if self._tags:
            fields["tags"] = self._tags + fields.get("tags", [])
        origin, end = f"{self._block.stream}-{offset}", self._end
        if repaired.origin is not None:
            run, seq = repaired.origin
            origin, end = f"{run}-{seq}", b"}}"
            self.events.origins.setdefault(run, []).append(seq)
        tail = self._tail(classification, repaired.error) + b"%d" % offset + end
        self._append(fields, repaired.time, origin, tail, classification.dataset)

    def put(self, line: ReadLine, offset: int) -> None:
        """Add the record of a foreign line; its fields are of their types."""
        fields, extra, classification = line.fields, line.extra, line.classification
        if "tags" in fields:
            self.events.tagged += 1
        if self._extra:
            extra = self._extra | extra
        if extra:
            fields["extra"] = extra
        if self._tags:
            fields["tags"] = self._tags + fields.get("tags", [])
        known = self._known.get(id(classification))
        if known is None or line.error is not None:
            known = self._remembered(classification, line.error)
        fields["@timestamp"] = iso(line.time)
        events = self.events
        events.ids.append(f"{self._stream}-{offset}")
        events.docs.append(b"%b%b%d%b" % (_encode(fields)[:-1], known.tail, offset, self._end))
        events.times.append(line.time)
        events.datasets.append(known.stream)

    def _remembered(self, classification: Classification, error: str | None) -> _KnownTail:
        """Return the tail of records of this classification; a reader gives one object for all."""
        tail = self._tail(classification, error)
        known = _KnownTail(classification, tail, stream_of(classification.dataset))
        if error is None and len(self._known) < MOST_TAILS:
            self._known[id(classification)] = known
        return known

    def _tail(self, classification: Classification, error: str | None) -> bytes:
        """Return what enrichment adds, encoded, up to the digits of `log.offset`."""
        known = self._tails.get(classification)
        if known is not None and error is None:
            return known
        objects = context_of(self._context, classification, self._created)
        if error is not None:
            objects.setdefault("error", {})["message"] = error
        tail = b"," + msgspec.json.encode(objects)[1:-1] + self._log
        if error is None and len(self._tails) < MOST_TAILS:
            self._tails[classification] = tail
        return tail

    def _append(
        self, fields: dict[str, Any], time: int, origin: str, tail: bytes, dataset: str
    ) -> None:
        fields["@timestamp"] = iso(time)
        events = self.events
        events.ids.append(origin)
        events.docs.append(msgspec.json.encode(fields)[:-1] + tail)
        events.times.append(time)
        events.datasets.append(stream_of(dataset))
