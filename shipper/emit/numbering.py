"""
Where a record comes from: the start of a process (`run`) and the record's number in it (`seq`).

    run   ULID, 26 characters: 48 bits of milliseconds, 80 bits of chance; sorts by time
    seq   0, 1, 2 … in the order in which records are first written by any handler

Guarantees, which everything that counts records later stands on:

- a record has one origin, however many files it is written to: it is kept on the record, and where
  records are marked (`mark_records`) it is shared by the copies that each QueueHandler makes;
- a record that no handler writes takes no number, so a gap in `seq` is a record that was lost;
- no two processes share a run: a forked child starts a run of its own, at 0.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from shipper.emit.context import FIELDS, REQUEST_ID, WORKFLOW_ID
from shipper.emit.ulid import ulid

_ATTRIBUTE = "_emit_origin"

MakeRecord = Callable[..., logging.LogRecord]


class Origin(NamedTuple):
    """The run that wrote a record, and the record's number in that run."""

    run: str
    seq: int


class Mark:
    """
    What a record knows of where it was made; all copies of the record share it.

    The context is that of the code that logged: a listener formats in a thread of its own.
    """

    __slots__ = ("fields", "origin", "request_id", "workflow_id")

    def __init__(self) -> None:
        self.origin: Origin | None = None
        self.request_id = REQUEST_ID.get()
        self.workflow_id = WORKFLOW_ID.get()
        self.fields = FIELDS.get()

    def __deepcopy__(self, _memo: object) -> Mark:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as the origin, or as None: a number is given where it is used."""
        return (Origin, tuple(self.origin)) if self.origin else (type(None), ())


class _Run:
    """One start of a process; `numbers` is atomic without a lock, `lock` is for marks."""

    __slots__ = ("id", "lock", "numbers")

    def __init__(self) -> None:
        self.lock = threading.RLock()  # re-entrant: a signal handler may log
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


def mark_records() -> None:
    """Let every record that is made from now on have a mark; a second call changes nothing."""
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "marks", False):
        return

    def make_marked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        record.__dict__[_ATTRIBUTE] = Mark()
        return record

    make_marked.marks = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_marked)


def mark_of(record: logging.LogRecord) -> Mark | None:
    """Return the mark of a record, None if it was made before records were marked."""
    mark = record.__dict__.get(_ATTRIBUTE)
    return mark if isinstance(mark, Mark) else None


def origin_of(record: logging.LogRecord) -> Origin:
    """Return the origin of a record, and give it one if it has none yet."""
    kept = record.__dict__.get(_ATTRIBUTE)
    if isinstance(kept, Origin):
        return kept
    run = _process.run
    if not isinstance(kept, Mark):
        origin = record.__dict__[_ATTRIBUTE] = Origin(run.id, next(run.numbers))
        return origin
    if kept.origin is None:
        with run.lock:  # a listener for each file asks at the same time
            kept.origin = kept.origin or Origin(run.id, next(run.numbers))
    return kept.origin
