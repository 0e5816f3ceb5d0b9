"""Which pieces a search for an id reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.store.api import Selection
from shipper.store.embedded import layout, needles
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from shipper.store.query.parser import parse
from tests.store.store_records import KEEP_SECONDS, record, write_parts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make four pieces of a request each, and a commit."""
    parts = [[record(n, request_id=f"req-{n}", workflow_id="w")] for n in range(4)]
    write_parts(tmp_path / "index", [*parts, [record(9, request_id="req-9")]])
    return tmp_path / "index"


def pieces(path: Path) -> list[Path]:
    return [file.path for file in layout.list_store(path) if file.is_piece]


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("request_id:req-2", [2]),
        ("request_id:req-2 AND level:INFO", [2]),
        ("request_id:(req-0 OR req-3)", [0, 3]),
        ("request_id:req-0 OR level:INFO", [0, 1, 2, 3]),
        ("request_id:req-0 AND request_id:req-1", []),
        ("request_id:nothing OR workflow_id:w", [0, 1, 2, 3]),
        ("workflow_id:req-2", []),
        ("NOT request_id:req-2", [0, 1, 2, 3]),
        ("request_id:req*", [0, 1, 2, 3]),
        ("message:req-2", [0, 1, 2, 3]),
    ],
)
def test_only_pieces_that_may_have_an_id_are_read(path: Path, query: str, read: list[int]) -> None:
    """A piece is left out only if the query cannot be true of any of its records."""
    node = parse(query)
    found = [needles.may_match(node, piece) for piece in pieces(path)]

    assert [number for number, may in enumerate(found) if may] == read
    assert needles.asks_for_ids(node) == ("request_id:" in query or "workflow_id:" in query) - (
        "NOT" in query or "*" in query
    )


@pytest.mark.parametrize("damage", [b"", b"SHIPIDS1", b"SHIPIDS1\0\0\0\0\0\0\0\0", b"else"])
def test_a_damaged_list_is_as_good_as_none(path: Path, damage: bytes) -> None:
    """Without a list that is whole, the piece is read: nothing is missed."""
    for piece in pieces(path):
        piece.with_suffix(layout.IDS).write_bytes(damage)
    pieces(path)[0].with_suffix(layout.IDS).unlink()

    store = open_embedded(path)

    assert [store.count(Selection(f"request_id:req-{n}")) for n in range(5)] == [1, 1, 1, 1, 0]
    assert store.count(Selection("request_id:req-9")) == 1


def test_lists_go_with_their_pieces(path: Path) -> None:
    """Merging and retention leave no list behind; what a crash left goes at the next start."""
    orphan = path / "main" / f"000000000001-000000000002_0_0_1_00000000{layout.IDS}"
    orphan.write_bytes(b"left by a crash")
    writer = EmbeddedWriter(path, keep_seconds=KEEP_SECONDS, max_bytes=1)
    writer.compact()
    assert sorted(path.rglob(f"*{layout.IDS}")) == sorted(
        piece.with_suffix(layout.IDS) for piece in pieces(path)
    )

    writer.retain(2**41)

    assert list(path.rglob(f"*{layout.IDS}")) == []
    writer.close()
