"""What a check found: place in the config, level, fault and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingLevel(StrEnum):
    """What a finding means for the shipper."""

    OK = "ok"  # as it should be
    WARNING = "warning"  # works, but not as well or not for long
    ERROR = "error"  # cannot work now


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at a place of the config; `remedy` says what to do about it."""

    place: str
    level: FindingLevel
    fault: str
    remedy: str = ""


def ok(place: str, fact: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(place, FindingLevel.OK, fact)


def warning(place: str, fault: str, remedy: str) -> Finding:
    """Return a finding of something that works, but not as well or not for long."""
    return Finding(place, FindingLevel.WARNING, fault, remedy)


def error(place: str, fault: str, remedy: str) -> Finding:
    """Return a finding of something that cannot work now."""
    return Finding(place, FindingLevel.ERROR, fault, remedy)
