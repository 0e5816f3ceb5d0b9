"""
Alerters: ways to notify people of a transition.

An alerter tries once and reports; retries, their pauses and the fall-over to another alerter
belong to who calls it (shipper/alerts/notify/retry.py decides). Adding one is a module here, its
settings in shipper/alerts/alerters/settings.py, and a line in `ALERTERS`.

    notified              a reference, or None where the service has none
    AlerterUnavailable    cannot be reached, too slow, 408, 425, 429, 5xx, SMTP 4xx, a secret's file
                          cannot be read: it may or may not have been notified, and is tried again
    AlerterRefused        any other status, redirects too, SMTP 5xx, certificate not trusted. Of
                          these, a wrong key, address or certificate is correctable

No message, log or repr holds a secret: secrets are read from their files for each try (so a new one
needs no restart), leave this process only towards the service, and are taken out of whatever that
answers before it is quoted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, TextIO

from shipper.alerts.alerters.settings import AlerterSettings
from shipper.alerts.page import Page
from shipper.errors import ConfigError, ShipperError

ALERTERS: Final[dict[str, str]] = {
    "email": "shipper.alerts.alerters.email:EmailAlerter",
    "slack": "shipper.alerts.alerters.slack:SlackAlerter",
    "pagerduty": "shipper.alerts.alerters.pagerduty:PagerDutyAlerter",
    "pagerduty_incidents": "shipper.alerts.alerters.pagerduty_incidents:PagerDutyIncidentsAlerter",
    "webhook": "shipper.alerts.alerters.webhook:WebhookAlerter",
    "console": "shipper.alerts.alerters.console:ConsoleAlerter",
    "apprise": "shipper.alerts.alerters.apprise:AppriseAlerter",
}


class AlerterUnavailable(ShipperError):  # noqa: N818 -- as `OutputUnavailable`
    """
    The service could not be reached, or wants to be asked again later.

    `retry_after_seconds` is what it asked for. The text holds no secret.
    """

    def __init__(
        self, fault: str, remedy: str = "", *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(fault, remedy)
        self.retry_after_seconds = retry_after_seconds


class AlerterRefused(ShipperError):  # noqa: N818 -- an answer
    """
    The service refused the page; the text says why and holds no secret.

    `correctable`: it would accept the same page once somebody has corrected a key, an address or a
    certificate.
    """

    def __init__(self, fault: str, remedy: str = "", *, correctable: bool = False) -> None:
        super().__init__(fault, remedy)
        self.correctable = correctable


class Alerter(Protocol):
    """A way to notify people; one thread calls it."""

    name: str
    where: str  # whom it notifies, in words without a secret
    dedupes: bool  # whether the service drops a second copy of a page by its key
    collects: bool  # whether a page of it may be a digest of many

    def notify(self, page: Page, reference: str | None) -> str | None:
        """
        Notify of a transition, in one attempt.

        `reference` is what the last page of the same incident gave back (a message to edit, a
        mail to answer), None for the first. Returns such a reference for the next one, or None
        where the service has none.

        Raises:
            AlerterUnavailable: it is not known to have been sent; try again.
            AlerterRefused: it will not be, as things are.
        """


@dataclass(frozen=True, slots=True)
class AlerterContext:
    """What an alerter may need of its process: seconds since the epoch; where text goes to."""

    clock: Callable[[], float]
    colors: bool = False
    out: TextIO = sys.stdout
    ticks: Callable[[], float] = time.monotonic


def open_alerter(name: str, settings: AlerterSettings, surroundings: AlerterContext) -> Alerter:
    """
    Make the alerter of that name; nothing is connected yet.

    Raises:
        ConfigError: what it needs is not installed.
    """
    module, _, attribute = ALERTERS[settings.kind].partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"alerters.{name}: {error.name} is not installed",
            f"pip install 'orchestrator-shipper[{settings.kind}]'",
        ) from error
    alerter: Alerter = kind(name, settings.of_kind, surroundings)
    return alerter
