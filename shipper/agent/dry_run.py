"""Records of files as they would be shipped, without registry and output: nothing is written."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from shipper.agent.assembly import record_context
from shipper.agent.inputs import inputs_of, own_formats
from shipper.enrich.enricher import Enricher
from shipper.events import Block
from shipper.files import open_regular
from shipper.tail.content import GZIP
from shipper.tail.preamble import Preamble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config
    from shipper.splice import AnyEvents
    from shipper.tail.harvester import Cutting

BLOCK_BYTES = 1 << 18
STREAM = "0" * 20  # of lines without a number


def files_of(config: Config) -> list[Path]:
    """Return the files that the inputs match now, rotated ones too."""
    inputs = inputs_of(config, 0)[: len(config.inputs)]
    found = {each.path for source in inputs for each in source.patterns.find()}
    return [Path(path) for path in sorted(found)]


def events_of(config: Config, path: Path, read_at: int) -> Iterator[AnyEvents]:
    """
    Yield the events of a file, block by block, as enrichment makes them.

    It is read as its input says; a file of none, as one of the first. Every line is an event, also
    where the input joins lines. A gzip is read by its name.

    Raises:
        OSError: the file cannot be read.

    """
    enricher = Enricher(record_context(config), own_formats(config))
    cutting = _cutting_of(config, path)
    limit, source, start = cutting.max_line_bytes, None, 0
    prefix, preamble = b"", Preamble()
    with open(open_regular(path, follow=True), "rb") as plain:
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if _is_gzip(path) else plain
        while lines := file.readlines(BLOCK_BYTES):
            data = b"".join(lines)
            if source is None:
                guess = cutting.guess
                name = guess.recognize(data[: guess.head_bytes], str(path)) if guess else ""
                found = guess.cuttings.get(name, cutting) if guess else cutting
                source, prefix = found.source, found.preamble
            end = start + len(data)
            block = Block(1, str(path), STREAM, start, end, data, read_at, limit, source=source)
            yield enricher.enrich(replace(block, preamble=preamble.line))
            preamble.go_on(prefix, data, end)
            start = end


def _is_gzip(path: Path) -> bool:
    return path.name.endswith(GZIP)


def _cutting_of(config: Config, path: Path) -> Cutting:
    inputs = inputs_of(config, 0)
    whole = os.path.abspath(path)
    return next((each for each in inputs if each.patterns.take(whole)), inputs[0]).cutting
