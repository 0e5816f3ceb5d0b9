"""
The last five minutes of all workers: how many requests, how many succeeded, how long they took.

    <folder>/worker_<pid>.window   start of the process (8 bytes), then slots of 5 seconds:
                                   number of the slot, requests, successes, milliseconds

A slot belongs to the time that its number says, so old ones need no clearing, and the last minutes
of a dead worker count until they are over. Time is that of the boot clock, which all processes of a
machine share and nobody sets.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.instrument.shared import start_ticks

WINDOW_SECONDS: Final = 300
SLOT_SECONDS: Final = 5
SLOTS: Final = WINDOW_SECONDS // SLOT_SECONDS
_SLOT: Final = struct.Struct("<qqqd")
_SIZE: Final = 8 + SLOTS * _SLOT.size


@dataclass(frozen=True, slots=True)
class WindowSums:
    """Sums over the window."""

    requests: int = 0
    successes: int = 0
    milliseconds: float = 0.0

    @property
    def success_rate(self) -> float:
        """The share of requests that succeeded; 1 if there were none."""
        return self.successes / self.requests if self.requests else 1.0

    @property
    def average_ms(self) -> float:
        """Milliseconds of a request on average."""
        return self.milliseconds / self.requests if self.requests else 0.0


class RequestWindow:
    """The slots of this worker; one thread writes."""

    def __init__(
        self, folder: Callable[[], Path], ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._ticks = ticks
        self._map: mmap.mmap | None = None
        self._slot, self._sums = -1, (0, 0, 0.0)
        _opened.add(self)

    def open(self) -> None:
        """Make the file of this worker, so that others know of it."""
        if self._map is None:
            path = self._folder() / f"worker_{os.getpid()}.window"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, _SIZE)  # see AllocatedDict
                self._map = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
            self._map[:8] = start_ticks(os.getpid()).to_bytes(8, "little")

    @property
    def is_open(self) -> bool:
        """Whether others know of this worker."""
        return self._map is not None

    def add(self, milliseconds: float, *, success: bool) -> None:
        """Count a request."""
        if self._map is None:
            self.open()
            assert self._map is not None
        slot = int(self._ticks()) // SLOT_SECONDS
        if slot != self._slot:
            self._slot, self._sums = slot, (0, 0, 0.0)
        requests, successes, total = self._sums
        self._sums = sums = (requests + 1, successes + success, total + milliseconds)
        begin = 8 + slot % SLOTS * _SLOT.size
        # One assignment: a reader never sees half a slot's numbers beside zeros.
        self._map[begin : begin + _SLOT.size] = _SLOT.pack(slot, *sums)

    def forget(self) -> None:
        """Begin anew, in a forked child or at the end."""
        if self._map is not None:
            self._map.close()
        self._map, self._slot = None, -1


def read_window(folder: Path, ticks: Callable[[], float] = time.monotonic) -> WindowSums:
    """Return the sums of all workers over the window."""
    newest = int(ticks()) // SLOT_SECONDS
    requests, successes, milliseconds = 0, 0, 0.0
    for path in folder.glob("worker_*.window"):
        data = b""
        with suppress(FileNotFoundError):  # of a dead worker, taken away just now
            data = path.read_bytes()
        for slot, *sums in _SLOT.iter_unpack(data[8:_SIZE] if len(data) == _SIZE else b""):
            if newest - SLOTS < slot <= newest:
                requests += sums[0]
                successes += sums[1]
                milliseconds += sums[2]
    return WindowSums(requests, successes, milliseconds)


_opened: weakref.WeakSet[RequestWindow] = weakref.WeakSet()


def _after_fork() -> None:
    for window in _opened:
        window.forget()


os.register_at_fork(after_in_child=_after_fork)
