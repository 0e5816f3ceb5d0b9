"""
Any of the services that Apprise knows, by its URL; needs the extra `apprise`.

Apprise says only whether it worked, so each failure is taken for one that may pass; its own log,
which may name what it sends to, is not kept. It sends plain text: no service takes log text for
markup that Apprise escapes for it. It has no key for a page, so a second copy is a second message.

Apprise bounds each step of a try and not the try, so it is made in a thread that is left when its
time is over; until that one has ended no other is begun.
"""

from __future__ import annotations

import logging
from threading import Thread

import apprise

from shipper.alerts.alerters.alerter import AlerterContext, AlerterRefused, AlerterUnavailable
from shipper.alerts.alerters.secret import read_secret
from shipper.alerts.alerters.settings import Apprise
from shipper.alerts.page import Page
from shipper.alerts.pages.colors import word_of
from shipper.alerts.pages.parts import as_text, subject

TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "info": apprise.NotifyType.INFO,
}


class AppriseAlerter:
    """Sends through one Apprise URL."""

    dedupes = False
    collects = True

    def __init__(self, name: str, settings: Apprise, _surroundings: AlerterContext) -> None:
        self.name = name
        self.where = f"Apprise, by the URL in {settings.url_file}"
        self._settings = settings
        self._who = f"alerters.{name}.apprise"
        self._thread: Thread | None = None

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Send one message; there is no reference."""
        del reference
        url = read_secret(self._settings.url_file)
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        logging.getLogger("urllib3").setLevel(logging.INFO)  # below, it tells every path
        service = apprise.Apprise()
        if not service.add(url.reveal()):
            fault = f"{self._who}: {self._settings.url_file} holds no URL that Apprise knows"
            raise AlerterRefused(fault, "correct the file", correctable=True)
        if self._thread is not None and self._thread.is_alive():
            fault = f"{self._who}: the previous attempt is still running"
            raise AlerterUnavailable(fault, "wait for it")
        outcome: list[str | None] = []
        self._thread = Thread(target=_try, args=(service, page, outcome), daemon=True)
        self._thread.start()
        self._thread.join(self._settings.seconds)
        if not outcome:
            fault = f"the service did not answer within {self._settings.seconds:g} s"
            raise AlerterUnavailable(f"{self._who}: {fault}", "check that it is up")
        if outcome[0] is not None:
            raise AlerterUnavailable(f"{self._who} {outcome[0]}", "it is tried again")
        return None


def _try(service: apprise.Apprise, page: Page, outcome: list[str | None]) -> None:
    """Send it and add what went wrong, None if nothing did."""
    try:
        taken = service.notify(
            title=subject(page),
            body=as_text(page),
            notify_type=TYPES[word_of(page.transition)],
            body_format=apprise.NotifyFormat.TEXT,
        )
    except Exception as error:  # noqa: BLE001 -- many services; a message may hold the URL
        outcome.append(f"failed with {type(error).__name__}")
    else:
        outcome.append(None if taken else "reported that the service did not accept it")
