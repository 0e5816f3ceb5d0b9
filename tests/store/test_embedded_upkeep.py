"""Looking after the folder: what is in it, and whether every file is sound."""

from __future__ import annotations

from pathlib import Path

from shipper.store.embedded.incoming import Pieces
from shipper.store.embedded.layout import list_store
from shipper.store.embedded.upkeep import compact, read_info, verify
from shipper.store.embedded.writer import EmbeddedWriter
from tests.store.store_records import KEEP_SECONDS, NOON, record, write_parts


def test_info_counts_what_is_there(tmp_path: Path) -> None:
    """Pieces and commits are counted with their records, times and bytes."""
    write_parts(tmp_path, [[record(i, NOON + i) for i in range(20)], [record(99, NOON - 5)]])

    info = read_info(tmp_path)

    assert (info.writers, info.pieces, info.commits, info.records) == (1, 1, 1, 21)
    assert (info.oldest, info.newest) == (NOON - 5, NOON + 19)
    assert info.bytes == sum(file.path.stat().st_size for file in list_store(tmp_path))


def test_info_of_spliced_records_counts_no_tails(tmp_path: Path) -> None:
    """The lines of a commit that records share are no records, and have no time."""
    begin = b'2026-02-05T14:30:45.123Z","run":"r","seq":1'
    tail = b',"host":{"name":"h"},"log":{"file":{"path":"a"},"offset":'
    numbers = range(3)
    writer = EmbeddedWriter(tmp_path, keep_seconds=KEEP_SECONDS, max_bytes=1 << 30)
    writer.store([Pieces([begin] * 3, [tail] * 3, numbers, [NOON] * 3, ["r"] * 3, numbers)])
    writer.close()

    info = read_info(tmp_path)

    assert (info.commits, info.records, info.oldest, info.newest) == (1, 3, NOON, NOON)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Every file is read whole; one that is damaged, or is not what its name says, is named."""
    write_parts(tmp_path, [[record(i, NOON + i) for i in range(20)], [record(99)]])
    assert [*verify(tmp_path)] == [None, None]
    piece, _ = list_store(tmp_path)
    content = bytearray(piece.path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    piece.path.write_bytes(content)

    faults = [fault for fault in verify(tmp_path) if fault]

    assert [fault.path for fault in faults] == [piece.path]


def test_a_piece_with_the_name_of_another_is_named(tmp_path: Path) -> None:
    """The records of a piece have to be those that its name promises."""
    write_parts(tmp_path, [[record(1)], []])
    (piece, *_) = list_store(tmp_path)
    piece.path.rename(piece.path.with_name(piece.path.name.replace("_1_", "_2_")))

    assert [fault.fault for fault in verify(tmp_path) if fault] == [
        "it holds 1 records, and its name says 2"
    ]


def test_compacting_leaves_pieces_only(tmp_path: Path) -> None:
    """All commits become pieces; no record is lost."""
    write_parts(tmp_path, [[record(i, NOON + i) for i in range(20)], [record(99)]])

    assert compact(tmp_path) == 21
    info = read_info(tmp_path)
    assert (info.pieces, info.commits, info.records) == (2, 0, 21)
