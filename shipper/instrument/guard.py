"""Keeps what fails in counting away from the application that is counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger("shipper.instrument")

QUIET_SECONDS: Final = 600.0  # between two failures that are logged


class Guard:
    """Runs what must not fail an application; logs a failure every few minutes at most."""

    def __init__(self, what: str, ticks: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._ticks = ticks
        self._logged_at: float | None = None

    def run(self, act: Callable[[], object]) -> None:
        """Act; raise nothing that is an error."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 -- a full disk must not fail a request
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Log a failure, unless one was logged lately."""
        now = self._ticks()
        if self._logged_at is None or now - self._logged_at >= QUIET_SECONDS:
            self._logged_at = now
            log.error("%s: %r", self._what, error)
