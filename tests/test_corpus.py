"""The corpus of the benchmarks: the same for the same seed, and shaped as real logs are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from bench.corpus import START_MS, blocks, write
from shipper.fields import FIELDS

COUNT = 20_000


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Figures of two days can be compared, since both were taken over the same lines."""
    once, again, other = (b"".join(blocks(COUNT, seed=seed)) for seed in (7, 7, 8))

    assert once == again != other
    assert write(tmp_path / "made/corpus.log", COUNT, seed=7) == len(once)
    assert (tmp_path / "made/corpus.log").read_bytes() == once


def test_the_lines_are_what_an_application_writes() -> None:
    """A third access records, 5 % errors with a traceback, about 300 bytes, `seq` without a gap."""
    lines = b"".join(blocks(COUNT)).splitlines()
    records = [json.loads(line) for line in lines]
    levels = Counter(record["level"] for record in records)

    assert [record["seq"] for record in records] == list(range(COUNT))
    assert {key for record in records for key in record} - {*FIELDS} == {"timestamp"}
    assert 0.32 < sum("status_code" in record for record in records) / COUNT < 0.34
    assert 0.045 < levels["ERROR"] / COUNT < 0.055
    assert all("Traceback" in each["exc_info"] for each in records if each["level"] == "ERROR")
    assert 280 < sum(map(len, lines)) / COUNT < 350


def test_the_time_goes_on_without_a_jump_back() -> None:
    """Times are in order, about a thousand a second, from the given start."""
    text = b"".join(blocks(5000, start_ms=START_MS + 999)).decode()
    times = [json.loads(line)["timestamp"] for line in text.splitlines()]

    assert times == sorted(times)
    assert times[0].startswith("2026-02-05T14:30:46.1")
    assert times[-1] > "2026-02-05T14:30:50"
