"""
Alerters: ways to tell people of a transition.

An alerter tries once and reports; retries, their pauses and the fall-over to another alerter
belong to who calls it. Adding one is a module in `alerters/` and a line in `ALERTERS`.
"""

from __future__ import annotations

from typing import Protocol

from shipper.alerts.page import Page
from shipper.errors import ShipperError

ALERTERS: dict[str, str] = {}  # name → "module:Class"


class AlerterUnavailable(ShipperError):  # noqa: N818 -- as `OutputUnavailable`
    """
    The service could not be reached, or wants to be asked again later.

    `retry_after_seconds` is what it asked for. The message holds no secret.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AlerterRefused(ShipperError):  # noqa: N818 -- an answer
    """The service refused the page for good; the message says why and holds no secret."""


class Alerter(Protocol):
    """A way to tell people; one thread calls it."""

    name: str
    dedupes: bool  # whether the service drops a second copy of a page by its key

    def notify(self, page: Page, reference: str | None) -> str | None:
        """
        Tell of a transition once.

        `reference` is what the first page of the same incident gave back (a message to edit, a
        mail to answer), None for the first. Gives such a reference, or None where the service
        has none.

        Raises:
            AlerterUnavailable: it is not known to have been told; try again.
            AlerterRefused: it never will be.
        """

    def close(self) -> None:
        """Let go of what is open; a second call does nothing."""
