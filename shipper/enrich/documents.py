"""
The documents of the lines of one block that are not spliced: foreign ones, and odd ones of emit.

What many of them have in common is encoded once for a block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from shipper.enrich.classify import Classification, classify
from shipper.enrich.context import RecordContext, context_of
from shipper.enrich.odd import RepairedRecord
from shipper.enrich.patterned import ReadLine
from shipper.events import Block, Events
from shipper.times import iso

MOST_AROUND = 256  # of a block: datasets and kinds of errors are few

Around = dict[str, msgspec.Raw]


class BlockDocuments:
    """Adds the documents of a block to `events`, in the order of its lines."""

    def __init__(self, context: RecordContext, block: Block) -> None:
        self.events = Events()
        self._block = block
        self._source = block.source
        self._context = context
        self._created = iso(block.read_at)
        self._around: dict[Classification, Around] = {}
        self._extra = dict(block.source.fields)
        self._tags = [*block.source.tags]
        path = msgspec.json.encode(block.path)
        self._log = b'{"file":{"path":' + path + b'},"offset":'
        self._stream = b',"stream":' + msgspec.json.encode(block.stream) + b"}"

    def add(self, repaired: RepairedRecord, offset: int) -> None:
        """Add the record that was made of an odd line."""
        classification = classify(repaired.traits)
        if self._source.dataset:
            classification = replace(classification, dataset=self._source.dataset)
        foreign = repaired.origin is None
        if repaired.origin is None:
            origin = f"{self._block.stream}-{offset}"
        else:
            run, seq = repaired.origin
            origin = f"{run}-{seq}"
            self.events.origins.setdefault(run, []).append(seq)
        around: dict[str, Any] = dict(self.around(classification))
        if repaired.error is not None:
            error = {"category": classification.error} if classification.error else {}
            around["error"] = error | {"message": repaired.error}
        fields = repaired.fields
        self.events.tagged += "tags" in fields
        if self._extra:
            fields["extra"] = self._extra | fields.get("extra", {})
        if self._tags:
            fields["tags"] = self._tags + fields.get("tags", [])
        document = {**fields, "@timestamp": iso(repaired.time), **around}
        self._append(document, offset, origin, repaired.time, classification, foreign=foreign)

    def put(self, line: ReadLine, offset: int) -> None:
        """Add the record of a foreign line; its fields are of their types."""
        fields, extra, time, classification = line
        self.events.tagged += "tags" in fields
        if self._extra:
            extra = self._extra | extra
        if extra:
            fields["extra"] = extra
        if self._tags:
            fields["tags"] = self._tags + fields.get("tags", [])
        fields["@timestamp"] = iso(time)
        fields.update(self.around(classification))
        origin = f"{self._block.stream}-{offset}"
        self._append(fields, offset, origin, time, classification, foreign=True)

    def around(self, classification: Classification) -> Around:
        """Return the objects that enrichment adds, but for `log`, encoded."""
        found = self._around.get(classification)
        if found is None:
            objects = context_of(self._context, classification, self._created)
            found = {name: msgspec.Raw(msgspec.json.encode(each)) for name, each in objects.items()}
            if len(self._around) < MOST_AROUND:
                self._around[classification] = found
        return found

    def _append(  # noqa: PLR0913 -- the columns of an event
        self,
        document: dict[str, Any],
        offset: int,
        origin: str,
        time: int,
        classification: Classification,
        *,
        foreign: bool,
    ) -> None:
        events = self.events
        end = self._stream if foreign else b"}"
        document["log"] = msgspec.Raw(self._log + b"%d" % offset + end)
        events.ids.append(origin)
        events.docs.append(msgspec.json.encode(document))
        events.times.append(time)
        events.datasets.append(classification.dataset)
