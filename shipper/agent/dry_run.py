"""Records of files as they would be shipped, without registry and output: nothing is written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO, TYPE_CHECKING

from shipper.agent.assembly import record_context
from shipper.enrich.enricher import Enricher
from shipper.events import Block
from shipper.files import open_regular
from shipper.tail.content import GZIP
from shipper.tail.discovery import Patterns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config
    from shipper.splice import AnyEvents

BLOCK_BYTES = 1 << 18
STREAM = "0" * 20  # of lines without a number


def files_of(config: Config) -> list[Path]:
    """Return the files that the inputs match now, rotated ones too."""
    found = {
        each.path
        for source in config.inputs
        for each in Patterns(source.paths, source.exclude).find()
    }
    return [Path(path) for path in sorted(found)]


def events_of(config: Config, path: Path, read_at: int) -> Iterator[AnyEvents]:
    """
    Yield the events of a file, block by block, as enrichment makes them.

    Every line is an event, also where the input joins lines. A gzip is read by its name.

    Raises:
        OSError: the file cannot be read.

    """
    enricher = Enricher(record_context(config))
    limit = max(source.max_line_bytes for source in config.inputs)
    start = 0
    with open(open_regular(path, follow=True), "rb") as plain:
        file: IO[bytes] = gzip.open(plain) if path.name.endswith(GZIP) else plain  # type: ignore[assignment]  # noqa: SIM115
        while lines := file.readlines(BLOCK_BYTES):
            data = b"".join(lines)
            end = start + len(data)
            yield enricher.enrich(Block(1, str(path), STREAM, start, end, data, read_at, limit))
            start = end
