"""The index of an older version becomes a store: all records, once, with their commit numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.errors import StoreUnavailable
from shipper.files import open_locked
from shipper.store.api import Selection, Sort
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from tests.store.store_records import HOSTILE, NOON, ORDINARY, Record, record

pytest.importorskip("tantivy", reason="only a migration needs it: pip install '.[migrate]'")

from shipper.store.tantivy_migration.migrate import is_old_form, migrate
from tests.store.tantivy_form.writer import OldWriter

GIB = 1 << 30
ALL = [*ORDINARY, *HOSTILE]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Make an index of the old form."""
    path = tmp_path / "index"
    writer = OldWriter(path)
    for start in range(0, len(ALL), 5):
        some = ALL[start : start + 5]
        writer.write([r.id for r in some], [r.doc for r in some], [r.time for r in some])
    writer.close()
    return path


def found(path: Path) -> list[tuple[str, int, object]]:
    hits = open_embedded(path).search(Selection(), limit=1000, sort=Sort.ASC).hits
    return [(hit.id, hit.time, hit.source) for hit in hits]


def expected(tmp_path: Path, records: list[Record]) -> list[tuple[str, int, object]]:
    writer = EmbeddedWriter(tmp_path / "expected", keep_seconds=10**9, max_bytes=GIB)
    writer.write([r.id for r in records], [r.doc for r in records], [r.time for r in records])
    writer.close()
    return found(tmp_path / "expected")


def test_every_record_is_converted(index: Path, tmp_path: Path) -> None:
    """The store has every record of the index, in its order; the index stays as it was."""
    assert is_old_form(index)
    assert [*migrate(index)][-1] == (len(ALL), len(ALL))

    assert found(index) == expected(tmp_path, ALL)
    assert (tmp_path / "index.old/part-00000001").is_dir()
    assert not is_old_form(index)


def test_a_stopped_migration_goes_on(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was converted before the stop is not converted again."""
    monkeypatch.setattr("shipper.store.tantivy_migration.migrate.PORTION", 8)
    steps = migrate(index)
    assert next(steps) == (10, len(ALL))
    steps.close()
    with pytest.raises(StoreUnavailable, match="older version"):
        open_embedded(index)

    assert next(migrate(index)) == (20, len(ALL))
    assert [*migrate(index)][-1] == (len(ALL), len(ALL))
    assert found(index) == expected(tmp_path, ALL)


def test_commits_keep_their_numbers(index: Path) -> None:
    """The registry of the shipper fits: commits go on behind the last one of the index."""
    last = -(-len(ALL) // 5)
    [*migrate(index)]

    writer = EmbeddedWriter(index, keep_seconds=10**9, max_bytes=GIB)
    assert writer.commit == last
    after = record(99, NOON)
    writer.write([after.id], [after.doc], [after.time])
    assert [[*positions] for _, positions in writer.origins_after(last)] == [[99]]
    writer.close()


def test_what_retention_dropped_stays_known(index: Path) -> None:
    """An audit still sees that the missing records were dropped, and commits go on behind them."""
    (index / "dropped.json").write_text('{"commit":40}')
    [*migrate(index)]

    assert open_embedded(index).retained_after() == 40
    writer = EmbeddedWriter(index, keep_seconds=10**9, max_bytes=GIB)
    assert writer.commit == 40
    writer.close()
    assert found(index)


def test_an_index_in_use_is_not_converted(index: Path) -> None:
    """While a shipper of the older version writes, nothing is converted."""
    lock = open_locked(index / "lock", wait=False)

    with pytest.raises(StoreUnavailable, match="another shipper"):
        [*migrate(index)]
    os.close(lock)


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("meta.json", "{", "cannot read the index at"),
        ("part.json", '{"version": 1, "commits_before": 0}', "it has the schema 1, not 2"),
    ],
)
def test_a_part_that_cannot_be_read_is_an_error(
    index: Path, file: str, content: str, fault: str
) -> None:
    """Nothing is converted, and the index stays where it is."""
    (index / "part-00000001" / file).write_text(content)

    with pytest.raises(StoreUnavailable, match=fault):
        [*migrate(index)]
    assert (index / "part-00000001").is_dir()
    assert not index.with_name("index.migrating").exists()
