"""
What signals do to a running shipper.

    SIGTERM, SIGINT   stop in good order; a second one: stop at once, which loses nothing either
    SIGHUP            read the config again
    SIGUSR1           write the state to the log; the stacks of all threads at once, to stderr

Signals are handled by a thread that is there for nothing else (`signal.set_wakeup_fd`): handlers of
Python run in the main thread, between two of its instructions, and so not at all while it hangs.
The thread sets flags and wakes the main thread: what is to be done is done between two turns. The
stacks are written by the interpreter itself.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import io
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Signals:
    """
    The flags that the signals set.

    `called` is called after every signal, by the thread that handles them: it may take a lock that
    the main thread holds. Only the main thread may make one.
    """

    def __init__(self, called: Callable[[], None]) -> None:
        self._called = called
        self.stops = 0
        self.reload = False
        self.dump = False
        came, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, _note_nothing)
        with contextlib.suppress(io.UnsupportedOperation, RuntimeError):  # stderr is no file
            faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)
        _thread.start_new_thread(self._handle, (came,))

    def _handle(self, came: int) -> None:
        """Set the flags of the signals that come, one byte each."""
        while numbers := os.read(came, 64):
            for number in numbers:
                self._set_flag(number)
                self._called()

    def _set_flag(self, number: int) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        elif number == signal.SIGUSR1:
            self.dump = True
        elif number in (signal.SIGTERM, signal.SIGINT):
            self.stops += 1

    def take_reload(self) -> bool:
        """Return whether the config is to be read again; once for each time it was asked."""
        asked, self.reload = self.reload, False
        return asked

    def take_dump(self) -> bool:
        """Return whether the state is to be written; once for each time it was asked."""
        asked, self.dump = self.dump, False
        return asked


def _note_nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing in the main thread: the byte that the signal has written is what counts."""
