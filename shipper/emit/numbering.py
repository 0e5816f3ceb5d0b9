"""
Where a record comes from: the start of a process (`run`) and the record's number in it (`seq`).

    run   ULID, 26 characters: 48 bits of milliseconds, 80 bits of chance; sorts by time
    seq   0, 1, 2 … in the order in which records are first written by any handler

Guarantees, which everything that counts records later stands on:

- a record has one origin, however many files it is written to: it is kept on the record;
- a record that no handler writes takes no number, so a gap in `seq` is a record that was lost;
- no two processes share a run: a forked child starts a run of its own, at 0.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from typing import NamedTuple

from shipper.emit.ulid import ulid

_ATTRIBUTE = "_emit_origin"


class Origin(NamedTuple):
    """The run that wrote a record, and the record's number in that run."""

    run: str
    seq: int


class _Run:
    """One start of a process; `numbers` is atomic without a lock."""

    __slots__ = ("id", "numbers")

    def __init__(self) -> None:
        self.id = ulid(time.time_ns() // 1_000_000, os.urandom(10))
        self.numbers = itertools.count()


class _Process:
    """Holds the run of this process; a fork replaces it."""

    __slots__ = ("run",)

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.run = _Run()


_process = _Process()
os.register_at_fork(after_in_child=_process.start)


def origin_of(record: logging.LogRecord) -> Origin:
    """Return the origin of a record, and give it one if it has none yet."""
    origin = record.__dict__.get(_ATTRIBUTE)
    if isinstance(origin, Origin):
        return origin
    run = _process.run
    origin = record.__dict__[_ATTRIBUTE] = Origin(run.id, next(run.numbers))
    return origin
