"""
Hostile bytes through the reader and the enricher, held against what must be so whatever they are.

    python -m tests.fuzz SECONDS        (make fuzz)

A case is the bytes of a file, its limits, and how it is read. What must be so: every line that is
not blank, or too long to know, gives exactly one document; a document is valid JSON with every
field as `shipper.fields` has it; its `_id` says where it begins; a line gives the same document
whatever its neighbours are. Cases that once failed, and those that reach an oddity each, are kept
in `corpus/`: the first byte chooses limits and blocks, the rest is the file.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.enrich.enricher import Enricher
from shipper.enrich.origin import is_run
from shipper.enrich.record import Record
from shipper.tail.multiline import Multiline
from tests.enrich.enriching import CONTEXT, misfits
from tests.tail.tailing import Reader

CORPUS = Path(__file__).parent / "corpus"

LIMITS = (32, 64, 256, 4096)
BLOCKS = (64, 256, 4096, 1 << 16)


@dataclass(frozen=True, slots=True)
class Case:
    """The content of a file, and how it is read."""

    data: bytes
    limit: int
    block_bytes: int
    joins: bool

    @classmethod
    def of(cls, raw: bytes) -> Case:
        """Take a case from bytes of any kind."""
        choice = raw[0] if raw else 0
        return cls(raw[1:], LIMITS[choice & 3], BLOCKS[choice >> 2 & 3], bool(choice & 16))


def documents_of(case: Case) -> list[tuple[str, dict[str, Any]]]:
    """Read a file to its end, as if it was rotated away; return all `_id`s and documents."""
    multiline = Multiline(None, 20, case.limit, 1.0) if case.joins else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.log.1").write_bytes(case.data)
        reader = Reader(
            folder,
            block_bytes=case.block_bytes,
            max_line_bytes=case.limit,
            multiline=multiline,
        )
        reader._registry._db.execute("PRAGMA synchronous=OFF")
        enricher, end = Enricher(CONTEXT), 0
        found: list[tuple[str, dict[str, Any]]] = []
        for _ in range(4):
            blocks = reader.take(10.0)
            reader.ack(blocks)
            for block in blocks:
                assert block.start == end, "blocks follow one another"
                end = block.end
                events = enricher.enrich(block)
                assert len(events.times) == len(events.datasets) == len(events)
                found += zip(events.ids, map(_load, events.docs), strict=True)
        reader.close()
    assert end == len(case.data), "all of the file is read"
    return found


def _load(document: bytes) -> dict[str, Any]:
    """
    Decode with another JSON reader; no key twice, but for what `emit` writes.

    Those are not looked for in a line that is as `emit` writes it otherwise: it would cost every
    line, for something that `emit` never does.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        doubled = {key for key, count in Counter(key for key, _ in pairs).items() if count > 1}
        assert doubled <= {*Record.__struct_fields__}, doubled
        return dict(pairs)

    loaded: dict[str, Any] = json.loads(document, object_pairs_hook=once)
    return loaded


def check(case: Case) -> list[tuple[str, dict[str, Any]]]:
    """Hold one case against what must be so; return its documents."""
    found = documents_of(case)
    for _id, document in found:
        assert not [*misfits(document)], document
    offsets = [document["log"]["offset"] for _id, document in found]
    assert offsets == sorted(set(offsets))
    for (id_, document), offset in zip(found, offsets, strict=True):
        stream, _, position = id_.rpartition("-")
        if not is_run(stream):
            assert (stream, int(position)) == (document["log"]["stream"], offset)
    if case.joins:
        assert {0, *offsets} <= {0, *_starts(case.data, -1)}, "an event begins with a line"
    else:
        assert offsets == _starts(case.data, case.limit), "a document for every line"
    return found


def check_neighbours(left: bytes, line: bytes, right: bytes, limit: int) -> None:
    """Tell that a line gives the document that it gives alone, whatever is around it."""
    line = line.replace(b"\n", b"")
    alone = check(Case(b"\n" + line + b"\n", limit, 4096, joins=False))
    around = check(Case(left + b"\n" + line + b"\n" + right, limit, 4096, joins=False))
    at = len(left) + 1
    here = [document for _id, document in around if document["log"]["offset"] == at]
    assert [_plain(document) for document in here] == [_plain(d) for _id, d in alone]


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out where the line stands, and when it was read."""
    left = {key: value for key, value in document.items() if key not in {"log", "event"}}
    if "no_timestamp" in left.get("tags", []) or "message" in left:
        left.pop("@timestamp")
    return left


def _starts(data: bytes, limit: int) -> list[int]:
    """
    Return the offsets of the lines, but of blank ones that are not longer than the limit.

    A line begins behind the NUL bytes of a hole.
    """
    starts, offset = [], 0
    for line in data.split(b"\n"):
        text = line.lstrip(b"\0")
        if text.strip() or len(text) > limit:
            starts.append(offset + len(line) - len(text))
        offset += len(line) + 1
    return starts


def tags_of(found: list[tuple[str, dict[str, Any]]]) -> Counter[str]:
    """Count the tags of documents."""
    return Counter(tag for _id, document in found for tag in document.get("tags", []))
