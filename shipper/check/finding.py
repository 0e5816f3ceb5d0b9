"""What a look at config, machine or servers finds: place, what is so, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingLevel(StrEnum):
    """What a finding means for the work."""

    OK = "ok"  # as it should be
    WARNING = "warning"  # works, but not as well or not for long
    ERROR = "error"  # cannot work now


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at a place of the config, and what to do about it."""

    place: str
    severity: FindingLevel
    fault: str
    remedy: str = ""
