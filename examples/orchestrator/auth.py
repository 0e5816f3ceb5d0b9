"""Users, their passwords and the sessions that a login opens."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time

from examples.orchestrator.database import Database
from examples.orchestrator.faults import Faults

DEMO_USERS = {"ada": "analytical-engine", "grace": "nanosecond", "edsger": "shortest-path"}

log = logging.getLogger("automation_orchestrator.auth")


class Auth:
    """The tables of users and sessions."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults

    def add_users(self) -> None:
        """Add the users of the demo."""
        for username, password in DEMO_USERS.items():
            salt = secrets.token_bytes(16)
            self._database.run(
                "INSERT OR IGNORE INTO users VALUES (?, ?, ?)",
                username,
                salt,
                _hashed(password, salt),
            )

    def login(self, username: str, password: str) -> str | None:
        """Open a session and return its token; None if the name or the password is wrong."""
        if self._faults.strikes("failed_login"):
            password = password.swapcase() + "?"
        rows = self._database.run("SELECT salt, password FROM users WHERE username = ?", username)
        # An unknown name costs the same hash, so that the time does not tell who has an account.
        salt, expected = (rows[0]["salt"], rows[0]["password"]) if rows else (b"", b"")
        if not hmac.compare_digest(_hashed(password, salt), expected):
            log.warning("Login failed", extra={"username": username})
            return None
        token = secrets.token_urlsafe(24)
        self._database.run("INSERT INTO sessions VALUES (?, ?, ?)", token, username, time.time())
        log.info("Login succeeded", extra={"username": username})
        return token

    def user_of(self, token: str) -> str | None:
        """Return the name of the user whose session this is."""
        rows = self._database.run("SELECT username FROM sessions WHERE token = ?", token)
        return rows[0]["username"] if rows else None


def _hashed(password: str, salt: bytes) -> bytes:
    # A tenth of the work that a real installation should ask for: the demo shares a small machine.
    return hashlib.scrypt(password.encode(), salt=salt, n=2**11, r=8, p=1)
