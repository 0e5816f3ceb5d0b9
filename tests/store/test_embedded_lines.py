"""Lines of commits, and the times in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.store.embedded.columns import DOCUMENT, read_commits, tails_of
from shipper.store.embedded.engine import connect
from shipper.store.embedded.incoming import Documents, Incoming, Pieces
from shipper.store.embedded.lines import LineEncoder
from shipper.times import EARLIEST, LATEST, iso, parse_period


@pytest.mark.parametrize("ms", [EARLIEST - 1, LATEST + 1, 2**70])
def test_a_time_that_can_not_be_written_is_refused(ms: int) -> None:
    """A record whose time cannot be shown is refused."""
    lines = LineEncoder().encode([Documents(["s-1"], [b"{}"], [ms])], 1)

    assert not lines.records
    assert [index for index, reason in lines.refused if "years 1 to 9999" in reason] == [0]


TIME = "2026-02-05T14:30:45.123Z"
MS = 1_770_301_845_123


def spliced(count: int, tail: str = "a") -> Pieces:
    body = f'{TIME}","run":"r","seq":1'.encode()
    data = f',"host":{{"name":"h"}},"log":{{"file":{{"path":"{tail}"}},"offset":'.encode()
    numbers = range(count)
    return Pieces([body] * count, [data] * count, numbers, [MS] * count, ["r"] * count, numbers)


def test_a_tail_is_written_once_a_commit() -> None:
    """What records share is in a commit once; every commit that uses it has it."""
    encoder = LineEncoder()

    for commit in (1, 2):
        content = encoder.encode([spliced(3, "a"), spliced(2, "b"), spliced(1, "a")], commit)
        assert content.content().count(b'"path":"a"') == 1
        assert (len(content.tails), len(content.records)) == (2, 6)


def test_a_number_stands_for_one_tail(tmp_path: Path) -> None:
    """Another process, which begins with a later commit, gives other numbers."""
    files = []
    for commit, tail in ((4, "a"), (5, "b")):
        files.append(tmp_path / f"{commit}")
        files[-1].write_bytes(LineEncoder().encode([spliced(2, tail)], commit).content())

    assert not tails_of(files[0]).keys() & tails_of(files[1]).keys()


def test_records_with_and_without_a_tail_stay_in_order(tmp_path: Path) -> None:
    """Records come out as they were stored, each with its own document, however they are mixed."""
    mixed: list[Incoming] = []
    for number in range(3000):
        whole = Documents([f"s-{number}"], [b'{"log":{"offset":%d}}' % number], [MS])
        mixed += [spliced(1, f"/{number % 7}"), whole]
    path = tmp_path / "commit"
    path.write_bytes(LineEncoder().encode(mixed, 1).content())

    sql = f'SELECT _position, "log.file.path", {DOCUMENT} FROM ({read_commits([path])})'
    rows = connect(tmp_path, memory="128MB").execute(sql).fetchall()

    assert [row[0] for row in rows[1::2]] == list(range(3000))
    assert [row[1] for row in rows[::2]] == [f"/{number % 7}" for number in range(3000)]
    assert [row[2].encode() for row in rows] == [each.document(0) for each in mixed]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1970-01-01", (0, 86_399_999)),
        ("1970-01-01T00:01", (60_000, 119_999)),
        ("1970-01-01T00:00:01Z", (1000, 1999)),
        ("1970-01-01T00:00:00.5Z", (500, 500)),
        ("1970-01-01 00:00:00.1239Z", (123, 123)),
        ("1970-01-01T01:00:00.000+01:00", (0, 0)),
        ("1969-12-31T23:59:59.999Z", (-1, -1)),
        ("1970-01-32", None),
        ("1970-01", None),
        ("1970-01-01T", None),
        ("1970-01-01T25:00", None),
        ("now", None),
    ],
)
def test_a_time_names_a_span(text: str, span: tuple[int, int] | None) -> None:
    """A date covers a day; a time covers the unit of its last digit."""
    assert parse_period(text) == span


@given(st.integers(EARLIEST, LATEST))
def test_times_are_written_to_the_millisecond(ms: int) -> None:
    """A written time is read back as the same millisecond, in every year."""
    assert parse_period(iso(ms)) == (ms, ms)
