"""A request to stop, which a thread can wait for beside its files and sockets."""

from __future__ import annotations

import os
import threading


class StopRequest:
    """Set once; `event` is for waits, `fileno` becomes readable when it is set."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._came, self._wakeup = os.pipe()

    def set(self) -> None:
        """Ask to stop."""
        if not self.event.is_set():
            self.event.set()
            os.close(self._wakeup)  # the other end is readable from now on

    def is_set(self) -> bool:
        """Return whether it was asked."""
        return self.event.is_set()

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._came

    def close(self) -> None:
        """Close what was waited for; nobody may wait any more."""
        self.set()
        os.close(self._came)
