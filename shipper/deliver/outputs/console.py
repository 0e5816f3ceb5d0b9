"""
Output `console`: documents as text, to look at or to pipe elsewhere.

The ack means that the operating system took the bytes: what a pipe or a file does with them
after that is not known. Written after a crash is written again; `_id` tells.
"""

from __future__ import annotations

import errno
import sys
from typing import IO, TYPE_CHECKING

from shipper.config.outputs import ConsoleOutput
from shipper.deliver.bulk import PIECE_EVENTS, Heads, bulk_pieces, render
from shipper.errors import OutputUnavailable, ShipperError
from shipper.events import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch
    from shipper.events import AnyEvents


class ConsoleWriter:
    """Writes to standard output or to the end of a file."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, ConsoleOutput)
        self._heads = Heads(config.namespace)
        self._bulk = output.format == "bulk"
        self._name = "standard output" if output.path == "-" else output.path
        try:
            self._file: IO[bytes] = (
                sys.stdout.buffer if output.path == "-" else open(output.path, "ab", buffering=0)  # noqa: SIM115 -- closed in close
            )
        except OSError as error:
            raise ShipperError(
                f"cannot write {output.path}: {error.strerror}; see output.console.path"
            ) from error

    def prepare(self, events: AnyEvents) -> AnyEvents:
        """Make the body of spliced events if it is wanted; see `Output`."""
        return render(events, self._heads) if self._bulk else events

    def publish(self, batch: Batch) -> Delivery:
        """Write a batch; see `Output`."""
        if self._bulk:
            pieces: Iterator[bytes | memoryview] = bulk_pieces(batch, self._heads, 0, len(batch))
        else:
            pieces = _json_lines(batch)
        try:
            for piece in pieces:
                self._write(piece)
            self._file.flush()
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise ShipperError(f"{self._name} was closed by its reader") from error
            raise OutputUnavailable(f"cannot write {self._name}: {error.strerror}") from error
        return Delivery()

    def _write(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:  # noqa: ARG002 -- protocol
        """Return nothing: what was written cannot be asked for."""
        return iter(())

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:  # noqa: ARG002 -- protocol
        """Return nothing; see `Output`."""
        return ()

    def commit(self) -> int:
        """Return 0: there are no commits."""
        return 0

    def maintain(self, now_ms: int) -> None:
        """Do nothing: nothing is kept."""

    def close(self) -> None:
        """Close the file, not standard output."""
        if self._file is not sys.stdout.buffer:
            self._file.close()


def _json_lines(batch: Batch) -> Iterator[bytes | memoryview]:
    """One document a line, its `_id` first, some lines at a time."""
    for first in range(0, len(batch), PIECE_EVENTS):
        part = slice(first, first + PIECE_EVENTS)
        yield b"".join(
            f'{{"_id":"{id}",'.encode() + doc[1:] + b"\n"
            for id, doc in zip(batch.ids[part], batch.docs[part], strict=True)  # noqa: A001 -- its name
        )
