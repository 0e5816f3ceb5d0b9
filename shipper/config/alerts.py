"""
The section `alerts` of the config: which rules, how long is waited, the clocks, what is muted.

Alerters and routes are in a file of their own (`settings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shipper.config.matchers import parse_matcher
from shipper.config.options import (
    COUNT,
    DURATION,
    PATH,
    TEXT,
    ListOf,
    Scalar,
    Section,
    absent,
    option,
    parse_duration,
    text_matching,
)

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BUSINESS_DAY: Final = "next business day"

_GLOB = text_matching(r"[^\x00-\x20\x7f]{1,200}", "text with * ? [ ] as wildcards")
_FIELD = text_matching(r"[\w.@-]{1,200}", "a field")
_URL = text_matching(r"https?://[^\s@\x00-\x1f\x7f]{1,2000}", "an address, such as https://…")


def _parse_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        told = "use one of the IANA database, such as Europe/Berlin, and install tzdata"
        raise ValueError(f'"{text}" is no time zone that is known here; {told}') from None


def _parse_weekday(text: str) -> int:
    if text.lower() not in WEEKDAYS:
        raise ValueError(f'"{text}" is no day; use {", ".join(WEEKDAYS)}')
    return WEEKDAYS.index(text.lower())


def _parse_clock(text: str) -> time:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if found is None:
        raise ValueError(f'"{text}" is no time of day; use 00:00 to 23:59')
    return time(int(found[1]), int(found[2]))


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no day; use 2026-12-25') from None


def _parse_moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no time; use 2026-02-07T02:00') from None


def _parse_span(text: str) -> int | None:
    if text == BUSINESS_DAY:
        return None
    milliseconds = round(parse_duration(text) * 1000)
    if not milliseconds:
        raise ValueError(f'"{text}" is no time at all; use at least 1s')
    return milliseconds


ZONE: Final = Scalar("a time zone, such as Europe/Berlin", _parse_zone)
WEEKDAY: Final = Scalar(" or ".join(WEEKDAYS), _parse_weekday)
CLOCK: Final = Scalar("a time of day, such as 17:00", _parse_clock)
DATE: Final = Scalar("a day, such as 2026-12-25", _parse_date)
MOMENT: Final = Scalar("a time, such as 2026-02-07T02:00", _parse_moment)
SPAN: Final = Scalar(f"a duration, or `{BUSINESS_DAY}`", _parse_span)
MATCHER: Final = Scalar("a matcher, such as rule=server_*", parse_matcher)


@dataclass(frozen=True, slots=True)
class TimesToAnswer:
    """How long until an incident has to be acknowledged, and resolved."""

    # in milliseconds; None: until the close of the next business day
    respond: int | None = option(SPAN, "Until somebody acknowledges it.")
    resolve: int | None = option(SPAN, "Until it is resolved.")


@dataclass(frozen=True, slots=True)
class SlaOptions:
    """The clocks of incidents; they run from the time at which people were told."""

    zone: tzinfo = option(
        ZONE, "Where business is done; months are those of it too.", default="UTC"
    )
    days: tuple[int, ...] = option(
        ListOf(WEEKDAY, least=1), "Business days.", default="[mon, tue, wed, thu, fri]"
    )
    close: time = option(
        CLOCK, f"When business closes: the time of `{BUSINESS_DAY}`.", default="17:00"
    )
    holidays: tuple[date, ...] = option(ListOf(DATE), "Days without business.", default="[]")
    critical: TimesToAnswer = option(
        Section(TimesToAnswer), "Incidents that are critical.", default="{respond: 5m, resolve: 1h}"
    )
    high: TimesToAnswer = option(
        Section(TimesToAnswer), "Incidents that are high.", default="{respond: 15m, resolve: 4h}"
    )
    medium: TimesToAnswer = option(
        Section(TimesToAnswer), "Incidents that are medium.", default="{respond: 1h, resolve: 8h}"
    )
    low: TimesToAnswer = option(
        Section(TimesToAnswer),
        "Incidents that are low.",
        default="{respond: next business day, resolve: 48h}",
    )


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """
    A maintenance window: once from `from` to `to`, or again and again from `at` for `for`.

    What it is about is muted meanwhile, and told when it ends if it still fires.
    """

    name: str = option(TEXT, "What is done; it is shown as the reason.")
    match: tuple[Any, ...] = option(
        ListOf(MATCHER),
        "What is muted: all of these have to hold; empty for everything. `rule`, `severity`, "
        "`host` or a field of the group, then `=` or `!=` (with wildcards) or `~` or `!~` (a "
        "regular expression).",
        default="[]",
    )
    start: datetime | None = option(
        MOMENT, "Beginning of a single window.", default="none", factory=absent, key="from"
    )
    end: datetime | None = option(
        MOMENT, "End of a single window.", default="none", factory=absent, key="to"
    )
    at: time | None = option(
        CLOCK, "Beginning of a window that comes again.", default="none", factory=absent
    )
    span_seconds: int | None = option(
        DURATION.between("1m", "31d"), "How long it is.", default="none", factory=absent, key="for"
    )
    days: tuple[int, ...] = option(
        ListOf(WEEKDAY), "On which days of the week it begins; empty for all.", default="[]"
    )
    dates: tuple[int, ...] = option(
        ListOf(COUNT.between("1", "31")),
        "On which days of the month it begins; empty for all.",
        default="[]",
    )
    zone: tzinfo = option(ZONE, "Zone of these times.", default="UTC")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        once, again = (self.start, self.end), (self.at, self.span_seconds)
        if (None in once) == (None in again) or (any(once) and self.at is not None):
            yield "at", "or from: has to be there; use from and to, or at and for"
        elif self.start and self.end and self.epoch_ms(self.start) >= self.epoch_ms(self.end):
            yield "to", "is not after from; mend it"

    def epoch_ms(self, moment: datetime) -> int:
        """Return a moment in epoch milliseconds; one without a zone is in `zone`."""
        known = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        return round(known.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class InhibitOptions:
    """While one rule fires, what follows from it is muted."""

    source: str = option(_GLOB, "The rule that says why, with wildcards.")
    targets: tuple[str, ...] = option(
        ListOf(_GLOB, least=1), "The rules that follow from it, with wildcards."
    )
    equal: tuple[str, ...] = option(
        ListOf(_FIELD),
        "Fields in which both groups have to agree, where both have them.",
        default="[service.name]",
    )


@dataclass(frozen=True, slots=True)
class PingOptions:
    """
    The dead man's ping: while all is well, an address of a service elsewhere is asked for.

    All is well while the store answers and rules are judged. The service pages when the pings stop,
    so that a dead alert job is no silence. (An alerter that fails is an incident, which the others
    tell.)
    """

    url: str | None = option(_URL, "The address.", default="none", factory=absent)
    url_file: Path | None = option(
        PATH, "File with the address, where it is a secret.", default="none", factory=absent
    )
    every_seconds: int = option(
        DURATION.between("5s", "1d"), "Time between two pings.", default="1m", key="every"
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (key, fault; remedy) for values that do not go together."""
        if self.url is not None and self.url_file is not None:
            yield "url_file", "is there with url; use one of them"


INHIBIT: Final = """\
[{source: database_disconnected, targets: [error_*, success_rate_*, workflow_failures, timeouts, \
response_time_high, queue_*, new_error_type, system_unhealthy], equal: [service.name]}, \
{source: shipper_silent, targets: [watermark_behind, shipper_behind, application_silent], \
equal: [host.name]}]"""


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """The alert job: `shipper alerts run` judges rules over the records and tells people."""

    rules: Path = option(PATH, "Folder of the rules, one YAML file each.", default="config/rules")
    settings: Path = option(
        PATH,
        "File with the alerters and routes; [alerts-configuration.md](alerts-configuration.md) has "
        "its keys.",
        default="config/alerts.json",
    )
    grace_seconds: int = option(
        DURATION.between("1s", "1h"),
        "How long a window that has ended waits for the records of all hosts. After it, it is "
        "judged on the hosts that have delivered, and once more when another one catches up.",
        default="30s",
        key="grace",
    )
    blind_after_seconds: int = option(
        DURATION.between("10s", "1d"),
        "A host whose records are so long behind, or a store that gives no answer for so long, is "
        "an incident.",
        default="5m",
        key="blind_after",
    )
    forget_hosts_seconds: int = option(
        DURATION.between("10m", "90d"),
        "A host that has sent no heartbeat for so long is not waited for any more.",
        default="1d",
        key="forget_hosts",
    )
    catch_up_seconds: int = option(
        DURATION.between("1m", "90d"),
        "How far back windows are judged that were missed while the job was down, or while a host "
        "was late.",
        default="1d",
        key="catch_up",
    )
    assumed_delay_seconds: int = option(
        DURATION.between("1s", "1h"),
        "Where no shipper sends heartbeats (older versions), records are taken to have arrived "
        "after this time. It is a guess, as in every other tool.",
        default="30s",
        key="assumed_delay",
    )
    lease_seconds: int = option(
        DURATION.between("10s", "1h"),
        "Of several jobs that ask one Elasticsearch one works, and another takes over when nothing "
        "was heard of it for so long.",
        default="1m",
        key="lease",
    )
    ping: PingOptions = option(Section(PingOptions), "A sign of life.", default="{}")
    sla: SlaOptions = option(Section(SlaOptions), "Times to answer.", default="{}")
    maintenance: tuple[MaintenanceOptions, ...] = option(
        ListOf(Section(MaintenanceOptions)), "Planned work.", default="[]"
    )
    inhibit: tuple[InhibitOptions, ...] = option(
        ListOf(Section(InhibitOptions)), "What follows from what.", default=INHIBIT
    )
