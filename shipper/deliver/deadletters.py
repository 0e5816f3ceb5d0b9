"""
Dead letters: events that were refused for good, kept with the reason.

`deadletters.ndjson` in the data folder, one JSON object a line: `_id`, `dataset`, `reason`, `at`
and the `document` as it was sent. A line is written and fsynced *before* its event counts as
acked. After a crash in between, the event is sent and refused again: a letter may be there twice,
never missing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from shipper import steps
from shipper.enrich.clock import iso
from shipper.errors import OutputUnavailable
from shipper.steps import Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shipper.deliver.batch import Batch
    from shipper.events import Rejection


class DeadLetters:
    """The dead letters of one data folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def bury(self, batch: Batch, rejections: Sequence[Rejection], now_ms: int) -> None:
        """
        Keep the events that these rejections name; durable when this returns.

        Raises:
            OutputUnavailable: nothing may be taken as kept; try again.

        """
        lines = [
            msgspec.json.encode(
                {
                    "_id": batch.ids[rejection.index],
                    "dataset": batch.datasets[rejection.index],
                    "reason": rejection.reason,
                    "at": iso(now_ms),
                    "document": msgspec.Raw(batch.docs[rejection.index]),
                }
            )
            for rejection in rejections
        ]
        try:
            self._append(b"\n".join([*lines, b""]))
        except OSError as error:
            raise OutputUnavailable(
                f"cannot write {self._path}: {error.strerror}; free some space or mend the"
                " permissions"
            ) from error

    def _append(self, data: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data  # a line that a crash or a full disk cut off stays alone
            while data:
                data = data[os.write(fd, data) :]
            steps.reached(Step.LETTER_WRITTEN)
            os.fsync(fd)
            steps.reached(Step.LETTER_SYNCED)
        finally:
            os.close(fd)
