"""
Output `console`: documents as text, to look at or to pipe elsewhere.

An ack means that the operating system accepted the bytes; what a pipe or a file does with them
afterwards is not known. After a crash some events are written again, under the same `_id`.
"""

from __future__ import annotations

import errno
import sys
from typing import IO, TYPE_CHECKING

from shipper.config.outputs import ConsoleOutput
from shipper.deliver.bulk import BulkBody, BulkPreparer, bulk_chunks
from shipper.deliver.output import WithoutCommits
from shipper.errors import OutputUnavailable, ShipperError
from shipper.events import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch


class ConsoleWriter(BulkPreparer, WithoutCommits):
    """Writes to standard output or to the end of a file."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, ConsoleOutput)
        super().__init__(config.namespace)
        self._bulk = output.format == "bulk"
        self._name = "standard output" if output.path == "-" else output.path
        try:
            self._file: IO[bytes] = (
                sys.stdout.buffer if output.path == "-" else open(output.path, "ab", buffering=0)  # noqa: SIM115 -- closed in close
            )
        except OSError as error:
            raise ShipperError(
                f"cannot write {output.path}: {error.strerror}", "correct output.console.path"
            ) from error

    def publish(self, batch: Batch[BulkBody]) -> Delivery:
        """Write a batch; see `Output`."""
        pieces = bulk_chunks(batch, 0, len(batch)) if self._bulk else _json_lines(batch)
        try:
            for piece in pieces:
                self._write(piece)
            self._file.flush()
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise ShipperError(
                    f"{self._name} was closed by its reader", "start both of them again"
                ) from error
            raise OutputUnavailable(
                f"cannot write {self._name}: {error.strerror}", "free some space"
            ) from error
        return Delivery()

    def _write(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """Close the file, not standard output."""
        if self._file is not sys.stdout.buffer:
            self._file.close()


def _json_lines(batch: Batch[BulkBody]) -> Iterator[bytes | memoryview]:
    """Yield one document a line with its `_id` first, block by block."""
    for content in batch.contents:
        lines = content.lines()
        yield b"".join(
            f'{{"_id":"{id}",'.encode() + doc[1:] + b"\n"
            for id, doc in zip(content.ids, lines[1::2], strict=True)  # noqa: A001 -- its name
        )
