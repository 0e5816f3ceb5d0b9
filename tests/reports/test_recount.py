"""Every figure, row and picture of the reports of a seeded month, counted again in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import pytest

from shipper.reports.kpis import milliseconds, percent
from shipper.reports.periods import Period, PeriodKind, period_of
from shipper.text import duration
from tests.reports import planted, seeded
from tests.reports.planted import Planted, plant
from tests.reports.seeded import HOUR, Made
from tests.reports.test_month import RULES, Report, blocks_of, figures, report, tables

DAY: Final = date(2026, 2, 12)
KINDS: Final = {"daily": PeriodKind.DAY, "weekly": PeriodKind.WEEK, "monthly": PeriodKind.MONTH}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """The month in a store."""
    return plant(tmp_path_factory.mktemp("recount"), rules=RULES)


@pytest.fixture(scope="module", params=KINDS)
def made(place: Planted, request: pytest.FixtureRequest) -> tuple[Report, Period, list[Made]]:
    """A report, its period, and the records of it."""
    period = period_of(KINDS[request.param], DAY, UTC)
    among = seeded.within(place.records, period.since, period.until)
    return report(place, request.param), period, among


def failures(requests: Sequence[Made]) -> int:
    return sum(each["status_code"] >= 500 for each in requests)


def mean(records: Sequence[Made], name: str) -> float:
    numbers: list[float] = [each[name] for each in records]
    return sum(numbers) / len(numbers)


def expected(among: Sequence[Made]) -> dict[str, str]:
    """Return the key figures but for the percentile, as the report writes them."""
    requests, executions = (seeded.of_dataset(among, name) for name in ("access", "workflow"))
    polls = seeded.of_dataset(among, "health")
    late = sum(each["execution_time_ms"] > 300_000 for each in executions)
    broken = sum(each["status"] == "failed" for each in executions)
    up = sum(each["status"] != "unhealthy" for each in polls)
    waiting = [each["extra"]["queue_depth"] for each in among if "queue_depth" in _extra(each)]
    errors = sum(each["level"] in {"ERROR", "CRITICAL"} for each in among)
    rate = round(1 - failures(requests) / len(requests), 6)
    return {
        "Response time, mean": milliseconds(round(mean(requests, "duration_ms"), 3)),
        "Success rate": percent(rate),
        "Error rate": percent(1 - rate),
        "Uptime": percent(round(up / len(polls), 6)),
        "Executions within 5 min": percent(round(1 - late / len(executions), 6)),
        "Waiting, most": f"{max(waiting):,}",
        "Failed executions": percent(round(broken / len(executions), 6)),
        "Requests": f"{len(requests):,}",
        "Errors logged": f"{errors:,}",
    }


def _extra(record: Made) -> dict[str, Any]:
    found: dict[str, Any] = record.get("extra", {})
    return found


def test_the_key_figures(place: Planted, made: tuple[Report, Period, list[Made]]) -> None:
    """Each one; the percentile within 1 %; those of the period before beside them."""
    found, period, among = made

    shown = figures(found, "Key figures")

    p95 = shown.pop("Response time, p95")
    assert shown == expected(among)
    requests = seeded.of_dataset(among, "access")
    assert p95 == milliseconds(found["facts"]["requests"]["p95_ms"])
    ranked = seeded.rank(requests, "duration_ms", 95)
    assert found["facts"]["requests"]["p95_ms"] == pytest.approx(ranked, rel=0.01)
    if period.kind is not PeriodKind.MONTH:  # the one before is not complete
        before = period.before()
        earlier = expected(seeded.within(place.records, before.since, before.until))
        (block,) = [b for b in blocks_of(found, "Key figures") if b["type"] == "figures"]
        beside = {f["label"]: f["before"] for f in block["figures"]}
        del beside["Response time, p95"]
        assert beside == earlier


def test_the_pictures(made: tuple[Report, Period, list[Made]]) -> None:
    """Requests, and those that failed, of each hour of the day or day of the period."""
    found, period, among = made
    step = HOUR if period.kind is PeriodKind.DAY else planted.DAY
    requests = seeded.of_dataset(among, "access")

    charts = {each["title"]: each["points"] for each in blocks_of(found, "Key figures")[1:]}

    for title, counted in (
        ("Requests", requests),
        ("Requests that failed (5xx)", [r for r in requests if r["status_code"] >= 500]),
    ):
        for at, value in charts[title]:
            assert (value or 0) == len(seeded.within(counted, at, at + step)), (title, at)
        assert sum(value or 0 for _, value in charts[title]) == len(counted)
        assert len(charts[title]) == (period.until - period.since) // step


def test_the_errors(place: Planted, made: tuple[Report, Period, list[Made]]) -> None:
    """Each type with its counts, its first and last time, and whether it is new."""
    found, _, among = made
    errors = [each for each in among if each["level"] in {"ERROR", "CRITICAL"}]
    kinds = {each.get("error_type", "(without a type)") for each in errors}

    (rows,) = tables(found, "Errors")

    assert {row[0] for row in rows} == kinds
    for kind, count, critical, first, last, _, example in rows:
        own = [each for each in errors if each.get("error_type", "(without a type)") == kind]
        severe = sum(each["level"] == "CRITICAL" for each in own)
        times = sorted(each["at"] for each in own)
        assert (count, critical) == (f"{len(own):,}", f"{severe:,}" if severe else "")
        assert [first, last] == [local(times[0]), local(times[-1])]
        assert example == "done"
    said = [b["text"] for b in blocks_of(found, "Errors") if b["type"] == "text"]
    categories = seeded.counted(among, lambda each: each.get("error", {}).get("category"))
    assert said[0].startswith("By category: ")
    assert {*said[0].removeprefix("By category: ").rstrip(".").split(", ")} == {
        f"{name} {number:,}" for name, number in categories.items()
    }


def local(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}"


def rows_by(
    records: Sequence[Made], name: str, field: str, broken: Callable[[Made], bool]
) -> dict[str, tuple[str, str, str, str]]:
    """Return count, failures, success and mean per value of a field, all others in a row."""
    found = {}
    for value in {each.get(name) for each in records}:
        own = [each for each in records if each.get(name) == value]
        failed = sum(map(broken, own))
        found[value or "(others)"] = (
            f"{len(own):,}",
            f"{failed:,}",
            percent(round(1 - failed / len(own), 6)),
            milliseconds(round(mean(own, field), 3)),
        )
    return found


def test_routes_and_workflows(made: tuple[Report, Period, list[Made]]) -> None:
    """Count, failures, success and mean of each; weekly the slow routes."""
    found, period, among = made
    requests, executions = (seeded.of_dataset(among, name) for name in ("access", "workflow"))
    by_route = rows_by(requests, "route", "duration_ms", lambda r: r["status_code"] >= 500)

    if period.kind is PeriodKind.WEEK:
        (slow,) = tables(found, "Slow routes")
        assert {row[0]: (row[1], *row[2:4]) for row in slow} == {
            name: (count, success, average)
            for name, (count, _, success, average) in by_route.items()
        }
        return
    routes, workflows = tables(found, "Routes and workflows")
    assert {row[0]: tuple(row[1:5]) for row in routes} == by_route
    assert {row[0]: tuple(row[1:5]) for row in workflows} == rows_by(
        executions, "workflow_id", "execution_time_ms", lambda r: r["status"] == "failed"
    )


def test_health_queue_and_disk_of_the_day(place: Planted) -> None:
    """Minutes up and down, executions in time, what waited, and the least free space."""
    found = report(place, "daily")
    since = seeded.midnight(DAY, UTC)
    among = seeded.within(place.records, since, since + planted.DAY)
    polls, executions = (seeded.of_dataset(among, name) for name in ("health", "workflow"))
    down = sum(each["status"] == "unhealthy" for each in polls)
    late = sum(each["execution_time_ms"] > 300_000 for each in executions)
    waiting = [_extra(each)["queue_depth"] for each in among if "storage" in _extra(each)]
    free = min(
        _extra(each)["storage"]["available_gb"] for each in among if "storage" in _extra(each)
    )

    assert figures(found, "Health") == {
        "Uptime, planned downtime left out": percent(round(1 - down / len(polls), 6)),
        "Down, unplanned": duration(60 * down) if down else "none",
        "Down, planned": "none",
        "Time polled": duration(60 * len(polls)),
    }
    assert figures(found, "Queue") == {
        "Executions finished": f"{len(executions):,}",
        "Longer than 5 min": f"{late:,}",
        "Waiting, most": f"{max(waiting):,}",
        "Waiting, mean": f"{sum(waiting) / len(waiting):,.0f}",
    }
    assert figures(found, "Resources") == {"Free space, least": f"{free:,.1f} GB"}


def test_the_trends_of_the_week(place: Planted) -> None:
    """Errors by type of this week and of the one before."""
    week = period_of(PeriodKind.WEEK, DAY, UTC)

    def counts(period: Period) -> dict[str, int]:
        among = seeded.within(place.records, period.since, period.until)
        errors = [each for each in among if each["level"] in {"ERROR", "CRITICAL"}]
        return seeded.counted(errors, lambda each: each.get("error_type", "(none)"))

    now, before = counts(week), counts(week.before())

    (rows,) = tables(report(place, "weekly"), "Error trends")

    assert {row[0]: (row[1], row[2]) for row in rows} == {
        kind: (f"{now.get(kind, 0):,}", f"{before.get(kind, 0):,}") for kind in now | before
    }


def test_budget_and_capacity_of_the_month(place: Planted) -> None:
    """Failed requests and minutes of those allowed; records and free space of each day."""
    found = report(place, "monthly")
    requests, polls = (seeded.of_dataset(place.records, name) for name in ("access", "health"))
    down = sum(each["status"] == "unhealthy" for each in polls)

    (block,) = [b for b in blocks_of(found, "Error budget") if b["type"] == "figures"]
    charts = {
        each["title"]: dict(each["points"])
        for each in blocks_of(found, "Capacity for the next quarter")
        if each["type"] == "chart"
    }

    assert [each["detail"] for each in block["figures"]] == [
        f"{failures(requests):,} of {0.02 * len(requests):,.0f}",
        f"{down:,} of {0.005 * len(polls):,.1f}",
    ]
    for number in range(planted.DAYS):
        at = planted.BEGINNING + number * planted.DAY
        among = seeded.within(place.records, at, at + planted.DAY)
        free = [
            _extra(each)["storage"]["available_gb"] for each in among if "storage" in _extra(each)
        ]
        assert charts["Records a day"][at] == len(among)
        assert charts["Least free space on the disk of the logs, a day"][at] == min(free)
