"""
Any of the services that Apprise knows, by its URL; needs the extra `apprise`.

Apprise says only whether it worked, so each failure is taken for one that may pass; its own log,
which may name what it sends to, is not kept. It sends plain text: no service takes log text for
markup that Apprise escapes for it. It has no key for a page, so a second copy is a second message.
"""

from __future__ import annotations

import logging

import apprise

from shipper.alerts.alerter import AlerterRefused, AlerterUnavailable, Surroundings
from shipper.alerts.alerters.kinds import Apprise
from shipper.alerts.colors import word_of
from shipper.alerts.content import as_text, subject
from shipper.alerts.page import Page
from shipper.alerts.secret import read_secret

TYPES = {
    "critical": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "info": apprise.NotifyType.INFO,
}


class AppriseAlerter:
    """Sends through one Apprise URL."""

    dedupes = False
    collects = True

    def __init__(self, name: str, settings: Apprise, _surroundings: Surroundings) -> None:
        self.name = name
        self.where = f"Apprise, by the URL in {settings.url_file}"
        self._settings = settings
        self._who = f"alerters.{name}.apprise"

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Send one message; there is no reference."""
        del reference
        url = read_secret(self._settings.url_file)
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        service = apprise.Apprise()
        if not service.add(url.reveal()):
            told = f"{self._settings.url_file} holds no URL that Apprise knows; mend the file"
            raise AlerterRefused(f"{self._who}: {told}")
        try:
            told_them = service.notify(
                title=subject(page),
                body=as_text(page),
                notify_type=TYPES[word_of(page.transition)],
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001 -- many services, and any message may hold the URL
            told = f"failed with {type(error).__name__}; it is tried again"
            raise AlerterUnavailable(f"{self._who} {told}") from None
        if not told_them:
            raise AlerterUnavailable(f"{self._who}: the service did not take it; it is tried again")
        return None

    def close(self) -> None:
        """Do nothing: no connection stays open."""
