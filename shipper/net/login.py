"""
What a request to Elasticsearch or Kibana logs in with: an API key, or a name with its password.

Secrets are read from their files for every new connection, so a renewed one needs no restart; no
error contains one.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Protocol

from shipper.errors import ShipperError


class HasLogin(Protocol):
    """A section of the config that says how to log in."""

    @property
    def api_key_file(self) -> Path | None:
        """The file with an API key."""

    @property
    def username(self) -> str | None:
        """The name of a user."""

    @property
    def password_file(self) -> Path | None:
        """The file with the password of the user."""


def login_of(section: HasLogin, options: str) -> str:
    """
    Return the value of the authorization header; empty for none.

    Raises:
        ShipperError: a file cannot be used; `options` is the place of the section in the config.
    """
    if section.api_key_file is not None:
        key = _secret(section.api_key_file, options)
        if not key.isascii():
            raise ShipperError(f"{section.api_key_file} holds no API key", f"see {options}")
        return f"ApiKey {key}"
    if section.password_file is not None:
        pair = f"{section.username}:{_secret(section.password_file, options)}"
        return f"Basic {b64encode(pair.encode()).decode()}"
    return ""


def _secret(path: Path, options: str) -> str:
    """Return the secret in a file, which is one line."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ShipperError(f"cannot read {path}: {reason}", f"see {options}") from None
    if not secret or not secret.isprintable():
        raise ShipperError(f"{path} does not hold one line with the secret", f"see {options}")
    return secret
