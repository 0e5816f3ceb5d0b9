"""
The options of the section `alerts`: rules, waiting times, SLA, maintenance and inhibition.

Alerters and routes are in a file of their own (shipper/alerts/settings.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shipper.config.addresses import HOST_AND_PORT, is_loopback
from shipper.config.matchers import parse_matcher
from shipper.config.options import (
    COUNT,
    DURATION,
    PATH,
    SWITCH,
    TEXT,
    Faults,
    InvalidValueError,
    ListOf,
    Scalar,
    Section,
    option,
    optional,
    parse_duration,
    text_matching,
)
from shipper.config.shipped import own_or_shipped

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BUSINESS_DAY: Final = "next business day"

_GLOB = text_matching(r"[^\x00-\x20\x7f]{1,200}", "text with * ? [ ] as wildcards")
_FIELD = text_matching(r"[\w.@-]{1,200}", "a field")
_URL = text_matching(r"https?://[^\s@\x00-\x1f\x7f]{1,2000}", "an address, such as https://…")


def _parse_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError(
            f'"{text}" is not a known time zone',
            "use one of the IANA database, such as Europe/Berlin, and install tzdata",
        ) from None


def _parse_weekday(text: str) -> int:
    if text.lower() not in WEEKDAYS:
        raise InvalidValueError(f'"{text}" is not a weekday', f"use {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text.lower())


def _parse_clock(text: str) -> time:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if found is None:
        raise InvalidValueError(f'"{text}" is not a time of day', "use 00:00 to 23:59")
    return time(int(found[1]), int(found[2]))


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(f'"{text}" is not a day', "use 2026-12-25") from None


def _parse_moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValueError(f'"{text}" is not a time', "use 2026-02-07T02:00") from None


def _parse_span(text: str) -> int | None:
    if text == BUSINESS_DAY:
        return None
    milliseconds = round(parse_duration(text) * 1000)
    if not milliseconds:
        raise InvalidValueError(f'"{text}" is too short', "use at least 1s")
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
    """Time limits for acknowledging and resolving an incident."""

    # in milliseconds; None: until the close of the next business day
    respond: int | None = option(SPAN, "Time until somebody has to acknowledge it.")
    resolve: int | None = option(SPAN, "Time until it has to be resolved.")


@dataclass(frozen=True, slots=True)
class SlaOptions:
    """Service levels: time limits of incidents, from the first notification on."""

    zone: tzinfo = option(
        ZONE, "Time zone of business days and of the months in SLA reports.", default="UTC"
    )
    days: tuple[int, ...] = option(
        ListOf(WEEKDAY, least=1), "Business days.", default="[mon, tue, wed, thu, fri]"
    )
    close: time = option(CLOCK, f"Close of business: when `{BUSINESS_DAY}` ends.", default="17:00")
    holidays: tuple[date, ...] = option(
        ListOf(DATE), "Days that are not business days.", default="[]"
    )
    critical: TimesToAnswer = option(
        Section(TimesToAnswer),
        "Time limits of critical incidents.",
        default="{respond: 5m, resolve: 1h}",
    )
    high: TimesToAnswer = option(
        Section(TimesToAnswer),
        "Time limits of high incidents.",
        default="{respond: 15m, resolve: 4h}",
    )
    medium: TimesToAnswer = option(
        Section(TimesToAnswer),
        "Time limits of medium incidents.",
        default="{respond: 1h, resolve: 8h}",
    )
    low: TimesToAnswer = option(
        Section(TimesToAnswer),
        "Time limits of low incidents.",
        default="{respond: next business day, resolve: 48h}",
    )


@dataclass(frozen=True, slots=True)
class MaintenanceOptions:
    """
    A maintenance window: once from `from` to `to`, or recurring at `at` for `for`.

    Matching incidents are muted during the window; those that still fire at its end are notified
    then.
    """

    name: str = option(TEXT, "Name of the work; shown as the reason why an incident is muted.")
    match: tuple[Any, ...] = option(
        ListOf(MATCHER),
        "Incidents to mute: all matchers have to match; empty: all incidents. A matcher is `rule`, "
        "`severity`, `host` or a field of the group, then `=` or `!=` with wildcards, or `~` or "
        "`!~` with a regular expression.",
        default="[]",
    )
    start: datetime | None = optional(MOMENT, "Start of a single window.", key="from")
    end: datetime | None = optional(MOMENT, "End of a single window.", key="to")
    at: time | None = optional(CLOCK, "Start of a recurring window.")
    span_seconds: int | None = optional(
        DURATION.between("1m", "31d"), "Length of a recurring window.", key="for"
    )
    days: tuple[int, ...] = option(
        ListOf(WEEKDAY),
        "Weekdays on which it starts; empty: every day.",
        default="[]",
    )
    dates: tuple[int, ...] = option(
        ListOf(COUNT.between("1", "31")),
        "Days of the month on which it starts; empty: every day.",
        default="[]",
    )
    zone: tzinfo = option(ZONE, "Time zone of these times.", default="UTC")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        once, again = (self.start, self.end), (self.at, self.span_seconds)
        if (None in once) == (None in again) or (any(once) and self.at is not None):
            yield "at", "is missing, or mixed with from and to", "use from and to, or at and for"
        elif self.start and self.end and self.epoch_ms(self.start) >= self.epoch_ms(self.end):
            yield "to", "is not after from", "use a later time"

    def epoch_ms(self, moment: datetime) -> int:
        """Return a moment in epoch milliseconds; one without a zone is in `zone`."""
        known = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        return round(known.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class InhibitOptions:
    """While a source rule fires, the rules that follow from it are muted."""

    source: str = option(_GLOB, "The rule that is the cause, with wildcards.")
    targets: tuple[str, ...] = option(ListOf(_GLOB, least=1), "The rules to mute, with wildcards.")
    equal: tuple[str, ...] = option(
        ListOf(_FIELD),
        "Fields whose values must be equal in both incidents, if both have them.",
        default="[service.name]",
    )
    from_text: bool = option(
        SWITCH,
        "By default, a source rule whose query searches text that clients can write (a message, a "
        "path) mutes nothing, unless the query also requires a logger, dataset or `error_type`. "
        "`true`: such a rule mutes the others, too.",
        default="false",
    )


@dataclass(frozen=True, slots=True)
class PingOptions:
    """
    Dead man's switch: this URL is requested while the job is healthy.

    Point it at a service elsewhere that pages you when the requests stop, so that you notice when
    the alert job is down. The job is healthy while the store answers, rules are evaluated, the
    thread of every alerter makes its turns and no page waits for longer than `blind_after` and the
    time of a digest together.
    """

    url: str | None = optional(_URL, "URL to request.")
    url_file: Path | None = optional(PATH, "File with the URL, if it is a secret.")
    every_seconds: int = option(
        DURATION.between("5s", "1d"), "Interval between two requests.", default="1m", key="every"
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.url is not None and self.url_file is not None:
            yield "url_file", "cannot be combined with url", "use one of them"


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """HTTP endpoint of a running alert job: `/metrics` (Prometheus), `/-/healthy`, `/-/ready`."""

    listen: str | None = optional(
        HOST_AND_PORT,
        "Address and port to listen on, such as `127.0.0.1:9478`; none: no endpoint. An address "
        "that other machines can reach needs `token_file`.",
    )
    token_file: Path | None = optional(
        PATH, "File with a token that every request must send (`Authorization: Bearer …`)."
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.listen is None or self.token_file is not None:
            return
        if not is_loopback(self.listen.rpartition(":")[0]):
            yield "listen", "can be reached from other machines", "use 127.0.0.1, or add token_file"


INHIBIT: Final = """\
[{source: database_disconnected, targets: [error_*, success_rate_*, workflow_failures, timeouts, \
response_time_high*, queue_*, new_error_type, system_unhealthy], equal: [service.name]}, \
{source: success_rate_critical, targets: [success_rate_low*, success_rate_critical_polled, \
error_rate_high, error_budget, error_spike], equal: [service.name]}, \
{source: success_rate_critical_polled, targets: [success_rate_low*, success_rate_critical, \
error_rate_high, error_budget, error_spike], equal: [service.name]}, \
{source: error_rate_high, targets: [success_rate_low*, error_spike, error_budget], \
equal: [service.name]}, \
{source: success_rate_low, targets: [success_rate_low_polled], equal: [service.name]}, \
{source: success_rate_low_polled, targets: [success_rate_low], equal: [service.name]}, \
{source: response_time_high, targets: [response_time_high_polled], equal: [service.name]}, \
{source: response_time_high_polled, targets: [response_time_high], equal: [service.name]}, \
{source: storage_critical, targets: [system_unhealthy], equal: [service.name]}, \
{source: system_unhealthy, targets: ["*_polled", success_rate_*, error_rate_high, error_budget, \
error_spike, response_time_high, application_silent], equal: [service.name]}, \
{source: shipper_silent, targets: [watermark_behind, shipper_behind, application_silent], \
equal: [host.name]}]"""


def default_inhibitions() -> tuple[InhibitOptions, ...]:
    """Return the inhibitions of a config that lists none."""
    return AlertOptions().inhibit


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """The alert job, `shipper alerts run`: evaluates rules over records and notifies people."""

    rules: Path = option(
        PATH,
        "Folder of the rules, one YAML file per rule.",
        default="config/rules if it exists, otherwise the rules of the package",
        factory=lambda: own_or_shipped("rules"),
    )
    settings: Path = option(
        PATH,
        "File with the alerters and routes; [alerts-configuration.md](alerts-configuration.md) has "
        "its keys, and `shipper alerts init` writes one.",
        default="config/alerts.json",
    )
    grace_seconds: int = option(
        DURATION.between("1s", "1h"),
        "How long a window that has ended waits for the records of all hosts. Then it is evaluated "
        "with the hosts that have delivered, and again when another host catches up.",
        default="30s",
        key="grace",
    )
    blind_after_seconds: int = option(
        DURATION.between("10s", "1d"),
        "A host whose records are this far behind, or a store that does not answer for this long, "
        "is an incident.",
        default="5m",
        key="blind_after",
    )
    forget_hosts_seconds: int = option(
        DURATION.between("10m", "90d"),
        "A host without a heartbeat for this long is no longer waited for.",
        default="1d",
        key="forget_hosts",
    )
    catch_up_seconds: int = option(
        DURATION.between("1m", "90d"),
        "How far back windows are evaluated that were missed while the job was down or a host was "
        "late.",
        default="1d",
        key="catch_up",
    )
    assumed_delay_seconds: int = option(
        DURATION.between("1s", "1h"),
        "How long records take to arrive, assumed for hosts whose shipper sends no heartbeats. "
        "Raise it if records arrive later.",
        default="30s",
        key="assumed_delay",
    )
    lease_seconds: int = option(
        DURATION.between("10s", "1h"),
        "Of several alert jobs on one Elasticsearch, one is active. Another takes over when the "
        "active one has not renewed its lease for this long.",
        default="1m",
        key="lease",
    )
    ping: PingOptions = option(Section(PingOptions), "Dead man's switch.", default="{}")
    keep_seconds: int = option(
        DURATION.between("90d", "3650d"),
        "How long incidents are kept in `alerts.db` after they ended, for `shipper alerts history` "
        "and the SLA report.",
        default="400d",
        key="keep",
    )
    metrics: EndpointOptions = option(
        Section(EndpointOptions), "HTTP endpoint for metrics and health checks.", default="{}"
    )
    sla: SlaOptions = option(
        Section(SlaOptions), "Time limits for acknowledging and resolving incidents.", default="{}"
    )
    maintenance: tuple[MaintenanceOptions, ...] = option(
        ListOf(Section(MaintenanceOptions)), "Maintenance windows.", default="[]"
    )
    inhibit: tuple[InhibitOptions, ...] = option(
        ListOf(Section(InhibitOptions)),
        "Rules that mute other rules. Your list replaces the default one; `shipper check` says "
        "what is no longer muted.",
        default=INHIBIT,
    )
