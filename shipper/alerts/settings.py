"""
The settings in config/alerts.json: alerters, who is notified of what, how often, and retries.

The guide's file loads as it stands, its comment line too: YAML knows JSON and `#`. Its
`email_alerts` is an email alerter named `email_alerts`, by the mail server of this machine, and a
route to it. docs/alerts-configuration.md is written from these declarations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.alerts.alerters.settings import (
    ADDRESS,
    ALERTER_NAME,
    URL,
    AlerterSettings,
    Console,
    Email,
)
from shipper.alerts.incident import Change
from shipper.alerts.severity import Severity
from shipper.config.options import (
    COUNT,
    DURATION,
    PATH,
    SECONDS,
    SWITCH,
    Faults,
    ListOf,
    MapOf,
    Section,
    load_options,
    one_word_of,
    option,
    optional,
    text_matching,
)
from shipper.config.shipped import own_or_shipped

FROM_THE_GUIDE: Final = "email_alerts"
NOTIFIED: Final = tuple(
    change for change in Change if change not in (Change.OPENED, Change.DROPPED)
)

_GLOB = text_matching(r"[^\x00-\x20\x7f]{1,200}", "text with * ? [ ] as wildcards")


@dataclass(frozen=True, slots=True)
class Route:
    """Which changes of incidents go to which alerters. An empty condition always matches."""

    to: tuple[str, ...] = option(
        ListOf(ALERTER_NAME), "Alerters to notify; an empty list notifies nobody."
    )
    severity: tuple[str, ...] = option(
        ListOf(one_word_of(*Severity)), "Severities of incidents.", default="[]"
    )
    service: tuple[str, ...] = option(
        ListOf(_GLOB), "Patterns for the `service.name` of the incident.", default="[]"
    )
    rule: tuple[str, ...] = option(
        ListOf(_GLOB), "Patterns for the name of the rule.", default="[]"
    )
    change: tuple[str, ...] = option(
        ListOf(one_word_of(*NOTIFIED)), "Changes of an incident.", default="[]"
    )
    repeat_seconds: int = option(
        DURATION.between("1m", "5200w"),
        "Interval of reminders while an incident fires and nobody has acknowledged it.",
        default="4h",
        key="repeat",
    )
    goes_on: bool = option(
        SWITCH, "`true`: the routes below are tried as well.", default="false", key="continue"
    )


def _escalated(severity: str) -> tuple[str, ...]:
    meaning = f"Alerters for incidents of severity {severity}."
    named: tuple[str, ...] = option(ListOf(ALERTER_NAME), meaning, default="[]")
    return named


@dataclass(frozen=True, slots=True)
class Escalation:
    """Alerters to notify in addition when a time limit of the SLA is exceeded."""

    critical: tuple[str, ...] = _escalated("critical")
    high: tuple[str, ...] = _escalated("high")
    medium: tuple[str, ...] = _escalated("medium")
    low: tuple[str, ...] = _escalated("low")

    def of(self, severity: Severity) -> tuple[str, ...]:
        """Return the alerters of a severity."""
        named: tuple[str, ...] = getattr(self, severity.value)
        return named


@dataclass(frozen=True, slots=True)
class DigestLimits:
    """
    How many single pages an alerter gets; further ones are combined into a digest.

    PagerDuty gets every page, as it groups them itself and could not resolve a digest.
    """

    pages: int = option(
        COUNT.between("1", "1000"),
        "Maximum number of single pages in the time `within`.",
        default="10",
    )
    within_seconds: int = option(
        DURATION.between("10s", "1d"),
        "Time in which pages are counted.",
        default="5m",
        key="within",
    )
    collect_seconds: int = option(
        DURATION.between("0s", "1h"),
        "How long further pages are collected before they are sent as one digest. At most one "
        "digest is sent in the time `within`.",
        default="30s",
        key="collect",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.collect_seconds > self.within_seconds:
            yield "collect", "is more than within", "use at most as much"


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How often and for how long a failed notification is retried."""

    first_seconds: float = option(
        SECONDS.between("100ms", "1h"),
        "Pause after a failure. It doubles with every further failure, with jitter.",
        default="5s",
    )
    longest_seconds: float = option(
        SECONDS.between("100ms", "1d"), "Maximum pause after a failure.", default="5m"
    )
    hand_over_seconds: float = option(
        SECONDS.between("0s", "1d"),
        "How long an alerter may fail before its `fallback` is used.",
        default="2m",
    )
    give_up_seconds: float = option(
        SECONDS.between("1m", "90d"),
        "A page that could not be sent for this long, not even by a fallback, is dropped.",
        default="1d",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.longest_seconds < self.first_seconds:
            yield "longest_seconds", "is less than first_seconds", "use at least as much"
        if self.give_up_seconds < self.hand_over_seconds:
            yield "give_up_seconds", "is less than hand_over_seconds", "use at least as much"


@dataclass(frozen=True, slots=True)
class EmailAlerts:
    """A short form for mail by the mail server of this machine."""

    recipient: str = option(ADDRESS, "Recipient.")
    enabled: bool = option(SWITCH, "`false`: no mail is sent.", default="true")
    triggers: tuple[str, ...] = option(
        ListOf(_GLOB),
        "Rules whose incidents are mailed; an empty list means all rules.",
        default="[]",
    )


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is notified of which incidents, and how."""

    alerters: Mapping[str, AlerterSettings] = option(
        MapOf(ALERTER_NAME, Section(AlerterSettings)),
        "Ways to notify people, by names of your choice.",
        default="{}",
        factory=dict,
    )
    routes: tuple[Route, ...] = option(
        ListOf(Section(Route)),
        "Which alerters are notified. A change of an incident goes to the first route whose "
        "conditions all match; with `continue` the routes below it are tried as well. If no "
        "route matches, nobody is notified. Without any routes, every change goes to all "
        "alerters.",
        default="[]",
    )
    escalation: Escalation = option(
        Section(Escalation),
        "Alerters to notify in addition when a time limit of the SLA is exceeded.",
        default="{}",
    )
    digest: DigestLimits = option(
        Section(DigestLimits), "Limits for many pages at once.", default="{}"
    )
    retry: RetryLimits = option(
        Section(RetryLimits), "Retries of failed notifications.", default="{}"
    )
    kibana_url: str | None = optional(
        URL,
        "Address of Kibana, with `/s/SPACE` if it uses spaces, if it is not that of the section "
        "`kibana` of the config. Pages then link to Discover.",
    )
    runbooks: Path = option(
        PATH,
        "Folder of the runbooks, which the option `runbook` of rules names.",
        default="config/runbooks if it exists, otherwise the runbooks of the package",
        factory=lambda: own_or_shipped("runbooks"),
    )
    email_alerts: EmailAlerts | None = optional(
        Section(EmailAlerts), "A short form for mail by the mail server of this machine."
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.email_alerts is not None and FROM_THE_GUIDE in self.alerters:
            yield (
                "email_alerts",
                f"is used, and an alerter is named {FROM_THE_GUIDE} too",
                "rename the alerter",
            )
        known = sorted(self.all_alerters)
        for place, name in self._named():
            if name not in known:
                remedy = f"use one of: {', '.join(known)}" if known else "add it to alerters"
                key, _, rest = place.partition(" ")
                yield key, f"{rest} names {name}, and there is no such alerter".strip(), remedy
        for name in self.alerters:
            if name in self.fallbacks_of(name):
                yield "alerters", f"{name} falls back on itself in the end", "break the circle"

    def _named(self) -> Iterator[tuple[str, str]]:
        """Yield the places that name an alerter, with the name."""
        for name, alerter in self.alerters.items():
            if alerter.fallback is not None:
                yield f"alerters {name}.fallback", alerter.fallback
        for number, route in enumerate(self.routes):
            yield from ((f"routes [{number}].to", name) for name in route.to)
        for severity in Severity:
            yield from ((f"escalation {severity}", name) for name in self.escalation.of(severity))

    @property
    def all_alerters(self) -> Mapping[str, AlerterSettings]:
        """Return the alerters, with the one of the guide's form."""
        guide = self.email_alerts
        if guide is None or not guide.enabled:
            return self.alerters
        email = Email(to=(guide.recipient,), security="none")
        return {FROM_THE_GUIDE: AlerterSettings(email=email), **self.alerters}

    @property
    def all_routes(self) -> tuple[Route, ...]:
        """Return the routes in order, the one of the guide's form first."""
        guide = self.email_alerts
        mailed: tuple[Route, ...] = ()
        if guide is not None and guide.enabled:
            mailed = (Route(to=(FROM_THE_GUIDE,), rule=guide.triggers, goes_on=True),)
        others = self.routes or ((Route(to=tuple(self.alerters)),) if self.alerters else ())
        return mailed + others

    def fallbacks_of(self, name: str) -> tuple[str, ...]:
        """Return who is notified instead when an alerter fails, in order; a circle ends."""
        chain: list[str] = []
        alerters = self.all_alerters
        following = alerters[name].fallback if name in alerters else None
        while following is not None and following not in chain:
            chain.append(following)
            following = alerters[following].fallback if following in alerters else None
        return tuple(chain)


def load(path: Path) -> AlertSettings:
    """
    Read the file.

    Raises:
        ConfigError: with every fault of the file: place, fault, remedy.
    """
    settings: AlertSettings = load_options(
        path,
        AlertSettings,
        "create it with `shipper alerts init`, or correct alerts.settings in the config",
    )
    return settings


def with_console(settings: AlertSettings) -> AlertSettings:
    """Add an alerter that shows all of it on the standard output; others are notified as before."""
    name = "terminal"
    while name in settings.alerters:
        name += "_"
    others = settings.routes or (Route(to=tuple(settings.alerters)),)
    return dataclasses.replace(
        settings,
        alerters={**settings.alerters, name: AlerterSettings(console=Console())},
        routes=(Route(to=(name,), goes_on=True), *others),
    )
