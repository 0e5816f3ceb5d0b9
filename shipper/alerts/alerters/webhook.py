"""
A POST of JSON to any address, one per page.

    webhook-id, Idempotency-Key   made from the key of the page: the same for every try
    webhook-timestamp             seconds since the epoch when this try was sent
    webhook-signature             v1,base64(HMAC-SHA256(secret, id.timestamp.body)); where there
                                  is a secret

The signature is that of the Standard Webhooks specification, for which there are libraries: check
it on the bytes as they arrived, refuse a timestamp that is older than some minutes, and drop an id
that was seen before. docs/alerters.md shows the body and a receiver that checks.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from typing import Any, Final

import msgspec

from shipper.alerts.alerters.alerter import AlerterContext, AlerterUnavailable
from shipper.alerts.alerters.http import HttpPoster, read_url
from shipper.alerts.alerters.secret import Secret, read_secret
from shipper.alerts.alerters.settings import Webhook
from shipper.alerts.page import Page
from shipper.alerts.pages.colors import color_of
from shipper.alerts.pages.parts import LONGEST_COMMAND, MOST_LINES, headline, line, parts_of, state
from shipper.text import instant

PREFIX: Final = "whsec_"


class WebhookAlerter:
    """Notifies one URL."""

    dedupes = True
    collects = True

    def __init__(self, name: str, settings: Webhook, surroundings: AlerterContext) -> None:
        self.name = name
        self.where = settings.url.partition("?")[0] if settings.url else f"{settings.url_file}"
        self._settings = settings
        self._clock: Callable[[], float] = surroundings.clock
        section = f"alerters.{name}.webhook"
        self._who = f"{section}: the service"
        self._poster = HttpPoster(
            self._who, section, settings.tls, settings.seconds, surroundings.ticks
        )

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Send one request; there is no reference."""
        del reference
        body = msgspec.json.encode(document(page))
        id_ = sha256(page.key.encode()).hexdigest()[:32]
        stamp = str(int(self._clock()))
        headers = {"webhook-id": id_, "Idempotency-Key": id_, "webhook-timestamp": stamp}
        secrets: list[Secret] = []
        if self._settings.secret_file is not None:
            secret = read_secret(self._settings.secret_file)
            secrets.append(secret)
            headers["webhook-signature"] = signature(self._key(secret), id_, stamp, body)
        self._poster.post(self._address(), body, headers=headers, secrets=secrets)
        return None

    def _address(self) -> Secret | str:
        if self._settings.url_file is None:
            assert self._settings.url is not None
            return Secret(self._settings.url)
        return read_url(self._settings.url_file, self._who)

    def _key(self, secret: Secret) -> bytes:
        text = secret.reveal()
        if not text.startswith(PREFIX):
            return text.encode()
        try:
            return base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            fault = f"{self._settings.secret_file} holds no base64 after {PREFIX}"
            raise AlerterUnavailable(f"{self._who}: {fault}", "correct the file") from None


def signature(key: bytes, id_: str, stamp: str, body: bytes) -> str:
    """Sign a request."""
    signed = b".".join((id_.encode(), stamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, sha256)).decode()}"


def document(page: Page) -> dict[str, Any]:
    """Write a page as JSON: the incident for programs, the parts for people."""
    transition = page.transition
    incident = transition.incident
    verdict = incident.verdict
    return {
        "key": page.key,
        "thread": page.thread,
        "change": transition.change.value,
        "at": instant(transition.at),
        "title": headline(page),
        "summary": line(page.summary),
        "state": state(page),
        "color": color_of(transition),
        "incident": {
            "id": incident.id,
            "rule": incident.rule,
            "group": {field: line(value) for field, value in incident.group},
            "severity": incident.severity.value,
            "phase": incident.phase.value,
            "opened_at": _instant(incident.opened_at),
            "fired_at": _instant(incident.fired_at),
            "acknowledged_at": _instant(incident.acknowledged_at),
            "resolved_at": _instant(incident.resolved_at),
        },
        "verdict": {
            "state": verdict.state.value,
            "value": verdict.value,
            "threshold": verdict.threshold,
            "low": verdict.low,
            "high": verdict.high,
            "events": verdict.events,
            "start": instant(verdict.window.start),
            "end": instant(verdict.window.end),
        },
        "shares": [
            {**asdict(each), "value": line(each.value)} for each in page.shares[:MOST_LINES]
        ],
        "search": line(page.search, LONGEST_COMMAND) if page.search else None,
        "link": page.link,
        "parts": [{"label": part.label, "lines": part.lines} for part in parts_of(page)],
    }


def _instant(time: int | None) -> str | None:
    return None if time is None else instant(time)
