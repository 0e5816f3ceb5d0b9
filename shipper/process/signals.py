"""
What signals do to a running shipper.

    SIGTERM, SIGINT   stop in good order; a second one: stop at once, which loses nothing either
    SIGHUP            read the config again
    SIGUSR1           write the state to the log; the stacks of all threads at once, to stderr

A handler only sets a flag and wakes the main thread: what is to be done is done between two turns.
The stacks are written by the interpreter itself, also while the main thread hangs.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import io
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Signals:
    """
    The flags that the signals set.

    `called` is called after every signal, by a thread that is there for nothing else: a handler
    runs between two instructions of the main thread, which may hold the very lock that setting an
    event takes, and would wait for itself for ever. Only the main thread may make one.
    """

    def __init__(self, called: Callable[[], None]) -> None:
        self._called = called
        self.stops = 0
        self.reload = False
        self.dump = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._on_signal)
        with contextlib.suppress(io.UnsupportedOperation, RuntimeError):  # stderr is no file
            faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        elif number == signal.SIGUSR1:
            self.dump = True
        else:
            self.stops += 1
        _thread.start_new_thread(self._called, ())

    def take_reload(self) -> bool:
        """Return whether the config is to be read again; once for each time it was asked."""
        asked, self.reload = self.reload, False
        return asked

    def take_dump(self) -> bool:
        """Return whether the state is to be written; once for each time it was asked."""
        asked, self.dump = self.dump, False
        return asked
