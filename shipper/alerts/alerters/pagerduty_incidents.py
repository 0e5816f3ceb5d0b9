"""
PagerDuty by its REST API, as the guide has it.

    fired          POST /incidents, the guide's payload and an `incident_key`
    acknowledged   PUT /incidents/ID, status acknowledged
    resolved       PUT /incidents/ID, status resolved
    all else       POST /incidents/ID/notes

The reference is the id of PagerDuty's incident. A second copy of the first page is refused by
PagerDuty, because an incident with that key is open, and the alerter counts that as sent: it looks
the incident up by its key. A second copy of a note is a second note.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from shipper.alerts.alerters.alerter import AlerterContext, AlerterUnavailable
from shipper.alerts.alerters.http import HttpAnswer, HttpPoster
from shipper.alerts.alerters.pagerduty import dedup_key
from shipper.alerts.alerters.secret import Secret, read_secret
from shipper.alerts.alerters.settings import PagerDutyIncidents
from shipper.alerts.incident import Change
from shipper.alerts.page import Page
from shipper.alerts.pages.parts import as_text, cut, headline, subject

TITLE_LIMIT: Final = 1024
DETAIL_LIMIT: Final = 60_000
NOTE_LIMIT: Final = 2000
STATES: Final = {Change.ACKNOWLEDGED: "acknowledged", Change.RESOLVED: "resolved"}


class PagerDutyIncidentsAlerter:
    """Keeps incidents of one service of PagerDuty."""

    dedupes = True
    collects = False

    def __init__(
        self, name: str, settings: PagerDutyIncidents, surroundings: AlerterContext
    ) -> None:
        self.name = name
        self.where = f"PagerDuty service {settings.service_id} at {settings.base_url}"
        self._settings = settings
        section = f"alerters.{name}.pagerduty_incidents"
        self._who = f"{section}: PagerDuty"
        self._poster = HttpPoster(
            self._who, section, settings.tls, settings.seconds, surroundings.ticks
        )

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Make an incident, set its state, or add a note; the reference is its id."""
        key = read_secret(self._settings.api_key_file)
        change = page.transition.change
        if change in STATES:
            known = reference or self._find(key, page)
            if known is not None:  # else it was never created there: nothing to resolve
                state = {"type": "incident_reference", "status": STATES[change]}
                self._call(key, "PUT", f"/incidents/{known}", {"incident": state})
            return known
        if reference is None:
            return self._make(key, page)
        note = {"note": {"content": cut(headline(page), NOTE_LIMIT)}}
        self._call(key, "POST", f"/incidents/{reference}/notes", note)
        return reference

    def _make(self, key: Secret, page: Page) -> str | None:
        answer = self._call(key, "POST", "/incidents", self._payload(page), good=_is_open)
        if 200 <= answer.status < 300:
            return _id_of((answer.json() or {}).get("incident"))
        return self._find(key, page)

    def _payload(self, page: Page) -> dict[str, Any]:
        return {
            "incident": {
                "type": "incident",
                "title": cut(f"{subject(page)} {headline(page)}", TITLE_LIMIT),
                "service": {"id": self._settings.service_id, "type": "service_reference"},
                "body": {"type": "incident_body", "details": cut(as_text(page), DETAIL_LIMIT)},
                "incident_key": dedup_key(page.thread),
            }
        }

    def _find(self, key: Secret, page: Page) -> str | None:
        """Look up the open incident of a thread."""
        wanted = {
            "incident_key": dedup_key(page.thread),
            "statuses[]": ["triggered", "acknowledged"],
        }
        answer = self._call(key, "GET", f"/incidents?{urlencode(wanted, doseq=True)}", None)
        found = answer.json()
        incidents = found.get("incidents") if isinstance(found, dict) else None
        if not isinstance(incidents, list):
            raise AlerterUnavailable(
                f"{self._who} answers something unexpected", "it is tried again"
            )
        return next(filter(None, map(_id_of, incidents)), None)

    def _call(self, key: Secret, method: str, path: str, body: Any, **more: Any) -> HttpAnswer:
        return self._poster.post(
            f"{self._settings.base_url}{path}",
            b"" if body is None else body,
            method=method,
            headers={
                "Authorization": f"Token token={key.reveal()}",
                "From": self._settings.sender,
                "Accept": "application/vnd.pagerduty+json;version=2",
            },
            secrets=[key],
            **more,
        )


def _id_of(incident: Any) -> str | None:
    """Return the id of an incident as PagerDuty writes it; None if there is no usable one."""
    found = incident.get("id") if isinstance(incident, dict) else None
    return found if isinstance(found, str) and found.isalnum() else None


def _is_open(answer: HttpAnswer) -> bool:
    """Return whether an incident was refused because one with its key is open."""
    return answer.status in (400, 409) and b"already exists" in answer.body
