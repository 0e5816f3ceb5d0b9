"""
The zone in which pages show times: UTC, or that of the browser if its user has chosen it.

The choice is a cookie with the name of the zone, which the script of the page sets. Addresses have
their times in UTC whatever is chosen, so that a page that is passed on is the same page.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shipper.text import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE: Final = "zone"
MOST_NAME: Final = 60  # characters
_ZONE: Final[ContextVar[tzinfo]] = ContextVar(
    "zone", default=UTC
)  # of the request that is answered


def use_zone(cookies: Mapping[str, str]) -> None:
    """Show times in the zone of these cookies for the rest of a request."""
    _ZONE.set(_zone_of(unquote(cookies.get(COOKIE, ""))))


def zone() -> tzinfo:
    """Return the zone of the request that is answered."""
    return _ZONE.get()


def shown(time: int, *, unit_ms: int = 1000) -> str:
    """Return epoch milliseconds as text, in the zone of the request."""
    return instant(time, unit_ms=unit_ms, zone=zone())


def in_utc(text: str) -> str:
    """Return a time that was typed, without a zone in that of the request, as ISO 8601 in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        local = moment if moment.tzinfo else moment.replace(tzinfo=zone())
        return local.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return text  # the page says what is wrong with it


def _zone_of(name: str) -> tzinfo:
    if not name or name == "UTC" or len(name) > MOST_NAME:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
