"""Two different records with one run and seq are both kept; copies of one are one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from shipper.deliver.dedupe import Dedupe
from shipper.deliver.same_origin import RECENT_BLOCKS, TAG, BodyHashes, RecordContent, content_of
from shipper.enrich.enricher import Enricher
from shipper.events import Block
from shipper.registry.receipts import receipt_of
from shipper.splice import AnyEvents, Spliced
from tests.deliver.delivering import NOW, RUN, TIME
from tests.enrich.enriching import CONTEXT

FOREIGN = "plain text\n"


def line(seq: int, message: str, **more: object) -> str:
    fields = {"timestamp": TIME, "level": "INFO", "logger": "a", "message": message}
    return msgspec.json.encode({**fields, **more, "run": RUN, "seq": seq}).decode() + "\n"


class Reading:
    """Reads files of lines through enrichment and deduplication, as the pipeline does."""

    def __init__(self, stored: Mapping[int, RecordContent] | None = None) -> None:
        self.asked: list[int] = []
        self._stored = stored or {}
        self.dedupe = Dedupe([], {}, stored_contents=self._contents)
        self._enricher = Enricher(CONTEXT)
        self.read: AnyEvents
        self.ids: list[str] = []
        self.docs: list[dict[str, Any]] = []

    def _contents(self, _run: str, numbers: Sequence[int]) -> Mapping[int, RecordContent]:
        self.asked += numbers
        return {each: self._stored[each] for each in numbers if each in self._stored}

    def take(self, *lines: str, path: str = "a", start: int = 0, again: bool = False) -> list[str]:
        """Read lines; return the ids of what is delivered."""
        data = "".join(lines).encode()
        block = Block(ord(path[0]), path, f"{path}00", start, start + len(data), data, NOW, 1 << 20)
        block = replace(block, again=again)
        self.read = self.dedupe.separate(block, self._enricher.enrich(block))
        kept = self.dedupe.filter(block, self.read)
        self.ids += kept.ids
        self.docs += map(msgspec.json.decode, kept.docs)
        return kept.ids


def test_another_record_with_a_number_that_is_taken_is_kept() -> None:
    """Its id is its place; its run and seq are under extra, so that none is there twice."""
    reading = Reading()
    reading.take(line(0, "one"), line(1, "two"))
    assert reading.take(line(0, "another"), line(2, "three"), path="b") == ["b00-0", f"{RUN}-2"]
    other = reading.docs[2]
    assert (other["message"], other["tags"], other["log"]["offset"]) == ("another", [TAG], 0)
    assert other["extra"] == {"run": RUN, "seq": 0}
    assert other["log"]["stream"] == "b00"
    assert "run" not in other
    assert reading.read.origins == {RUN: [2]}
    assert reading.dedupe.take_separated() == 1


def test_a_writer_that_begins_at_0_again_loses_nothing() -> None:
    """In one file, in one block, and though every number is the same."""
    reading = Reading()
    reading.take(*[line(0, f"message {each}") for each in range(5)])
    reading.take(*[line(each, f"later {each}") for each in range(3)], start=1000)
    assert len({*reading.ids}) == 8
    assert [doc["message"] for doc in reading.docs].count("later 0") == 1


@pytest.mark.parametrize("beside", ["", FOREIGN])
def test_copies_are_one_record(beside: str) -> None:
    """Also where the block of one of them is not spliced, and where the input adds fields."""
    reading = Reading()
    reading.take(line(0, "one"), line(1, "two"))
    kept = reading.take(line(1, "two"), beside, path="error")
    assert len(kept) == bool(beside)
    assert reading.dedupe.take_separated() == 0


def test_a_copy_of_the_other_record_is_one_too() -> None:
    """What two files have of the second record is stored once, with the first of them."""
    reading = Reading()
    reading.take(line(0, "one"))
    assert reading.take(line(0, "other"), path="b") == ["b00-0"]
    assert reading.take(line(0, "other"), path="c") == []
    assert reading.take(line(0, "third"), path="d") == ["d00-0"]


def test_what_was_stored_before_the_start_is_compared() -> None:
    """After a crash the lines are read again: what the store has decides, and the id stays."""
    stored = content_of(line(0, "one").replace("timestamp", "@timestamp", 1).encode())
    assert stored is not None
    for _ in range(2):
        reading = Reading({0: stored})
        reading.dedupe.recover([(RUN, [0])])
        assert reading.take(line(0, "one")) == []
        assert reading.take(line(0, "other"), path="b") == ["b00-0"]
        assert reading.asked == [0]


def test_the_store_is_not_asked_for_copies_to_the_byte() -> None:
    """However long ago the first was read: a hash of it is enough."""
    reading = Reading()
    for path in ("error", "a", "error"):
        reading.take(line(9999 + ord(path[0]), "both"), path=path)
    for number in range(RECENT_BLOCKS + 10):
        reading.take(line(number, "one"), start=number * 1000)
    assert reading.take(line(0, "one"), line(5, "one"), path="error") == []
    assert reading.asked == []
    reading.take(line(1, "other"), path="error", start=500)
    assert reading.asked == [1]


def test_what_is_nowhere_counts_as_a_copy() -> None:
    """A number that was accepted, and whose record can't be compared, is not stored twice."""
    reading = Reading()
    reading.dedupe.recover([(RUN, [0])])
    assert reading.take(line(0, "one")) == []


def test_a_record_read_again_on_request_keeps_its_id() -> None:
    """A repair sends the second record as what it was."""
    reading = Reading()
    reading.take(line(0, "one"))
    reading.take(line(0, "other"), path="b")
    assert reading.take(line(0, "other"), path="b", again=True) == ["b00-0"]


def test_extra_tags_and_what_cannot_be_compared() -> None:
    """What a line has is kept; a line without a time is compared by the rest."""
    reading = Reading()
    reading.take(line(0, "one", user=7))
    reading.take(line(0, "two", user=8), path="b")
    assert reading.docs[1]["extra"] == {"user": 8, "run": RUN, "seq": 0}
    timeless = line(3, "same").replace(f'"timestamp":"{TIME}",', "")
    reading.take(timeless)
    assert reading.take(timeless, path="b", start=500) == []


def test_receipts_count_the_other_record_where_it_stands() -> None:
    """The audit looks for it under its own id, and for its number but once."""
    reading = Reading()
    reading.take(line(0, "one"))
    reading.take(line(0, "other"), line(1, "two"), path="b")
    data = (line(0, "other") + line(1, "two")).encode()
    block = Block(2, "b", "b00", 0, len(data), data, NOW, 1 << 20)
    receipt = receipt_of(block, reading.read)
    assert receipt is not None
    ranges = {each.stream: (each.first, each.last, each.lines) for each in receipt.ranges}
    assert ranges == {RUN: (1, 1, 1), "b00": (0, 0, 1)}


def test_lines_are_hashed_where_files_take_turns() -> None:
    """Not where a file was rotated: there are no copies, and it would cost time."""
    reading, hashes = Reading(), BodyHashes()
    for number, path in enumerate(("a", "b", "b", "c", "b")):
        reading.take(line(number, "one"), path=path)
        hashes.add(reading.read, ord(path))
        assert isinstance(reading.read, Spliced)
        assert hashes.has(RUN, number, reading.read.bodies[0]) == (number == 4)


def test_new_numbers_are_not_compared() -> None:
    """The events of the usual way pass as they are."""
    reading = Reading()
    reading.take(line(0, "one"), line(1, "two"))
    assert isinstance(reading.read, Spliced)
    assert reading.asked == []
