"""
Mail by SMTP: text and HTML, one thread per incident.

    Message-ID     made from the key of the page: a second copy has the same, and mail systems that
                   look for it drop it
    References     an id made from the incident, the same for all its mails; and the first mail
    Subject        names the incident and stays as it is, `Re: ` before it: some clients put mails
                   together by that

The connection is secret and verified before a password is sent, or nothing is. Each mail has a
connection of its own. No text of a page becomes a header but the subject, on one line and encoded;
in the HTML all of it is escaped, and nothing is loaded from anywhere.

A mail that some of its recipients may not get is refused as a whole: those that could get it have
it, and the fallback tells the rest.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import formatdate
from hashlib import sha256
from html import escape
from typing import Final

from shipper.alerts.alerters.alerter import AlerterContext, AlerterRefused, AlerterUnavailable
from shipper.alerts.alerters.secret import Scrub, Secret, read_secret
from shipper.alerts.alerters.settings import Email
from shipper.alerts.alerters.smtp import Session
from shipper.alerts.page import Page
from shipper.alerts.pages.colors import color_of
from shipper.alerts.pages.parts import as_text, cut, headline, line, parts_of, subject
from shipper.net.connect import ConnectionFailed, client_context, explain
from shipper.net.deadline import Deadline
from shipper.text import safe

SUBJECT_LIMIT: Final = 150  # characters; clients show less, and folding stays simple
HTML_LIMIT: Final = 90_000  # bytes; some clients cut mails that are longer than 102 KB


class EmailAlerter:
    """Sends mails through one server."""

    dedupes = True
    collects = True

    def __init__(self, name: str, settings: Email, surroundings: AlerterContext) -> None:
        self.name = name
        self.where = f"mail to {', '.join(settings.to)} by {settings.host}:{settings.port}"
        self._settings = settings
        self._ticks = surroundings.ticks
        self._section = f"alerters.{name}.email"
        self._who = f"{self._section}: {settings.host}:{settings.port}"

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Send one mail; the reference is the Message-ID of the first."""
        message = message_of(page, self._settings, reference)
        self._converse(message)
        return reference or str(message["Message-ID"])

    def send(self, message: EmailMessage, key: str, now: int) -> None:
        """
        Send a mail that is no page; raises as `notify` does.

        `message` has a subject and content, `key` names it for ever, `now` is in epoch ms.
        """
        settings = self._settings
        message["From"] = settings.sender
        message["To"] = ", ".join(settings.to)
        message["Date"] = formatdate(now / 1000)
        message["Message-ID"] = _message_id(key, settings.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        self._converse(message)

    def log_in(self) -> None:
        """Connect and log in as for a mail, and send none; raises as `notify` does."""
        self._converse(None)

    def _converse(self, message: EmailMessage | None) -> None:
        """Go through a whole session, and say in our own words what went wrong with it."""
        file = self._settings.password_file
        password = None if file is None else read_secret(file)
        try:
            self._send(message, password)
        except smtplib.SMTPException as error:
            raise self._refusal(error, password) from None
        except ConnectionFailed as failed:
            raise AlerterUnavailable(f"{self._who} {failed.fault}", failed.remedy) from None
        except UnicodeError:
            raise AlerterRefused(
                f"{self._who} is not a valid host name", "correct host", correctable=True
            ) from None
        except OSError as error:
            raise self._unreached(error) from None

    def _send(self, message: EmailMessage | None, password: Secret | None) -> None:
        settings = self._settings
        with self._connected() as server:
            if settings.security == "starttls":
                server.starttls(context=client_context(settings.tls, self._section))
            if settings.username is not None and password is not None:
                server.login(settings.username, password.reveal())
            if message is None:
                return
            wire = message.as_bytes(policy=WIRE)
            refused = server.sendmail(settings.sender, list(settings.to), wire)
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)

    def _unreached(self, error: OSError) -> AlerterUnavailable | AlerterRefused:
        if isinstance(error, TimeoutError):
            fault = f"{self._who} did not answer within {self._settings.seconds:g} s"
            return AlerterUnavailable(fault, "check that it is up")
        failed = explain(error, self._section)
        fault, remedy = f"{self._who} {failed.fault}", failed.remedy.replace(".hosts", ".host")
        if isinstance(error, ssl.SSLCertVerificationError):
            return AlerterRefused(fault, remedy, correctable=True)
        return AlerterUnavailable(fault, remedy)

    def _connected(self) -> Session:
        settings = self._settings
        deadline = Deadline(self._ticks, settings.seconds)
        context = None
        if settings.security == "tls":
            context = client_context(settings.tls, self._section)
        return Session(settings.host.strip("[]"), settings.port, deadline, context)

    def _refusal(
        self, error: smtplib.SMTPException, password: Secret | None
    ) -> AlerterUnavailable | AlerterRefused:
        """Say what an answer of the server means: 4xx and a cut mean later, 5xx means no."""
        scrub = Scrub([password] if password else [])
        match error:
            case smtplib.SMTPAuthenticationError():
                # What it says of the password may hold the password.
                fault = f"does not accept the user or password ({error.smtp_code})"
                return self._judged([error.smtp_code], fault, "correct them", correctable=True)
            case smtplib.SMTPRecipientsRefused():
                quoted = "; ".join(
                    f"{who}: {code} {_words(text, scrub)}"
                    for who, (code, text) in error.recipients.items()
                )
                codes = [code for code, _ in error.recipients.values()]
                fault = f"refuses recipients ({quoted})"
                nobody_has_it = len(codes) == len(self._settings.to)
                return self._judged(codes, fault, "correct `to`", correctable=nobody_has_it)
            case smtplib.SMTPResponseException():
                fault = f"answers {error.smtp_code} {_words(error.smtp_error, scrub)}"
                is_about_us = isinstance(error, smtplib.SMTPSenderRefused)
                return self._judged(
                    [error.smtp_code], fault, "see its log", correctable=is_about_us
                )
            case smtplib.SMTPNotSupportedError():
                fault = f"does not offer what security: {self._settings.security} or username needs"
                return AlerterRefused(
                    f"{self._who} {fault}", "correct these settings", correctable=True
                )
        return AlerterUnavailable(f"{self._who} ended the connection", "see its log")

    def _judged(
        self, codes: list[int], fault: str, remedy: str, *, correctable: bool
    ) -> AlerterUnavailable | AlerterRefused:
        if all(code < 500 for code in codes):
            return AlerterUnavailable(f"{self._who} {fault}", remedy)
        return AlerterRefused(f"{self._who} {fault}", remedy, correctable=correctable)


def _words(text: bytes | str, scrub: Scrub) -> str:
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return cut(safe(scrub(decoded)), 200)


def message_of(page: Page, settings: Email, reference: str | None) -> EmailMessage:
    """Write the mail of a page."""
    message = EmailMessage(policy=WIRE)
    domain = settings.sender.rpartition("@")[2]
    thread = _message_id(f"thread {page.thread}", domain)
    again = "Re: " if reference else ""
    message["Subject"] = again + subject(page, SUBJECT_LIMIT)
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Date"] = formatdate(page.transition.at / 1000)
    message["Message-ID"] = _message_id(page.key, domain)
    message["References"] = f"{thread} {reference}" if reference else thread
    message["In-Reply-To"] = reference or thread
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(as_text(page), cte="quoted-printable")
    message.add_alternative(html_of(page), subtype="html", cte="quoted-printable")
    return message


def _message_id(key: str, domain: str) -> str:
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{domain}>"


_CELL = "padding:2px 12px 2px 0;vertical-align:top"
_CODE = "font-family:monospace;font-size:12px;white-space:pre-wrap;word-break:break-word"


def html_of(page: Page) -> str:
    """Write the page as HTML that mail clients show alike: a table, styles in place, no more."""
    color = color_of(page.transition)
    rows: list[str] = []
    left = HTML_LIMIT
    for part in parts_of(page):
        style = f"{_CELL};{_CODE}" if part.code else _CELL
        text = "<br>".join(escape(each) for each in part.lines)
        row = (
            f'<tr><td style="{_CELL};color:#666666">{escape(part.label)}</td>'
            f'<td style="{style}">{text}</td></tr>\n'
        )
        left -= len(row.encode())
        if left < 0:
            break
        rows.append(row)
    link = ""
    if page.link:
        link = f'<p><a href="{escape(line(page.link, 4000))}">Show in Kibana</a></p>\n'
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>\n'
        '<body style="font-family:Arial,sans-serif;font-size:14px;color:#222222">\n'
        f'<div style="border-left:5px solid {color};padding-left:12px">\n'
        f'<h2 style="font-size:18px;margin:0 0 8px 0">{escape(headline(page))}</h2>\n'
        f'<table style="border-collapse:collapse">\n{"".join(rows)}</table>\n{link}'
        "</div></body></html>\n"
    )
