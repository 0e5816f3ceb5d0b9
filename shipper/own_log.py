"""
A log of our own: a file of the data folder, which the shipper reads beside its inputs.

`polls.log` has what applications answered to polls, `web.log` what people did on the dashboard.
Such a log has the form of an application's and its own `run` and `seq`, so its records go the way
of all: once, audited, with the same retention. Records that are put into the queue directly would
be lost with a crash while the output is down; a file keeps them.

- A line is one write. What a crash cuts off is closed by a newline, and is the record of that
  moment.
- `run` begins with the process, so that a crash cannot make a number twice.
- A line that cannot be written (full disk) waits with its number, up to 1,000 of them; if it was
  written all the same, its second copy has the same origin and is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from shipper.emit.appending import Appender

log = logging.getLogger("shipper")

MAX_BYTES: Final = 10 * 2**20
BACKUPS: Final = 5
MOST_WAITING: Final = 1000
_encode = msgspec.json.Encoder().encode


class OwnLog:
    """Appends records; safe for threads."""

    def __init__(self, path: Path, run: str, what: str) -> None:
        """Take the id of a run, and what the records are, for messages."""
        self._appender = Appender(path, MAX_BYTES, BACKUPS)
        self._run = run
        self._what = what
        self._seq = 0
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._has_failed = False

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records, after those that could not be written before."""
        with self._lock:
            for record in records:
                numbered = {**record, "run": self._run, "seq": self._seq}
                self._waiting.append(_encode(numbered) + b"\n")
                self._seq += 1
            try:
                while self._waiting:
                    self._appender.append(self._waiting[0])
                    self._waiting.popleft()
                self._has_failed = False
            except OSError as error:
                if not self._has_failed:
                    fault = "%s cannot be written now, they wait: %s"
                    log.error(fault, self._what, error)  # noqa: TRY400 -- no bug
                self._has_failed = True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._appender.close()
