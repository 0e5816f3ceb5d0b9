"""Who is told of a transition, how often, and by whom instead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shipper.alerts.alerters.alerter import ALERTERS
from shipper.alerts.alerters.settings import KINDS, AlerterSettings, Console, Email
from shipper.alerts.incident import Change, Incident, Transition
from shipper.alerts.routing import alerters_for, repeat_after_ms
from shipper.alerts.settings import (
    AlertSettings,
    EmailAlerts,
    Escalation,
    Route,
    load,
    with_console,
)
from shipper.alerts.severity import Severity
from shipper.config.options import InvalidOptionsError, read_options
from shipper.errors import ConfigError
from tests.alerts.paging import transition

ROOT = Path(__file__).parent.parent.parent
A_CONSOLE = AlerterSettings(console=Console())


def settings(*routes: Route, escalation: Escalation | None = None) -> AlertSettings:
    alerters = dict.fromkeys(["mail", "chat", "pager", "boss"], A_CONSOLE)
    return AlertSettings(alerters=alerters, routes=routes, escalation=escalation or Escalation())


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidOptionsError) as raised:
        read_options(text, AlertSettings)
    return [str(fault) for fault in raised.value.faults]


def muted(of: Transition) -> Transition:
    incident: Incident = replace(of.incident, muted_by="silence 1")
    return replace(of, incident=incident)


def test_the_first_route_that_fits_takes_the_transition() -> None:
    """Routes are tried in order; the first one whose conditions are all met is the last."""
    routes = settings(
        Route(to=("pager",), severity=("critical",)),
        Route(to=("chat",), service=("shop*",), rule=("server_*",)),
        Route(to=("mail",)),
    )

    assert alerters_for(transition(severity=Severity.CRITICAL), routes) == ("pager",)
    assert alerters_for(transition(service="shop-eu"), routes) == ("chat",)
    assert alerters_for(transition(service="billing"), routes) == ("mail",)
    assert alerters_for(transition(rule="queue", service="shop"), routes) == ("mail",)


def test_continue_lets_the_routes_below_add_theirs() -> None:
    """With `continue` more routes are tried, and nobody is named twice."""
    routes = settings(
        Route(to=("chat", "mail"), goes_on=True),
        Route(to=("mail", "pager"), severity=("high",)),
        Route(to=("boss",)),
    )

    assert alerters_for(transition(), routes) == ("chat", "mail", "pager")


def test_what_no_route_takes_goes_to_nobody() -> None:
    """Routes say all; without any route everything goes to all alerters."""
    only_ends = settings(Route(to=("chat",), change=("resolved",)))

    assert alerters_for(transition(Change.FIRED), only_ends) == ()
    assert alerters_for(transition(Change.RESOLVED), only_ends) == ("chat",)
    assert alerters_for(transition(), settings()) == ("mail", "chat", "pager", "boss")


@pytest.mark.parametrize("change", [Change.OPENED, Change.DROPPED])
def test_nobody_is_told_of_what_has_not_fired(change: Change) -> None:
    """Pending and dropped incidents are for the history alone."""
    assert alerters_for(transition(change), settings()) == ()


def test_nobody_is_told_of_what_is_muted() -> None:
    """A silence, a maintenance window or another incident keeps the pages away."""
    assert alerters_for(muted(transition()), settings()) == ()


def test_a_breach_of_the_times_goes_to_more_people() -> None:
    """Escalation is by severity, comes on top of the routes, and only when time ran out."""
    routes = settings(Route(to=("chat",)), escalation=Escalation(high=("boss", "chat")))

    assert alerters_for(transition(Change.RESPONSE_BREACHED), routes) == ("chat", "boss")
    assert alerters_for(transition(Change.RESOLUTION_BREACHED), routes) == ("chat", "boss")
    assert alerters_for(transition(Change.RESPONSE_DUE), routes) == ("chat",)
    low = transition(Change.RESPONSE_BREACHED, severity=Severity.LOW)
    assert alerters_for(low, routes) == ("chat",)


def test_reminders_come_as_often_as_the_most_eager_route_says() -> None:
    """The shortest `repeat` of the routes that take an incident counts."""
    routes = settings(
        Route(to=("chat",), repeat_seconds=3600, goes_on=True),
        Route(to=("pager",), severity=("high",), repeat_seconds=600),
    )
    kept = settings(Route(to=()))

    assert repeat_after_ms(transition().incident, routes) == 600_000
    assert repeat_after_ms(transition(severity=Severity.LOW).incident, routes) == 3_600_000
    assert repeat_after_ms(transition().incident, kept) is None


def test_the_file_of_the_guide_loads_as_it_is() -> None:
    """Its mail alerter goes through the mail server of this machine, for its triggers alone."""
    loaded = load(ROOT / "config/alerts.json")

    assert loaded.email_alerts == EmailAlerts(
        "ops-team@example.com",
        enabled=True,
        triggers=(
            "system_unhealthy",
            "error_rate_high",
            "database_disconnected",
            "storage_critical",
        ),
    )
    email = loaded.all_alerters["email_alerts"].of_kind
    assert isinstance(email, Email)
    assert (email.to, email.host, email.port) == (("ops-team@example.com",), "localhost", 25)
    assert email.security == "none"
    told = {
        rule: alerters_for(transition(rule=rule), loaded)
        for rule in ("system_unhealthy", "storage_critical", "new_error")
    }
    assert told == {
        "system_unhealthy": ("email_alerts",),
        "storage_critical": ("email_alerts",),
        "new_error": (),
    }


def test_the_guides_mail_can_be_switched_off() -> None:
    """`enabled: false` leaves neither alerter nor route."""
    guide = EmailAlerts("ops@example.com", enabled=False)

    assert AlertSettings(email_alerts=guide).all_alerters == {}
    assert AlertSettings(email_alerts=guide).all_routes == ()


def test_the_guides_form_goes_with_ours() -> None:
    """An alerter of our form gets everything although the guide's form has its triggers."""
    loaded = with_console(AlertSettings(email_alerts=EmailAlerts("ops@example.com")))

    assert alerters_for(transition(), loaded) == ("email_alerts", "terminal")


def test_the_console_is_told_besides_the_others() -> None:
    """Whoever was told before is told still, with routes or without any."""
    of_that_name = AlertSettings(alerters={"terminal": A_CONSOLE, "pager": A_CONSOLE})

    told = alerters_for(transition(), with_console(of_that_name))
    assert told == ("terminal_", "terminal", "pager")
    routed = with_console(settings(Route(to=("pager",), severity=("critical",))))
    assert alerters_for(transition(), routed) == ("terminal",)
    assert alerters_for(transition(severity=Severity.CRITICAL), routed) == ("terminal", "pager")


def test_fallbacks_are_a_chain() -> None:
    """Each alerter is in the chain once, and the one that failed is not."""
    chain = AlertSettings(
        alerters={
            "a": AlerterSettings(console=Console(), fallback="b"),
            "b": AlerterSettings(console=Console(), fallback="c"),
            "c": A_CONSOLE,
        }
    )

    assert chain.fallbacks_of("a") == ("b", "c")
    assert chain.fallbacks_of("c") == ()
    assert chain.fallbacks_of("gone") == ()


def test_all_faults_are_told_at_once() -> None:
    """Each with its place and its remedy, across alerters, routes and limits."""
    told = faults(
        """
alerters:
  Ops!: {console: {}}
  chat: {slack: {token_file: /run/secrets/slack}}
  pager: {pagerduty: {routing_key_file: key, base_url: "http://events.example.com"}}
  hook: {webhook: {url: "https://u:p4ssword@example.com/"}}
  mail: {email: {to: ["a@example.com\\nBcc: b@example.com"], username: ops}}
  both: {console: {}, email: {to: [a@example.com]}}
retry: {first_seconds: 1m, longest_seconds: 1s}
digest: {collect: 10m}
"""
    )

    text = "\n".join(told)
    assert len(told) == 8
    for part in (
        'Ops!" is not valid; use a name of a-z',
        "alerters.chat.slack.channel",
        "alerters.pager.pagerduty.base_url (line 5): would be requested in clear text; use https",
        "alerters.hook.webhook.url",
        "alerters.mail.email.to[0]",
        "alerters.both.console",
        "retry.longest_seconds",
        "digest.collect",
    ):
        assert part in text
    assert "p4ssword" not in text


def test_a_name_that_nobody_has_is_a_fault() -> None:
    """Routes, escalation and fallbacks name alerters that there are, and end somewhere."""
    told = faults(
        """
alerters:
  a: {console: {}, fallback: b}
  b: {console: {}, fallback: a}
  c: {console: {}, fallback: x}
routes: [{to: [a]}, {to: [nobody]}]
escalation: {critical: [boss]}
"""
    )

    text = "\n".join(told)
    assert "c.fallback names x" in text
    assert "[1].to names nobody, and there is no such alerter; use one of: a, b, c" in text
    assert "critical names boss" in text
    assert "a falls back on itself" in text


def test_a_file_that_is_not_there_says_which(tmp_path: Path) -> None:
    """The error names the file, and whatever is wrong within it."""
    with pytest.raises(ConfigError, match=r"cannot read .*none.json: No such file"):
        load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"routes": [{"to": ["x"]}]}')
    with pytest.raises(ConfigError, match=r"cannot use .*bad.json:\n  routes .*add it to alerters"):
        load(tmp_path / "bad.json")


def test_every_kind_can_be_made() -> None:
    """What the settings know, the registry knows, and the other way round."""
    assert tuple(ALERTERS) == KINDS
