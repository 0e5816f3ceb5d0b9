"""Tests of metrics files: against a plain recount, over changes of the clock, and made again."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from shipper.cli import main
from shipper.reports.completeness import Delivered
from shipper.reports.measure import MeasureOptions
from shipper.reports.metrics import NONE, OTHERS, PeriodMetrics, Timed, metrics_schema
from shipper.reports.metrics_files import Built, Files, MetricsBuilder
from shipper.reports.periods import PeriodKind, period_of
from shipper.store.fleet import HostBeat
from shipper.store.opening import open_embedded
from tests.commands.cli_index import config_in, store_records
from tests.reports import seeded
from tests.reports.seeded import Made

ROOT = Path(__file__).parents[2]
BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 2, 3)
LATER = seeded.midnight(date(2026, 7, 1), UTC)


def build(
    folder: Path,
    last: date,
    *,
    first: date | None = None,
    zone: ZoneInfo = BERLIN,
    now: int = LATER,
    beats: Sequence[HostBeat] = (),
) -> tuple[Files, Built]:
    """Make the files of the index in a folder."""
    files = Files(folder / "metrics", zone)
    store = open_embedded(folder / "index")
    try:
        builder = MetricsBuilder(store, files, MeasureOptions(), Delivered(beats, now))
        return files, builder.build(first, last)
    finally:
        store.close()


def day_of(files: Files, day: date) -> PeriodMetrics:
    found = files.read(files.day(day))
    assert found is not None
    return found


def assert_timed(found: Timed, records: Sequence[Made], field: str, failed: int) -> None:
    """Compare counts exactly, the mean to its digits, percentiles within 1 %."""
    assert found.count == len(records)
    assert found.failed == failed
    assert found.success_rate == pytest.approx(1 - failed / len(records), abs=1e-6)
    numbers = [each[field] for each in records]
    assert found.average_ms == pytest.approx(sum(numbers) / len(numbers), abs=0.001)
    assert found.max_ms == pytest.approx(max(numbers), abs=0.001)
    for percent, value in ((50, found.p50_ms), (95, found.p95_ms), (99, found.p99_ms)):
        assert value == pytest.approx(seeded.rank(records, field, percent), rel=0.01, abs=0.1)


def assert_is_recount(found: PeriodMetrics, records: Sequence[Made]) -> None:
    """Compare every figure with one that plain Python counts."""
    requests = seeded.of_dataset(records, "access")
    executions = seeded.of_dataset(records, "workflow")
    errors = [each for each in records if each["level"] in {"ERROR", "CRITICAL"}]
    waiting = [each["extra"]["queue_depth"] for each in records if "extra" in each]
    polls = seeded.of_dataset(records, "health")
    up = sum(each["status"] in {"healthy", "degraded"} for each in polls)
    late = sum(each["execution_time_ms"] > 300_000 for each in executions)

    def failures(among: Sequence[Made]) -> int:
        return sum(each["status_code"] >= 500 for each in among)

    assert found.records == len(records)
    assert found.errors == len(errors)
    assert found.warnings == sum(each["level"] == "WARNING" for each in records)
    assert_timed(found.requests, requests, "duration_ms", failures(requests))
    assert found.requests.refused == sum(400 <= each["status_code"] < 500 for each in requests)
    broken = sum(each["status"] == "failed" for each in executions)
    assert_timed(found.executions, executions, "execution_time_ms", broken)
    assert (found.queue.finished, found.queue.in_time) == (len(executions), len(executions) - late)
    assert found.queue.pending_max == max(waiting)
    assert found.queue.pending_average == pytest.approx(sum(waiting) / len(waiting), abs=0.001)
    assert (found.uptime.polled_minutes, found.uptime.up_minutes) == (len(polls), up)
    assert found.uptime.share == pytest.approx(up / len(polls), abs=1e-6)
    assert found.free_gb == 50.0
    types = seeded.counted(errors, lambda each: each.get("error_type", NONE))
    assert found.error_types == types
    assert found.levels == seeded.counted(records, lambda each: each["level"])
    assert found.datasets == seeded.counted(records, lambda each: each["event"]["dataset"])
    categories = seeded.counted(records, lambda each: each.get("error", {}).get("category"))
    assert found.error_categories == categories
    by_route = {row.name: row for row in found.routes}
    assert len(by_route) == len(seeded.ROUTES)
    for route in filter(None, seeded.ROUTES):
        among = [each for each in requests if each.get("route") == route]
        assert_timed(by_route[route], among, "duration_ms", failures(among))
    without = [each for each in requests if "route" not in each]
    rest = by_route[OTHERS]
    assert (rest.count, rest.failed, rest.timed) == (len(without), failures(without), len(without))
    ranked = seeded.rank(without, "duration_ms", 95)
    assert rest.p95_ms == pytest.approx(ranked, rel=0.01, abs=0.1)
    for host in found.hosts:
        own = [each for each in records if each["host"]["name"] == host.name]
        asked = seeded.of_dataset(own, "access")
        assert (host.records, host.requests) == (len(own), len(asked))
        assert (host.failed, host.errors) == (failures(asked), sum(e in errors for e in own))
    assert sum(point.records for point in found.series) == len(records)
    assert sum(point.requests for point in found.series) == len(requests)
    assert sum(point.errors for point in found.series) == len(errors)


def test_every_figure_of_a_day_and_of_its_month_is_that_of_a_recount(tmp_path: Path) -> None:
    """Days are those of the zone; a month is made of its days, without asking the store again."""
    rng = random.Random(4)
    days = seeded.days_of(FIRST, 5)
    by_day = {day: seeded.a_day(rng, day, BERLIN) for day in days}
    every = [each for records in by_day.values() for each in records]
    store_records(tmp_path, every)

    files, built = build(tmp_path, days[-1])

    assert built.incomplete == {}
    assert built.changed == [*map(str, days), "2026-02"]
    for day, records in by_day.items():
        assert_is_recount(day_of(files, day), records)
        assert day_of(files, day).complete
    month = files.read(period_of(PeriodKind.MONTH, FIRST, BERLIN))
    assert month is not None
    assert_is_recount(month, every)
    assert (month.complete, len(month.series)) == (False, 5)
    assert month.reason == "there are no metrics of 23 days, the first of them 2026-02-01"


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)], ids=["spring", "autumn"]
)
def test_a_day_on_which_clocks_change_has_all_its_hours(
    tmp_path: Path, day: date, hours: int
) -> None:
    """Days of 23 and 25 hours have the records of exactly these hours, as have their neighbours."""
    rng = random.Random(5)
    days = [day - timedelta(days=1), day, day + timedelta(days=1)]
    by_day = {each: seeded.a_day(rng, each, BERLIN) for each in days}
    store_records(tmp_path, [each for records in by_day.values() for each in records])
    now = seeded.midnight(day + timedelta(days=9), UTC)

    files, _ = build(tmp_path, days[-1], now=now)

    assert day_of(files, day).hours == hours
    assert len(day_of(files, day).series) == hours
    for each, records in by_day.items():
        assert_is_recount(day_of(files, each), records)


def test_the_same_store_gives_the_same_bytes_and_touches_no_file(tmp_path: Path) -> None:
    """A second run writes nothing; one into another folder writes the same bytes."""
    store_records(tmp_path, seeded.a_day(random.Random(6), FIRST, BERLIN))
    files, _ = build(tmp_path, FIRST)
    path = files.path(files.day(FIRST))
    before = (path.read_bytes(), path.stat().st_mtime_ns)

    _, again = build(tmp_path, FIRST)

    assert again.changed == []
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.unlink()
    _, anew = build(tmp_path, FIRST)
    assert anew.changed == [str(FIRST)]
    assert path.read_bytes() == before[0]


def test_late_records_make_their_day_again_and_dropped_ones_do_not(tmp_path: Path) -> None:
    """After an outage of the shipper the day grows; what retention dropped stays in the file."""
    rng = random.Random(7)
    day = seeded.a_day(rng, FIRST, BERLIN)
    following = seeded.a_day(rng, FIRST + timedelta(days=1), BERLIN)
    store_records(tmp_path, [*day[: len(day) // 2], *following])
    files, first = build(tmp_path, FIRST + timedelta(days=1))
    store_records(tmp_path, day[len(day) // 2 :], first=10_000)

    _, second = build(tmp_path, FIRST + timedelta(days=1))

    assert len(first.changed) == 3
    assert second.changed == [str(FIRST), "2026-02"]
    assert_is_recount(day_of(files, FIRST), day)
    (tmp_path / "index").rename(tmp_path / "old")
    store_records(tmp_path, [*day[:5], *following])
    _, third = build(tmp_path, FIRST + timedelta(days=1))
    assert third.changed == []
    assert_is_recount(day_of(files, FIRST), day)


def test_a_day_is_not_called_whole_before_all_hosts_have_delivered_it(tmp_path: Path) -> None:
    """A host whose watermark lies within the day makes it incomplete, with its name; later not."""
    store_records(tmp_path, seeded.a_day(random.Random(8), FIRST, BERLIN))
    end = seeded.midnight(FIRST + timedelta(days=1), BERLIN)
    there, behind = (HostBeat(f"web-{n}", end, end + n - 2, "1") for n in (2, 1))

    files, built = build(tmp_path, FIRST, beats=[there, behind], now=end + 1)

    reason = "not all was delivered by web-1"
    assert built.incomplete == {str(FIRST): reason}
    assert (day_of(files, FIRST).complete, day_of(files, FIRST).reason) == (False, reason)
    _, built = build(tmp_path, FIRST, beats=[there], now=end + 1)
    assert built.incomplete == {}
    assert day_of(files, FIRST).complete
    month = files.read(period_of(PeriodKind.MONTH, FIRST, BERLIN))
    assert month is not None
    assert not month.complete


def test_without_heartbeats_a_day_is_whole_an_hour_after_its_end(tmp_path: Path) -> None:
    """Nobody says how far the hosts are, so an hour is waited."""
    store_records(tmp_path, seeded.a_day(random.Random(8), FIRST, BERLIN))
    end = seeded.midnight(FIRST + timedelta(days=1), BERLIN)

    for now, is_whole in ((end - 1, False), (end, False), (end + 3_600_000, True)):
        files, _ = build(tmp_path, FIRST, now=now)
        assert day_of(files, FIRST).complete is is_whole


def test_an_empty_day_between_others_has_a_file_with_zeros(tmp_path: Path) -> None:
    """A day on which nothing happened is no day without a file; before the first there is none."""
    rng = random.Random(9)
    last = FIRST + timedelta(days=2)
    store_records(tmp_path, seeded.a_day(rng, FIRST, BERLIN) + seeded.a_day(rng, last, BERLIN))

    files, built = build(tmp_path, last, first=FIRST - timedelta(days=9))

    assert built.changed == [*map(str, seeded.days_of(FIRST, 3)), "2026-02"]
    empty = day_of(files, FIRST + timedelta(days=1))
    assert (empty.records, empty.complete, empty.series) == (0, True, ())
    assert empty.requests == Timed(p50_ms=None)
    assert empty.uptime.share is None


def test_a_file_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    """What cannot be read counts as missing; a file of another zone is refused, and stays."""
    store_records(tmp_path, seeded.a_day(random.Random(10), FIRST, BERLIN))
    files, _ = build(tmp_path, FIRST)
    path = files.path(files.day(FIRST))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    _, built = build(tmp_path, FIRST)

    assert built.changed == [str(FIRST)]
    assert path.read_bytes() == whole
    with pytest.raises(Exception, match="has days of the zone Europe/Berlin"):
        build(tmp_path, FIRST, zone=ZoneInfo("Asia/Tokyo"))
    assert path.read_bytes() == whole


def test_the_schema_is_fresh_and_has_every_key(tmp_path: Path) -> None:
    """`make docs` writes it; a file has the keys that it lists, and no other."""
    written = json.loads((ROOT / "config/metrics.schema.json").read_text())
    store_records(tmp_path, seeded.a_day(random.Random(11), FIRST, BERLIN))
    files, _ = build(tmp_path, FIRST)

    made = json.loads(files.path(files.day(FIRST)).read_text())

    assert written == metrics_schema()
    assert made.keys() == written["$defs"]["PeriodMetrics"]["properties"].keys()


def test_the_command_makes_files_and_says_what_is_not_complete(tmp_path: Path) -> None:
    """Exit code 0 if all days are complete; today is not."""
    store_records(tmp_path, seeded.a_day(random.Random(12), FIRST, UTC))
    args = ["--config", str(config_in(tmp_path)), "metrics", "build"]

    done = CliRunner().invoke(main, [*args, "--until", str(FIRST)])
    again = CliRunner().invoke(main, [*args, "--until", str(FIRST)])
    refused = CliRunner().invoke(main, [*args, "--since", "2026-02-05", "--until", str(FIRST)])

    assert (done.exit_code, again.exit_code, refused.exit_code) == (0, 0, 2), done.output
    assert done.output.splitlines()[:2] == ["made 2026-02-03", "made 2026-02"]
    assert again.output.startswith("0 files made in ")
    assert (tmp_path / "metrics/monthly/2026-02.json").exists()
