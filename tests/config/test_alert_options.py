"""The section `alerts` of the config."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shipper.alerts.incidents.muting import Maintenance, Once, Recurring
from shipper.alerts.incidents.sla import GUIDE, Calendar, Limits
from shipper.alerts.policy import maintenance_of, sla_of
from shipper.alerts.severity import Severity
from shipper.config.alerts import AlertOptions
from shipper.config.matchers import parse_matcher
from shipper.config.options import InvalidOptionsError, read_options

BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str) -> AlertOptions:
    options: AlertOptions = read_options(text, AlertOptions)
    return options


def fault_of(text: str) -> str:
    with pytest.raises(InvalidOptionsError) as raised:
        read(text)
    return str(raised.value)


def test_without_the_section_the_clocks_are_those_of_the_guide() -> None:
    """An empty section has the time limits of the guide, around the clock in UTC."""
    sla = sla_of(read("").sla)

    assert sla.limits == GUIDE
    assert sla.calendar == Calendar(ZoneInfo("UTC"))


def test_what_is_muted_by_default_is_there() -> None:
    """The shipped inhibitions name rules that are shipped, and nothing mutes its own cause."""
    names = [path.stem for path in (Path(__file__).parents[2] / "config/rules").glob("*.yml")]
    for each in read("").inhibit:
        targets = {name for glob in each.targets for name in names if fnmatchcase(name, glob)}
        assert all(any(fnmatchcase(name, glob) for name in names) for glob in each.targets)
        assert each.source in names
        assert each.source not in targets


def test_clocks_can_be_set() -> None:
    """Zone, holidays, business hours and every limit come from the file."""
    options = read(
        "sla: {zone: Europe/Berlin, days: [sat, sun], close: 12:30, holidays: [2026-12-25],"
        " critical: {respond: 1m, resolve: next business day}}"
    ).sla
    sla = sla_of(options)

    assert sla.limits[Severity.CRITICAL] == Limits(60_000, None)
    assert sla.limits[Severity.HIGH] == GUIDE[Severity.HIGH]
    assert sla.calendar.zone == BERLIN
    assert sla.calendar.days == {5, 6}
    assert sla.calendar.close == time(12, 30)
    assert not sla.calendar.is_business(datetime(2026, 12, 25, tzinfo=BERLIN).date())


def test_maintenance_windows_are_once_or_again() -> None:
    """A window has from and to, or at and for; both are read in its zone."""
    options = read(
        """
maintenance:
  - {name: move, from: 2026-02-07T02:00, to: "2026-02-07T05:00Z", zone: Europe/Berlin}
  - {name: backup, match: ["host=app*"], at: 02:00, for: 2h, days: [sun], zone: Europe/Berlin}
  - {name: books, at: 23:00, for: 3h, dates: [1, 31]}
"""
    )

    once, weekly, monthly = (maintenance_of(each) for each in options.maintenance)

    start = round(datetime(2026, 2, 7, 1, tzinfo=ZoneInfo("UTC")).timestamp() * 1000)
    assert once == Maintenance("move", Once(start, start + 4 * 3_600_000))
    matchers = (parse_matcher("host=app*"),)
    sundays = Recurring(time(2), timedelta(hours=2), frozenset({6}), zone=BERLIN)
    assert weekly == Maintenance("backup", sundays, matchers)
    assert isinstance(monthly.when, Recurring)
    assert monthly.when.dates == {1, 31}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sla: {zone: Mars/Base}", "not a known time zone"),
        ("sla: {close: 25:00}", "not a time of day"),
        ("sla: {holidays: [tomorrow]}", "not a day"),
        ("sla: {days: [someday]}", "not a weekday"),
        ("sla: {high: {respond: 5m}}", "is missing; use a duration"),
        ("sla: {high: {respond: soon, resolve: 1h}}", "not a duration"),
        ("maintenance: [{name: x, at: 02:00}]", "use from and to, or at and for"),
        (
            "maintenance: [{name: x, at: 02:00, for: 1h, from: 2026-02-07T02:00}]",
            "use from and to, or at and for",
        ),
        ("maintenance: [{name: x, from: 2026-02-07T02:00, to: 2026-02-06T02:00}]", "not after"),
        ("maintenance: [{name: x, at: 02:00, for: 1h, match: [nonsense]}]", "not a matcher"),
        ("inhibit: [{source: a, targets: []}]", "is empty"),
        ("ping: {url: 'https://a.example/x', url_file: b}", "use one of them"),
        ("ping: {url: ftp://a.example}", "is not valid"),
    ],
)
def test_a_fault_says_what_to_do(text: str, fault: str) -> None:
    """An option that cannot be used is reported with its place, before the job starts."""
    assert fault in fault_of(text)
