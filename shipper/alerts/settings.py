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
    absent,
    load_options,
    one_word_of,
    option,
    text_matching,
)

FROM_THE_GUIDE: Final = "email_alerts"
NOTIFIED: Final = tuple(
    change for change in Change if change not in (Change.OPENED, Change.DROPPED)
)

_GLOB = text_matching(r"[^\x00-\x20\x7f]{1,200}", "text with * ? [ ] as wildcards")


@dataclass(frozen=True, slots=True)
class Route:
    """Which transitions go to which alerters. An empty condition is met by all."""

    to: tuple[str, ...] = option(ListOf(ALERTER_NAME), "Alerters to notify; empty: nobody.")
    severity: tuple[str, ...] = option(ListOf(one_word_of(*Severity)), "Severities.", default="[]")
    service: tuple[str, ...] = option(
        ListOf(_GLOB), "Patterns for the `service.name` of the incident.", default="[]"
    )
    rule: tuple[str, ...] = option(ListOf(_GLOB), "Patterns for the rule.", default="[]")
    change: tuple[str, ...] = option(
        ListOf(one_word_of(*NOTIFIED)), "What happened to the incident.", default="[]"
    )
    repeat_seconds: int = option(
        DURATION.between("1m", "5200w"),
        "While it fires and nobody has acknowledged it, tell again after this time.",
        default="4h",
        key="repeat",
    )
    goes_on: bool = option(
        SWITCH, "The routes below are tried as well.", default="false", key="continue"
    )


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is notified besides when nobody answered in time, or the end did not come in time."""

    critical: tuple[str, ...] = option(ListOf(ALERTER_NAME), "Alerters.", default="[]")
    high: tuple[str, ...] = option(ListOf(ALERTER_NAME), "Alerters.", default="[]")
    medium: tuple[str, ...] = option(ListOf(ALERTER_NAME), "Alerters.", default="[]")
    low: tuple[str, ...] = option(ListOf(ALERTER_NAME), "Alerters.", default="[]")

    def of(self, severity: Severity) -> tuple[str, ...]:
        """Return the alerters of a severity."""
        named: tuple[str, ...] = getattr(self, severity.value)
        return named


@dataclass(frozen=True, slots=True)
class DigestLimits:
    """
    How many pages an alerter gets when many incidents open at once, and then one for the rest.

    PagerDuty gets each by itself: it puts them together, and a digest could not be resolved.
    """

    pages: int = option(COUNT.between("1", "1000"), "This many pages …", default="10")
    within_seconds: int = option(
        DURATION.between("10s", "1d"),
        "… in this time go out one by one.",
        default="5m",
        key="within",
    )
    collect_seconds: int = option(
        DURATION.between("0s", "1h"),
        "What is more than that is collected for this long and sent as one page; there is one such "
        "page in the time of `within`.",
        default="30s",
        key="collect",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.collect_seconds > self.within_seconds:
            yield "collect", "is more than within", "use at most as much"


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How often and how long a failing alerter is tried."""

    first_seconds: float = option(
        SECONDS.between("100ms", "1h"),
        "Pause after a failure; it doubles with every further one, with jitter.",
        default="5s",
    )
    longest_seconds: float = option(
        SECONDS.between("100ms", "1d"), "The longest such pause.", default="5m"
    )
    hand_over_seconds: float = option(
        SECONDS.between("0s", "1d"),
        "After this time of failures its `fallback` is used instead.",
        default="2m",
    )
    give_up_seconds: float = option(
        SECONDS.between("1m", "90d"),
        "After this time a page that could not be sent to anybody is dropped.",
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
    """Mail as the guide has it: by the mail server of this machine, for the rules it names."""

    recipient: str = option(ADDRESS, "Who gets the mails.")
    enabled: bool = option(SWITCH, "`false`: no mails.", default="true")
    triggers: tuple[str, ...] = option(
        ListOf(_GLOB), "Rules whose incidents are mailed; empty for all.", default="[]"
    )


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is notified of what, and how."""

    alerters: Mapping[str, AlerterSettings] = option(
        MapOf(ALERTER_NAME, Section(AlerterSettings)),
        "Ways to tell people, by names of your choice.",
        default="{}",
        factory=dict,
    )
    routes: tuple[Route, ...] = option(
        ListOf(Section(Route)),
        "Who is notified of what: the first route whose conditions are all met takes a transition, "
        "and with `continue` those below are tried too. What no route takes goes to nobody. "
        "Without any route, all goes to all alerters.",
        default="[]",
    )
    escalation: Escalation = option(
        Section(Escalation), "Who is notified besides when time ran out.", default="{}"
    )
    digest: DigestLimits = option(
        Section(DigestLimits), "How many pages go out one by one.", default="{}"
    )
    retry: RetryLimits = option(
        Section(RetryLimits), "What happens when an alerter fails.", default="{}"
    )
    kibana_url: str | None = option(
        URL,
        "Address of Kibana, with `/s/SPACE` where it has spaces: pages then lead to Discover.",
        default="none",
        factory=absent,
    )
    runbooks: Path = option(
        PATH, "Folder with a page of steps per `runbook` of a rule.", default="config/runbooks"
    )
    email_alerts: EmailAlerts | None = option(
        Section(EmailAlerts),
        "The guide's form of an alerter and a route.",
        default="none",
        factory=absent,
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.email_alerts is not None and FROM_THE_GUIDE in self.alerters:
            yield "email_alerts", f"is there, and an alerter {FROM_THE_GUIDE} too", "rename that"
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
        path, AlertSettings, "name it as alerts.settings of the config"
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
