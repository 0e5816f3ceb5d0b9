"""
Sessions: who has logged in, known by a cookie whose value only the browser has.

They are kept in memory, by a digest of the value, and end with the server, after `IDLE_SECONDS`
without a request, `LONGEST_SECONDS` after the log-in (by a provider as its options say), and when
the user logs out, is removed or gets another password (access.py). There are so many at a time, and
so many of a user; one too many ends the one that was idle longest. Each has a token that its forms
have to have.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS: Final = 8 * 3600.0
LONGEST_SECONDS: Final = 7 * 86_400.0
MOST_SESSIONS: Final = 1000
MOST_OF_A_USER: Final = 20


class LoginMeans(StrEnum):
    """How somebody got in."""

    LINK = "link"
    PASSWORD = "password"  # noqa: S105 - the name of a means
    PROXY = "proxy"
    PROVIDER = "provider"


@dataclass(slots=True)
class WebSession:
    """
    Somebody at a browser, until `until` at the longest.

    `stamp` is that of the user's password when the session began; with a provider the role.
    """

    name: str
    stamp: str
    means: LoginMeans
    form_token: str
    until: float
    used: float


class Sessions:
    """The sessions of a server; for one thread."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, WebSession] = {}

    def open(
        self, name: str, stamp: str, means: LoginMeans, seconds: float = LONGEST_SECONDS
    ) -> tuple[str, WebSession]:
        """Begin a session of at most so long; return the value of its cookie, and it."""
        now = self._clock()
        own = [key for key, each in self._sessions.items() if each.name == name]
        if len(own) >= MOST_OF_A_USER:
            self._end_idlest(own)
        if len(self._sessions) >= MOST_SESSIONS:
            self._end_idlest(list(self._sessions))
        value = secrets.token_urlsafe(32)
        session = WebSession(name, stamp, means, secrets.token_urlsafe(32), now + seconds, now)
        self._sessions[_key(value)] = session
        return value, session

    def find(self, value: str) -> WebSession | None:
        """Return the session of a cookie, which is used by that; None where there is none."""
        found = self._sessions.get(_key(value))
        if found is None:
            return None
        now = self._clock()
        if now - found.used > IDLE_SECONDS or now > found.until:
            self.close(value)
            return None
        found.used = now
        return found

    def is_open(self, session: WebSession) -> bool:
        """Return whether a session is there still, which is not used by that."""
        is_late = self._clock() > session.until
        return not is_late and any(each is session for each in self._sessions.values())

    def close(self, value: str) -> None:
        """End the session of a cookie, if there is one."""
        self._sessions.pop(_key(value), None)

    def _end_idlest(self, keys: list[bytes]) -> None:
        del self._sessions[min(keys, key=lambda key: self._sessions[key].used)]


def _key(value: str) -> bytes:
    return hashlib.sha256(value.encode(errors="replace")).digest()
