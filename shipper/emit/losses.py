"""
What logging could not do, counted, because an application must not fail over its logs.

The counts are this process's own; a forked child starts at nothing.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import Counter
from enum import StrEnum


class Reason(StrEnum):
    """Why a record was not written; only for `ROTATION` it was, into a file that is too large."""

    DISK_FULL = "disk_full"
    PERMISSION = "permission"
    MISSING = "missing"
    IO = "io"
    FORMAT = "format"
    LOGGER = "logger"
    ROTATION = "rotation"


_BY_ERRNO = {
    errno.ENOSPC: Reason.DISK_FULL,
    errno.EDQUOT: Reason.DISK_FULL,
    errno.EFBIG: Reason.DISK_FULL,
    errno.EACCES: Reason.PERMISSION,
    errno.EPERM: Reason.PERMISSION,
    errno.EROFS: Reason.PERMISSION,
    errno.ENOENT: Reason.MISSING,
    errno.ENOTDIR: Reason.MISSING,
}


class _Losses:
    """The counters; the lock is re-entrant because a signal handler may log, and fail, too."""

    __slots__ = ("counts", "lock")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lock = threading.RLock()
        self.counts: Counter[Reason] = Counter()


_losses = _Losses()
os.register_at_fork(after_in_child=_losses.reset)


def count(reason: Reason) -> None:
    """Count one failure."""
    with _losses.lock:
        _losses.counts[reason] += 1


def reason_of(error: OSError) -> Reason:
    """Name the reason behind an error of the operating system."""
    return _BY_ERRNO.get(error.errno or 0, Reason.IO)


def failures() -> dict[str, int]:
    """
    Return how often logging failed in this process, by reason; empty when it never did.

    `disk_full`, `permission`, `missing` (the folder), `io`: the record is in no or not in every
    file. `format`: it could not be made into a line. `logger`: the access logger raised.
    `rotation`: nothing is lost, but the file is larger than it should be.
    """
    with _losses.lock:
        return {reason.value: number for reason, number in sorted(_losses.counts.items())}
