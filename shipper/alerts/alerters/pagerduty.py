"""
PagerDuty by Events API v2: one alert per incident, under one `dedup_key`.

    fired, reminded, a time that ends or ended   trigger
    acknowledged                                 acknowledge
    resolved                                     resolve

PagerDuty puts what has the same key together, so a second copy of a page adds nothing. Its limits:
1,024 characters of summary, 512 KB in all; details are cut to well below.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from shipper.alerts.alerters.alerter import AlerterContext
from shipper.alerts.alerters.http import HttpPoster
from shipper.alerts.alerters.secret import read_secret
from shipper.alerts.alerters.settings import PagerDuty
from shipper.alerts.incident import SERVICE, Change
from shipper.alerts.page import Page
from shipper.alerts.pages.parts import cut, headline, line, parts_of, subject
from shipper.alerts.severity import Severity
from shipper.text import instant

SUMMARY_LIMIT: Final = 1024
KEY_LIMIT: Final = 255
DETAIL_LIMIT: Final = 200_000  # characters, of which JSON makes at most 512 KB
ACTIONS: Final = {Change.ACKNOWLEDGED: "acknowledge", Change.RESOLVED: "resolve"}
SEVERITIES: Final = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


class PagerDutyAlerter:
    """Sends events to one service of PagerDuty."""

    dedupes = True
    collects = False

    def __init__(self, name: str, settings: PagerDuty, surroundings: AlerterContext) -> None:
        self.name = name
        self.where = f"PagerDuty events at {settings.base_url}"
        self._settings = settings
        section = f"alerters.{name}.pagerduty"
        self._poster = HttpPoster(
            f"{section}: PagerDuty", section, settings.tls, settings.seconds, surroundings.ticks
        )

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Send one event; the reference is its key."""
        key = reference or dedup_key(page.thread)
        secret = read_secret(self._settings.routing_key_file)
        self._poster.post(
            f"{self._settings.base_url}/v2/enqueue",
            {"routing_key": secret.reveal(), **event(page, key)},
            secrets=[secret],
        )
        return key


def dedup_key(thread: str) -> str:
    """Return the key of an incident; the name of its thread, unless that is too long."""
    named = line(thread, 10 * KEY_LIMIT)
    return named if len(named) <= KEY_LIMIT else sha256(thread.encode()).hexdigest()


def event(page: Page, key: str) -> dict[str, Any]:
    """Write a page as an event, without the key of the service."""
    action = ACTIONS.get(page.transition.change, "trigger")
    sent: dict[str, Any] = {"event_action": action, "dedup_key": key}
    if action != "trigger":
        return sent
    incident = page.transition.incident
    sent["payload"] = {
        "summary": cut(f"{subject(page)} {headline(page)}", SUMMARY_LIMIT),
        "source": line(dict(incident.group).get(SERVICE, "") or "shipper", 250),
        "severity": SEVERITIES[incident.severity],
        "timestamp": instant(incident.fired_at or incident.opened_at),
        "component": line(incident.rule, 250),
        "custom_details": details(page),
    }
    sent["client"] = "shipper"
    if page.link:
        sent["links"] = [{"href": line(page.link, 4000), "text": "Show in Kibana"}]
    return sent


def details(page: Page) -> dict[str, str]:
    """Return the parts of a page by their labels, cut to what PagerDuty takes."""
    found: dict[str, str] = {}
    room = DETAIL_LIMIT
    for part in parts_of(page):
        text = cut("\n".join(part.lines), max(room // 2, 100))
        room -= len(text.encode())
        found[part.label or "Summary"] = text
    return found
