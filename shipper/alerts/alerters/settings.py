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
    absent,
    one_word_of,
    option,
    text_matching,
)
from shipper.config.outputs import TlsOptions

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
            "is not an address without a user",
            "use https:// and a host, such as https://alerts.example.com/page",
        )
    if found[1] == "http" and not is_loopback(found[2]):
        raise InvalidValueError("would be asked in clear text", "use https")
    return text.rstrip("/")


URL: Final = Scalar("an address that begins with https://", address_of)

_TRY = SECONDS.between("1s", "5m")
_TRY_MEANING = "How long one try may take in all."
_TLS_MEANING = "The connection, where it is made secret."


def _tls_faults(tls: TlsOptions) -> Faults:
    if not tls.enabled:
        yield "tls", "is not enabled here by a switch", "remove enabled"


@dataclass(frozen=True, slots=True)
class Email:
    """Mails by SMTP: text and HTML, one thread per incident."""

    to: tuple[str, ...] = option(ListOf(ADDRESS, least=1), "Who gets the mails.")
    sender: str = option(
        ADDRESS,
        "Who they come from.",
        default="shipper@ and the name of this machine",
        factory=lambda: f"shipper@{socket.gethostname()}",
        key="from",
    )
    host: str = option(text_matching(_HOST, "a host"), "Mail server.", default="localhost")
    port: int = option(_PORT, "Its port: 587 with starttls, 465 with tls, as a rule.", default="25")
    security: str = option(
        one_word_of("starttls", "tls", "none"),
        "`starttls`: begins in clear text and becomes secret, or is given up. `tls`: secret from "
        "the start. `none`: clear text, for the mail server of this machine.",
        default="starttls",
    )
    username: str | None = option(
        TEXT, "User, where the server demands one.", default="none", factory=absent
    )
    password_file: Path | None = option(
        PATH, "File with the password of `username`.", default="none", factory=absent
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if (self.username is None) != (self.password_file is None):
            missing = "username" if self.username is None else "password_file"
            yield missing, "is missing", "use both username and password_file, or neither"
        if self.username is not None and self.security == "none" and not is_loopback(self.host):
            yield "security", "none would send the password in clear text", "use starttls or tls"
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class Slack:
    """Messages to a Slack channel: by an incoming webhook, or by a bot that edits its message."""

    url_file: Path | None = option(
        PATH,
        "File with the address of an incoming webhook, which is a secret: one message per "
        "transition, in the guide's form.",
        default="none",
        factory=absent,
    )
    token_file: Path | None = option(
        PATH,
        "File with a bot token (`xoxb-…`, scope `chat:write`): one message per incident, edited in "
        "place, with a reply in its thread per transition.",
        default="none",
        factory=absent,
    )
    channel: str | None = option(
        text_matching(r"[A-Z0-9]{2,30}", "the id of a channel, such as C0123456789"),
        "Id of the channel that the bot writes to.",
        default="none",
        factory=absent,
    )
    base_url: str = option(
        URL, "Where the methods of the Web API are.", default="https://slack.com/api"
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if (self.url_file is None) == (self.token_file is None):
            yield "url_file", "or token_file has to be there", "use one of them"
        if (self.token_file is None) != (self.channel is None):
            missing = "channel" if self.channel is None else "token_file"
            yield missing, "is missing", "use both token_file and channel, or neither"
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """PagerDuty by Events API v2: trigger, acknowledge and resolve under one key per incident."""

    routing_key_file: Path = option(PATH, "File with the integration key of the service.")
    base_url: str = option(
        URL,
        "Where the Events API is; `https://events.eu.pagerduty.com` in the EU region.",
        default="https://events.pagerduty.com",
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class PagerDutyIncidents:
    """PagerDuty by its REST API, as the guide has it: an incident is made, and its state set."""

    api_key_file: Path = option(PATH, "File with a REST API key that may write.")
    service_id: str = option(
        text_matching(r"[A-Z0-9]{2,40}", "an id, such as PABC123"), "Id of the service."
    )
    sender: str = option(
        ADDRESS, "Mail address of a user of the account, which the API demands.", key="from"
    )
    base_url: str = option(
        URL,
        "Where the REST API is; `https://api.eu.pagerduty.com` in the EU region.",
        default="https://api.pagerduty.com",
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A POST of JSON to any address, signed as the Standard Webhooks specification has it."""

    url: str | None = option(URL, "Where to.", default="none", factory=absent)
    url_file: Path | None = option(
        PATH, "File with the address, where it is a secret.", default="none", factory=absent
    )
    secret_file: Path | None = option(
        PATH,
        "File with the secret that each request is signed with (HMAC-SHA256): any text, or "
        "`whsec_` and base64.",
        default="none",
        factory=absent,
    )
    tls: TlsOptions = option(Section(TlsOptions), _TLS_MEANING, default="{}")
    seconds: float = option(_TRY, _TRY_MEANING, default="10s")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if (self.url is None) == (self.url_file is None):
            yield "url", "or url_file has to be there", "use one of them"
        yield from _tls_faults(self.tls)


@dataclass(frozen=True, slots=True)
class Console:
    """Pages as text on the standard output."""

    colors: str = option(
        one_word_of("auto", "always", "never"),
        "`auto`: where the terminal shows them.",
        default="auto",
    )


@dataclass(frozen=True, slots=True)
class Apprise:
    """Any service that Apprise knows; needs the extra `apprise`."""

    url_file: Path = option(PATH, "File with the Apprise URL, which holds the secrets.")
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
    """One way to notify people: exactly one kind, with its settings."""

    email: Email | None = option(Section(Email), "Mail.", default="none", factory=absent)
    slack: Slack | None = option(Section(Slack), "Slack.", default="none", factory=absent)
    pagerduty: PagerDuty | None = option(
        Section(PagerDuty), "PagerDuty, Events API v2.", default="none", factory=absent
    )
    pagerduty_incidents: PagerDutyIncidents | None = option(
        Section(PagerDutyIncidents), "PagerDuty, REST API.", default="none", factory=absent
    )
    webhook: Webhook | None = option(
        Section(Webhook), "Your own service.", default="none", factory=absent
    )
    console: Console | None = option(
        Section(Console), "The terminal.", default="none", factory=absent
    )
    apprise: Apprise | None = option(
        Section(Apprise), "Anything else.", default="none", factory=absent
    )
    fallback: str | None = option(
        ALERTER_NAME,
        "Alerter to use instead when this one fails.",
        default="none",
        factory=absent,
    )

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
