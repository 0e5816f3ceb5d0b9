"""The options of the section `oidc`: log-in to the dashboard by an OpenID Connect provider."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from shipper.config.addresses import is_loopback
from shipper.config.options import (
    PATH,
    SECONDS,
    TEXT,
    Faults,
    InvalidValueError,
    ListOf,
    Scalar,
    Section,
    option,
    optional,
    text_matching,
)
from shipper.config.outputs import TlsOptions

_HOST: Final = r"(?:[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\])"
_ISSUER: Final = re.compile(rf"https?://{_HOST}(?::\d{{1,5}})?(?:/[\w.~%/-]*)?", re.ASCII)
CLAIM: Final = text_matching(r"[\w.:/-]{1,200}", "the name of a claim, such as groups")


def is_safe_address(address: str) -> bool:
    """Return whether an address is https, or http on this machine."""
    parts = urlsplit(address)
    is_plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return bool(parts.hostname) and not parts.username and (parts.scheme == "https" or is_plain)


def _parse_issuer(text: str) -> str:
    if "@" in text:  # the fault must not show it
        raise InvalidValueError("has a user or password", "use client_id and client_secret_file")
    if not _ISSUER.fullmatch(text):
        raise InvalidValueError(
            f'"{text}" is not the address of an issuer', "use one such as https://login.example.org"
        )
    if not is_safe_address(text):
        raise InvalidValueError(
            "is in clear text", "use https://; http:// is for this machine only"
        )
    return text


ISSUER: Final = Scalar("https:// and a host", _parse_issuer)


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """Log-in to the dashboard by an OpenID Connect provider; needs the extra `oidc`."""

    issuer: str = option(
        ISSUER,
        "The issuer, as its `/.well-known/openid-configuration` has it. Register "
        "`https://NAME/login/oidc/back` there, with the name and port that browsers use.",
    )
    client_id: str = option(TEXT, "Id under which the dashboard is registered.")
    client_secret_file: Path | None = optional(
        PATH, "File with the secret of the client; none: a public client, with PKCE alone."
    )
    label: str = option(TEXT, "What the log-in page calls the provider.", default="single sign-on")
    scope: str = option(
        TEXT, "What is asked for; `openid` has to be in it.", default="openid email"
    )
    name_claim: str = option(
        CLAIM,
        "Claim of the ID token by which people are named in the audit trail.",
        default="email",
    )
    role_claim: str = option(
        CLAIM,
        "Claim of the ID token that says who may do what: a text or a list.",
        default="groups",
    )
    operators: tuple[str, ...] = option(
        ListOf(TEXT), "Values of `role_claim` that make an operator.", default="[]"
    )
    viewers: tuple[str, ...] = option(
        ListOf(TEXT),
        "Values of `role_claim` that make a viewer. Whoever has none of either is refused.",
        default="[]",
    )
    session_seconds: float = option(
        SECONDS.between("5m", "7d"),
        "Time after which they log in again, and the role is read again.",
        default="12h",
        key="session",
    )
    tls: TlsOptions = option(
        Section(TlsOptions), "TLS of the connection.", default="{}", factory=TlsOptions
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if not self.operators and not self.viewers:
            yield "operators", "lets nobody in", "name values of role_claim here or in viewers"
        if "openid" not in self.scope.split():
            yield "scope", "has no openid", "add it"
        if not self.tls.enabled or not self.tls.verify:
            yield "tls", "cannot be disabled here", "set ca to the certificate of its CA"
