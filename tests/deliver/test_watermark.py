"""The watermark: never past what is not read, never held back by what nobody writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipper.deliver.watermark import LATE_MS, time_of, watermark
from shipper.tail.lag import Lag
from shipper.times import iso

NOW = 1_770_292_800_000
READ = Lag("a.log", 100, 100, 100, NOW - 70_000)
HALF_AN_HOUR = 1_800_000


def line(at: int) -> bytes:
    return f'{{"timestamp":"{iso(at)}","level":"INFO"'.encode()


BEHIND = replace(READ, size=200, head=line(NOW - HALF_AN_HOUR), current_at=0)


def test_files_that_are_read_hold_nothing_back() -> None:
    """With all files at their end it is the time of the look, however long nobody has written."""
    assert watermark([READ, replace(READ, acked=0)], [], NOW) == NOW - LATE_MS
    assert watermark([], [], NOW) == NOW - LATE_MS


def test_the_file_that_is_most_behind_counts() -> None:
    """It is the time of the next record of the file that has the oldest one."""
    younger = replace(BEHIND, head=line(NOW - 5))

    assert watermark([READ, younger, BEHIND], [], NOW) == NOW - HALF_AN_HOUR - LATE_MS


def test_a_late_record_does_not_pull_it_back() -> None:
    """A file that had been read to its end at some time holds it back no further than to that."""
    late = replace(BEHIND, current_at=NOW - 3)

    assert watermark([late], [], NOW) == NOW - 3 - LATE_MS


def test_a_record_without_a_time_holds_it_at_what_was_read() -> None:
    """Where the next record tells no time, it stands at the last moment all had been read."""
    plain = replace(BEHIND, head=b"plain text", current_at=NOW - 60_000)

    assert watermark([plain], [], NOW) == NOW - 60_000 - LATE_MS
    assert watermark([replace(plain, current_at=0)], [], NOW) == 0


def test_a_line_that_nobody_ends_holds_nothing_back() -> None:
    """A half-written line that has waited for long is late, as its writer may be dead."""
    assert watermark([replace(BEHIND, waits=True)], [], NOW) == NOW - LATE_MS


def test_a_file_that_cannot_be_opened_holds_it_back() -> None:
    """What a file that cannot be read holds is not claimed."""
    assert watermark([READ], [NOW - 9000], NOW) == NOW - 9000 - LATE_MS
    assert watermark([READ], [0], NOW) == 0


def test_a_clock_that_was_set_back_sets_it_back() -> None:
    """Nothing is claimed of a time that is still to come by the clock that stamps the records."""
    read_before = replace(BEHIND, head=b"", current_at=NOW + HALF_AN_HOUR)

    assert watermark([read_before], [NOW + 5], NOW) == NOW - LATE_MS


@pytest.mark.parametrize(
    ("head", "time"),
    [
        (line(NOW), NOW),
        (b'{"level":"INFO","ts":1770292800.5,"a":1}\n', NOW + 500),
        (b'{"@timestamp": "2026-02-05T12:00:00+00:00"}', NOW),
        (b'{"time":1770292800000}', NOW),
        (b"plain\n" + line(NOW), NOW),
        (b'{"message":"\\"timestamp\\":\\"2020-02-05T12:00:00Z\\""}', None),
        (b'{"timestamp":"some other day, really"}', None),
        (b'{"timestamp":17702928', None),
        (b"\xff\x00", None),
        (b"", None),
    ],
)
def test_the_time_of_the_next_record_is_read_as_enrichment_does(
    head: bytes, time: int | None
) -> None:
    """The time of a record is found in its beginning, and none is made up."""
    assert time_of(head) == time
