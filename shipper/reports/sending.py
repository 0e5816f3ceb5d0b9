"""Sends reports by the alerters: a mail has all of it, a chat the key figures."""

from __future__ import annotations

from datetime import tzinfo

from shipper.alerts.alerters.alerter import Alerter
from shipper.alerts.alerters.email import EmailAlerter
from shipper.alerts.alerters.slack import SlackAlerter
from shipper.errors import ConfigError
from shipper.reports.document import ReportDocument
from shipper.reports.mail import mail_of, summary_of
from shipper.reports.senders import KINDS


def send(document: ReportDocument, alerter: Alerter, zone: tzinfo, key: str, now: int) -> None:
    """
    Send a report; `key` names it for ever, so that a second copy of a mail can be dropped.

    Raises:
        AlerterUnavailable, AlerterRefused: as the alerter says.
        ConfigError: this kind of alerter cannot send reports.
    """
    match alerter:
        case EmailAlerter():
            alerter.send(mail_of(document, zone), key, now)
        case SlackAlerter():
            alerter.announce(summary_of(document))
        case _:
            raise ConfigError(
                f"the alerter {alerter.name} cannot send reports", f"use {' or '.join(KINDS)}"
            )
