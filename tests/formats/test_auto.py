"""What `auto` takes a file for is saved before it is read by it, and stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.agent.inputs import cutting_of
from shipper.agent.pipeline import Pipeline
from shipper.agent.status import status
from shipper.config.outputs import ConsoleOutput
from shipper.events import Block
from shipper.formats.table import FORMATS
from shipper.process import data_folder
from shipper.tail.inputs import InputFiles
from shipper.times import Clock
from tests.formats.reading import config_of
from tests.tail.tailing import Reader, append

NGINX = FORMATS["nginx"].samples[0].encode() + b"\n"
PYTHON = b"2026-02-05 14:30:45,123 - app - ERROR - it broke\nTraceback (most recent call last):\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    cutting = cutting_of(config_of("format: auto").inputs[0], 0)
    reader.inputs = [InputFiles(reader.inputs[0].patterns, cutting)]
    reader.crash()
    yield reader
    reader.close()


def formats(blocks: list[Block]) -> set[str]:
    return {block.source.format for block in blocks}


def test_a_file_is_taken_for_one_format(reader: Reader, log: Path) -> None:
    """What comes later, of another form, does not change it; nor does a restart."""
    append(log, NGINX)
    blocks = reader.take()
    reader.ack(blocks)

    assert formats(blocks) == {"nginx"}
    assert [record.format for record in reader.saved()] == ["nginx"]
    append(log, PYTHON * 100)
    reader.restart()
    assert formats(reader.take()) == {"nginx"}


def test_it_is_saved_before_a_line_is_read(reader: Reader, log: Path) -> None:
    """After a crash the same bytes are cut by the same format."""
    append(log, NGINX)
    reader.scan()

    assert list(reader.tailer.read(now=reader.now, wall=reader.wall)) == []
    assert [record.format for record in reader.saved()] == ["nginx"]
    assert formats(reader.read()) == {"nginx"}


def test_few_lines_of_no_format_leave_it_open(reader: Reader, log: Path) -> None:
    """A first line that says nothing is text; what the file is, is found when there is more."""
    append(log, b"starting\n")
    first = reader.take(10) + reader.take(10)

    append(log, PYTHON * 10)
    assert formats(first) == {"text"}
    assert reader.take() == []  # what was read is not acked: so nothing is read by another format
    reader.ack(first)
    assert formats(reader.take(10)) == {"python"}


def test_a_file_that_begins_again_is_looked_at_again(reader: Reader, log: Path) -> None:
    """A file that was truncated may have another format than before."""
    append(log, NGINX * 3)
    reader.ack(reader.take())

    log.write_bytes(PYTHON)
    assert formats(reader.take(10) + reader.take(10)) == {"python"}


def test_status_says_what_a_file_is_and_what_does_not_fit(tmp_path: Path) -> None:
    """The running shipper counts the lines of each file that do not have its format."""
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "a.log"
    path.write_bytes(NGINX * 3 + b"odd\n" * 2)
    config = replace(
        config_of("format: auto"),
        data_dir=tmp_path / "data",
        output=ConsoleOutput(path="/dev/null"),
    )
    config = replace(config, inputs=(replace(config.inputs[0], paths=(str(path),)),))
    with data_folder.hold(config.data_dir):
        pipeline = Pipeline(config, Clock(lambda: 1_770_301_845_000))
        pipeline.scan()
        while pipeline.turn():
            pass
        pipeline.settle(at_once=True)

        (found,) = status(config).files
        pipeline.close()

    assert (found.format, found.misfits) == ("nginx", 2)
