"""How bad a breach is: the four severities of the guide."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """From the worst to the least; each has its own times to respond and to resolve."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the worst, so that the lesser number is the worse."""
        return [*Severity].index(self)
