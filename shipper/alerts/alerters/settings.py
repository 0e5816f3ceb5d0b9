"""
The kinds of alerters, and what can be set for each.

A secret is named by its file, never written here. What goes to a server goes over TLS, verified,
unless the server is this machine.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.config.addresses import is_loopback
from shipper.config.options import (
    COUNT,
    PATH,
    SECONDS,
    TEXT,
    Faults,
    InvalidValueError,
    ListOf,
    Scalar,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)
from shipper.config.outputs import TlsOptions, both_or_neither

ALERTER_NAME: Final = text_matching(r"[a-z0-9][a-z0-9_-]{0,39}", "a name of a-z, 0-9, _ and -")
_MAILBOX = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
ADDRESS = text_matching(_MAILBOX, "a mail address, such as ops-team@example.com")
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_PORT = COUNT.between("1", "65535")
_URL = rf"(https?)://({_HOST})(?::\d{{1,5}})?(?:/[\w.~/%-]*)?(?:\?[\w.~/%=&-]*)?"


def address_of(text: str) -> str:
    """
    Take the address of a server that secrets may be sent to.

    Raises:
        InvalidValueError: it is none; an address may itself be a secret, so this does not show it.
    """
    found = re.fullmatch(_URL, text, re.ASCII)
    if found is None:
        raise InvalidValueError(
            "is not a valid address (a user or password is not allowed)",
            "use https:// and a host, such as https://alerts.example.com/page",
        )
    if found[1] == "http" and not is_loopback(found[2]):
        raise InvalidValueError("would be requested in clear text", "use https")
    return text.rstrip("/")


URL: Final = Scalar("an address that begins with https://", address_of)

_TRY = SECONDS.between("1s", "5m")
_TRY_MEANING = "Timeout of an attempt, from connecting to the end of the answer."
_TLS_MEANING = "TLS of the connection."


def _tls_faults(tls: TlsOptions) -> Faults:
    if not tls.enabled:
        yield "tls", "cannot be disabled here", "remove enabled"


@dataclass(frozen=True, slots=True)
class Email:
    """Mail by SMTP: text and HTML, one thread per incident."""

    to: tuple[str, ...] = option(ListOf(ADDRESS, least=1), "Recipients.")
    sender: str = option(
        ADDRESS,
        "Sender.",
        default="shipper@ and the name of this machine",
        factory=lambda: f"shipper@{socket.gethostname()}",
        key="from",
    )
    host: str = option(text_matching(_HOST, "a host"), "Mail server.", default="localhost")
    port: int = option(
        _PORT, "Port of the mail server: usually 587 with `starttls`, 465 with `tls`.", default="25"
    )
    security: str = option(
        one_word_of("starttls", "tls", "none"),
        "`starttls`: connects in clear text and switches to TLS; fails if the server does not "
        "offer it. `tls`: TLS from the start. `none`: clear text, for a mail server on this "
        "machine.",
        default="starttls",
    )
    username: str | None = optional(TEXT, "User name, if the server requires a login.")
    password_file: Path | None = optional(PATH, "File with the password of `username`.")
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from both_or_neither(self, "username", "password_file")
        if self.username is not None and self.security == "none" and not is_loopback(self.host):
            yield "security", "none would send the password in clear text", "use starttls or tls"
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class Slack:
    """Messages in a Slack channel, by an incoming webhook or by a bot."""

    url_file: Path | None = optional(
        PATH,
        "File with the URL of an incoming webhook, which is a secret. It posts one message per "
        "change of an incident.",
    )
    token_file: Path | None = optional(
        PATH,
        "File with a bot token (`xoxb-…`, scope `chat:write`). The bot posts one message per "
        "incident, keeps it up to date, and replies in its thread to each change.",
    )
    channel: str | None = optional(
        text_matching(r"[A-Z0-9]{2,30}", "the ID of a channel, such as C0123456789"),
        "ID of the channel that the bot posts to.",
    )
    base_url: str = option(URL, "Base URL of the Slack Web API.", default="https://slack.com/api")
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if (self.url_file is None) == (self.token_file is None):
            yield "url_file", "is needed, or token_file, but not both", "use one of them"
        yield from both_or_neither(self, "token_file", "channel")
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """PagerDuty by its Events API v2: one PagerDuty incident per incident."""

    routing_key_file: Path = option(PATH, "File with the integration key of the PagerDuty service.")
    base_url: str = option(
        URL,
        "Base URL of the Events API; `https://events.eu.pagerduty.com` in the EU region.",
        default="https://events.pagerduty.com",
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class PagerDutyIncidents:
    """PagerDuty by its REST API: creates incidents and updates them."""

    api_key_file: Path = option(PATH, "File with a REST API key that has write access.")
    service_id: str = option(
        text_matching(r"[A-Z0-9]{2,40}", "an ID, such as PABC123"), "ID of the PagerDuty service."
    )
    sender: str = option(
        ADDRESS, "Mail address of a user of the account, which the API requires.", key="from"
    )
    base_url: str = option(
        URL,
        "Base URL of the REST API; `https://api.eu.pagerduty.com` in the EU region.",
        default="https://api.pagerduty.com",
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class Webhook:
    """JSON by HTTP POST to your own service, signed as in the Standard Webhooks specification."""

    url: str | None = optional(URL, "URL of the service.")
    url_file: Path | None = optional(PATH, "File with the URL, if it is a secret.")
    secret_file: Path | None = optional(
        PATH,
        "File with the secret that signs each request (HMAC-SHA256): any text, or `whsec_` "
        "followed by base64.",
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if (self.url is None) == (self.url_file is None):
            yield "url", "is needed, or url_file, but not both", "use one of them"
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class Console:
    """Text on standard output."""

    colors: str = option(
        one_word_of("auto", "always", "never"),
        "`auto`: colors if standard output is a terminal.",
        default="auto",
    )


@dataclass(frozen=True, slots=True)
class Apprise:
    """Any service that Apprise supports; needs the extra `apprise`."""

    url_file: Path = option(PATH, "File with the Apprise URL, which contains the secrets.")
    seconds: float = option(_TRY, _TRY_MEANING, default="30s")


Kinds = Email | Slack | PagerDuty | PagerDutyIncidents | Webhook | Console | Apprise

KINDS: Final = (
    "email",
    "slack",
    "pagerduty",
    "pagerduty_incidents",
    "webhook",
    "console",
    "apprise",
)


@dataclass(frozen=True, slots=True)
class AlerterSettings:
    """One way to notify people: exactly one of the kinds below."""

    email: Email | None = optional(Section(Email), "Mail by SMTP.")
    slack: Slack | None = optional(Section(Slack), "A Slack channel.")
    pagerduty: PagerDuty | None = optional(Section(PagerDuty), "PagerDuty, Events API v2.")
    pagerduty_incidents: PagerDutyIncidents | None = optional(
        Section(PagerDutyIncidents), "PagerDuty, REST API."
    )
    webhook: Webhook | None = optional(Section(Webhook), "Your own service.")
    console: Console | None = optional(Section(Console), "Standard output.")
    apprise: Apprise | None = optional(Section(Apprise), "Any other service, by Apprise.")
    fallback: str | None = optional(ALERTER_NAME, "Name of the alerter to use when this one fails.")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        chosen = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(chosen) != 1:
            key = chosen[1] if len(chosen) > 1 else KINDS[0]
            fault = f"has {' and '.join(chosen) or 'no kind'}"
            yield key, fault, f"use exactly one of: {', '.join(KINDS)}"

    @property
    def kind(self) -> str:
        """Name the kind, a key of `ALERTERS`."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def of_kind(self) -> Kinds:
        """Return the settings of the kind."""
        settings: Kinds = getattr(self, self.kind)
        return settings
