"""The first records in an order of time, out of pieces whose times overlap."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from shipper.errors import StoreUnavailable
from shipper.store.api import Selection, Sort
from shipper.store.embedded import first, layout
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from tests.store.store_records import NOON, Record, record, write, write_parts
from tests.store.store_reference import Reference

PIECES, OF_PIECE = 12, 20


def records_of(times: random.Random) -> list[list[Record]]:
    """Return the records of pieces whose times overlap, many of them equal."""
    return [
        [
            record(
                piece * OF_PIECE + number,
                NOON + piece * 10 + times.randrange(25),
                level=("INFO", "ERROR")[times.randrange(12) == 0],
            )
            for number in range(OF_PIECE)
        ]
        for piece in range(PIECES)
    ]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("sort", list(Sort))
def test_the_first_records_are_those_of_all_pieces(
    tmp_path: Path, sort: Sort, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few pieces are read at a time, hits are the first ones, in their order."""
    monkeypatch.setattr(first, "PORTION", OF_PIECE)
    pieces = records_of(random.Random(seed))
    write_parts(tmp_path / "index", pieces)
    reference = Reference([each for piece in pieces for each in piece], {})
    store = open_embedded(tmp_path / "index")
    for since, until in ((None, None), (NOON + 33, NOON + 90)):
        selection = Selection("", since, until)
        for limit in (1, 20, 21, 1000):
            found = store.search(selection, limit=limit, sort=sort)
            uncounted = store.search(selection, limit=limit, sort=sort, counted=False)

            wanted = reference.search(selection, limit, sort)
            assert [hit.id for hit in found.hits] == wanted
            assert [hit.id for hit in uncounted.hits] == wanted
            assert found.total == store.count(selection)
    rare = [hit.id for hit in store.search(Selection("level:ERROR"), limit=7, sort=sort).hits]
    errors = [each for piece in pieces for each in piece if each.fields["level"] == "ERROR"]
    assert rare == Reference(errors, {}).search(Selection(), 7, sort)
    store.close()


def test_hits_of_several_writers_come_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers number their commits alike; a hit is found by writer and number."""
    monkeypatch.setattr(first, "PORTION", 1)
    for name in ("a", "b"):
        writer = EmbeddedWriter(tmp_path, keep_seconds=10**9, max_bytes=1 << 30, name=name)
        for number in range(4):
            write(writer, [record(number, NOON + number, run=f"run-{name}")])
            writer.compact()
        writer.close()
    store = open_embedded(tmp_path)

    found = store.search(Selection(), limit=5)

    wanted = ["run-b-3", "run-a-3", "run-b-2", "run-a-2", "run-b-1"]
    assert ([hit.id for hit in found.hits], found.total) == (wanted, 8)
    store.close()


@pytest.mark.parametrize("sort", list(Sort))
def test_the_first_records_are_read_from_few_pieces(
    tmp_path: Path, sort: Sort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that can have none of them is not opened: here it could not be read."""
    monkeypatch.setattr(first, "PORTION", OF_PIECE)
    parts = [
        [record(at * OF_PIECE + n, NOON + at * 1000 + n) for n in range(OF_PIECE)]
        for at in range(PIECES)
    ]
    write_parts(tmp_path / "index", parts)
    pieces = sorted(file for file in layout.list_store(tmp_path / "index") if file.is_piece)
    pieces[len(pieces) // 2].path.write_bytes(b"PAR1")
    store = open_embedded(tmp_path / "index")

    found = store.search(Selection(), limit=OF_PIECE, sort=sort, counted=False)

    part = parts[-1][::-1] if sort is Sort.DESC else parts[0]
    assert [hit.id for hit in found.hits] == [each.id for each in part]
    with pytest.raises(StoreUnavailable):
        store.search(Selection(), limit=OF_PIECE, sort=sort)
    store.close()
