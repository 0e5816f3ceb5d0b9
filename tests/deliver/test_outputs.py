"""The outputs: what an answer promises, and what is a reason to wait or to end."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ConsoleOutput, EmbeddedOutput, Output
from shipper.deliver.batch import Batch
from shipper.deliver.bulk import BulkPreparer
from shipper.deliver.output import open_output
from shipper.deliver.outputs.console import ConsoleWriter
from shipper.deliver.outputs.embedded import EmbeddedIndex
from shipper.errors import OutputUnavailable, ShipperError
from shipper.events import Delivery
from tests.deliver.delivering import (
    NOW,
    OTHER_RUN,
    RUN,
    STREAM,
    batch_with,
    docs_of,
    document_of,
    events_of,
    foreign_events,
    publish,
    simple_batch,
)


def config_of(folder: Path, output: Output) -> Config:
    return Config(
        service=ServiceOptions("app"),
        namespace="blue",
        data_dir=folder / "data",
        inputs=(InputOptions(("*.log",)),),
        output=output,
    )


def embedded(folder: Path) -> Config:
    return config_of(folder, EmbeddedOutput(folder / "index", max_bytes=1 << 26))


def console(path: Path | str, form: str = "json") -> Config:
    return config_of(Path(), ConsoleOutput(form, str(path)))


@pytest.mark.parametrize("form", ["json", "bulk"])
def test_a_file(tmp_path: Path, form: str) -> None:
    """Batches are added to the end of a file, and are in it when `publish` returns."""
    path = tmp_path / "out"
    path.write_bytes(b"before\n")
    writer = ConsoleWriter(console(path, form))
    batch = simple_batch(1, 2)
    assert publish(writer, batch) == Delivery()
    if form == "bulk":
        assert path.read_bytes() == b"before\n" + BulkPreparer("blue").prepare(events_of(1, 2)).body
    else:
        lines = path.read_bytes().splitlines()[1:]
        assert [msgspec.json.decode(line) for line in lines] == [
            {"_id": f"{RUN}-{seq}", **msgspec.json.decode(document_of(seq))} for seq in (1, 2)
        ]
    writer.close()
    writer.close()


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`-` is standard output, which stays open for others."""
    writer = ConsoleWriter(console("-", "bulk"))
    publish(writer, simple_batch(1))
    writer.close()
    print("after", flush=True)  # noqa: T201 -- the rule is about it
    assert (
        capfdbinary.readouterr().out == BulkPreparer("blue").prepare(events_of(1)).body + b"after\n"
    )


def test_it_has_no_commits(tmp_path: Path) -> None:
    """What was written cannot be asked for."""
    writer = ConsoleWriter(console(tmp_path / "out"))
    writer.maintain(NOW)
    assert (writer.commit(), [*writer.stored_after(0)]) == (0, [])
    writer.close()


def test_a_full_disk() -> None:
    """A full disk is a reason to wait."""
    writer = ConsoleWriter(console("/dev/full"))
    with pytest.raises(OutputUnavailable, match="cannot write /dev/full: No space left"):
        publish(writer, simple_batch(1))
    writer.close()


def test_a_reader_that_went(tmp_path: Path) -> None:
    """A pipe that nobody reads will never take anything again: that is the end, not a wait."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = ConsoleWriter(console(pipe))
    publish(writer, simple_batch(1))
    os.close(reader)
    with pytest.raises(ShipperError, match="pipe was closed by its reader") as caught:
        publish(writer, simple_batch(2))
    assert not isinstance(caught.value, OutputUnavailable)
    writer.close()


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A wrong path is told before anything is read."""
    with pytest.raises(ShipperError, match=r"cannot write .*no/out: No such file.*console\.path"):
        open_output(console(tmp_path / "no" / "out"))


def test_the_index_numbers_its_commits(tmp_path: Path) -> None:
    """Each batch is a commit, durable when `publish` returns; what it holds can be asked for."""
    output = open_output(embedded(tmp_path))
    assert isinstance(output, EmbeddedIndex)
    assert output.commit() == 0
    assert publish(output, simple_batch(1, 2)) == Delivery(commit=1)
    assert publish(output, simple_batch(7)) == Delivery(commit=2)
    output.close()
    output.close()
    output = open_output(embedded(tmp_path))
    assert output.commit() == 2
    held = {run: sorted(numbers) for run, numbers in output.stored_after(1)}
    assert held == {RUN: [7]}
    output.maintain(NOW)
    output.close()


def test_the_index_tells_of_a_range(tmp_path: Path) -> None:
    """What the index holds of a stream can be asked for, of any commit, to both ends included."""
    output = open_output(embedded(tmp_path))
    publish(output, simple_batch(1, 2, 5))
    publish(output, Batch((foreign_events(3, 40),)))

    assert sorted(output.stored_positions(RUN, 2, 5)) == [2, 5]
    assert sorted(output.stored_positions(RUN, 3, 4)) == []
    assert sorted(output.stored_positions(STREAM, 0, 100)) == [3, 40]
    assert sorted(output.stored_positions(OTHER_RUN, 0, 100)) == []
    output.close()


def test_the_index_says_what_it_refuses(tmp_path: Path) -> None:
    """A refused event is named with its reason, and costs no other event of its batch."""
    output = EmbeddedIndex(embedded(tmp_path))
    good = simple_batch(1, 2, 3)
    docs = [docs_of(good)[0], document_of(2, status_code="two"), docs_of(good)[2]]
    delivery = publish(output, batch_with(good, docs))
    (rejection,) = delivery.rejected
    assert rejection.index == 1
    assert "status_code" in rejection.reason
    held = {run: sorted(numbers) for run, numbers in output.stored_after(0)}
    assert held == {RUN: [1, 3]}
    output.close()


def test_an_index_in_use(tmp_path: Path) -> None:
    """An index has one writer; a second one is told where and why."""
    output = open_output(embedded(tmp_path))
    with pytest.raises(ShipperError, match="index"):
        open_output(embedded(tmp_path))
    output.close()
