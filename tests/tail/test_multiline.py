"""Lines that belong together are one event, cut at the same places however they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.enrich.enricher import Enricher
from shipper.events import Block
from shipper.tail.multiline import Multiline
from tests.enrich.enriching import CONTEXT, documents, line_of
from tests.tail.tailing import Reader, append

QUIET = 5.0
DEFAULT = Multiline(None, 500, 4096, QUIET)

TRACEBACK = b"""\
2026-02-05 14:30:45 ERROR it broke
Traceback (most recent call last):
  File "app.py", line 7, in run
    work()
    ~~~~^^
ValueError: no such workflow

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "app.py", line 9, in run
    raise app.errors.WorkflowError("x") from error
app.errors.WorkflowError: x
"""

JAVA = b"""\
14:30:45 ERROR it broke
java.lang.IllegalStateException: no such workflow
\tat com.example.App.run(App.java:7)
Caused by: java.io.IOException: gone
\t... 7 more
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = reader_of(tmp_path)
    yield reader
    reader.close()


def reader_of(folder: Path, multiline: Multiline = DEFAULT, block_bytes: int = 4096) -> Reader:
    return Reader(folder, block_bytes=block_bytes, max_line_bytes=4096, multiline=multiline)


def events(blocks: Iterable[Block]) -> list[tuple[str, str]]:
    """Return `_id` and message of every event, as they are stored."""
    enricher = Enricher(CONTEXT)
    found = []
    for block in blocks:
        made = enricher.enrich(block)
        docs = documents(made)
        found += [(i, str(doc["message"])) for i, doc in zip(made.ids, docs, strict=True)]
    return found


def messages(blocks: Iterable[Block]) -> list[str]:
    return [message for _id, message in events(blocks)]


def split(data: bytes, multiline: Multiline = DEFAULT) -> list[bytes]:
    starts, _complete = multiline.split(data)
    ends = [*starts[1:], len(data)]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


@pytest.mark.parametrize("event", [TRACEBACK, JAVA, b"one line\n"])
def test_a_traceback_is_one_event(event: bytes) -> None:
    """By default an event goes on with what is indented, blank, or part of a traceback."""
    assert split(event + event + b"next\n" + event) == [event, event, b"next\n", event]


def test_a_pattern_of_the_first_line() -> None:
    """With `first_line` an event goes on until a line begins that way."""
    dated = Multiline(re.compile(rb"\d{4}-"), 500, 4096, QUIET)
    data = b"2026-02-05 a\nb\n{c\n  d}\n2026-02-05 e\n"
    assert split(data, dated) == [b"2026-02-05 a\nb\n{c\n  d}\n", b"2026-02-05 e\n"]


@pytest.mark.parametrize("multiline", [DEFAULT, Multiline(re.compile(b"x"), 500, 4096, QUIET)])
def test_json_is_never_joined(multiline: Multiline) -> None:
    """A line of JSON is an event of its own: nothing goes before it, and nothing behind it."""
    line = line_of(1) + b"\n"
    data = b"x text\n" + line + line + b" indented\n  more\n" + line
    assert split(data, multiline) == [b"x text\n", line, line, b" indented\n  more\n", line]


def test_the_limits_cut_by_content() -> None:
    """What lies beyond a limit is the next event; a line that is too long is one alone."""
    few = Multiline(None, 3, 4096, QUIET)
    assert split(b"a\n b\n c\n d\n e\n f\n g\n", few) == [b"a\n b\n c\n", b" d\n e\n f\n", b" g\n"]
    small = Multiline(None, 500, 8, QUIET)
    data = b"a\n b\n c\n d\n" + b" too long\n" + b" e\n"
    assert split(data, small) == [b"a\n b\n c\n", b" d\n", b" too long\n", b" e\n"]


def test_an_event_waits_for_the_next(reader: Reader, log: Path) -> None:
    """The last event of a file may go on: it is given when another begins."""
    append(log, b"first\n  more\n")
    assert reader.take() == []
    append(log, b"  and more\nsecond\n")
    blocks = reader.take()
    assert messages(blocks) == ["first\n  more\n  and more"]
    assert blocks[0].start == 0
    append(log, b"third\n")
    assert messages(reader.take()) == ["second"]


def test_an_event_is_over_when_its_file_is_quiet(reader: Reader, log: Path) -> None:
    """After a while without a new line the last event is given; what comes later is another."""
    append(log, b"first\n  more\nhalf")
    assert reader.take() == []
    assert reader.take(QUIET - 1) == []
    blocks = reader.take(1.0)
    assert messages(blocks) == ["first\n  more"]
    append(log, b" a line\n  late\nnext\n")
    assert messages(reader.take()) == ["half a line\n  late"]


def test_a_rotated_event_is_over(reader: Reader, log: Path) -> None:
    """A traceback at the end of a rotated file is given with it, though its last line is half."""
    append(log, b"first\n  more\n  half")
    assert reader.take() == []
    log.rename(f"{log}.1")
    append(log, b"  another file\nx\n")
    found = []
    for _ in range(4):
        blocks = reader.take(QUIET)
        reader.ack(blocks)
        found += messages(blocks)
    assert sorted(found) == ["  another file", "  half", "first\n  more", "x"]


def test_a_crash_after_an_event_ended_early(tmp_path: Path, log: Path) -> None:
    """
    What ended an event early is remembered: after a crash it is cut there again, and not lost.

    Else the continuation would be joined to an event that is stored already, and dropped with it.
    """
    reader = reader_of(tmp_path)
    append(log, b"zero\nfirst\n  more\n")
    before = reader.take()
    before += reader.take(QUIET)
    append(log, b"  continued\nsecond\n")
    rest = reader.take()
    assert [m for _id, m in events([*before, *rest])] == ["zero", "first\n  more", "  continued"]
    reader.ack(before[:1])
    reader.save()
    reader.crash()  # of the second event, whoever knows what became of it
    again = [*reader.take(), *reader.take()]
    assert events(again) == events([*before[1:], *rest])
    reader.close()


def test_the_end_of_an_event_is_saved_before_it_is_given(reader: Reader, log: Path) -> None:
    """Nothing leaves that a restart would cut otherwise: first the registry knows the place."""
    append(log, b"first\n  more\n")
    reader.scan()
    reader.scan(QUIET)
    assert list(reader.tailer.read(now=reader.now, wall=reader.wall)) == []
    assert reader.tailer.is_splitting()
    (record,) = reader.saved()
    assert record.split == 13
    assert messages(reader.read()) == ["first\n  more"]


def test_at_the_end_of_a_run_once(reader: Reader, log: Path) -> None:
    """Told to end, the last event is given as it is."""
    append(log, b"first\n  more\n  ha")
    assert reader.take() == []
    assert reader.tailer.end_events()
    reader.save()
    assert messages(reader.read()) == ["first\n  more"]
    assert not reader.tailer.end_events()


def test_crlf_and_blank_lines(reader: Reader, log: Path) -> None:
    """Lines of Windows are joined as others; blank lines are kept, but for those at the end."""
    append(log, b"first\r\n  more\r\n\r\n  still\r\n\r\nsecond\r\n")
    assert messages(reader.take()) == ["first\n  more\n\n  still"]


def test_json_and_text_in_one_file(reader: Reader, log: Path) -> None:
    """Records of `emit` between tracebacks keep their origin; the others theirs."""
    append(log, line_of(1, message="a") + b"\n" + TRACEBACK + line_of(2, message="b") + b"\n")
    first, second, third = events(reader.take())
    assert (first[0][-2:], third[0][-2:]) == ("-1", "-2")
    assert second[1] == TRACEBACK.decode().removesuffix("\n")
    assert second[0].endswith(f"-{len(line_of(1, message='a')) + 1}")


LINES = st.sampled_from(
    [
        *(b"text", b"  indented", b"", b"\t", b"ValueError: x", b'{"a"}', b"{ no json"),
        *(b" " + b"x" * 60, b"y" * 200, b"z" * 90),
    ]
)


@pytest.mark.slow
@settings(max_examples=100)
@example(lines=[b"text"], limits=(2, 64), steps=[5], block_bytes=16, crashes={0, 1, 2}, quiet={0})
@given(
    lines=st.lists(LINES, max_size=60),
    limits=st.tuples(st.integers(2, 5), st.integers(64, 128)),
    steps=st.lists(st.integers(1, 400), max_size=12),
    block_bytes=st.integers(16, 300),
    crashes=st.sets(st.integers(0, 30), max_size=5),
    quiet=st.sets(st.integers(0, 12), max_size=3),
)
def test_cut_at_the_same_places_however_read(  # noqa: PLR0917 -- hypothesis names them
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    limits: tuple[int, int],
    steps: list[int],
    block_bytes: int,
    crashes: set[int],
    quiet: set[int],
) -> None:
    """Across blocks, writes that end anywhere, and crashes before any ack, an `_id` is one text."""
    folder = tmp_path_factory.mktemp("m")
    log = folder / "app.log"
    log.touch()
    data = b"".join(line + b"\n" for line in lines) + b"end\n"
    reader = reader_of(folder, Multiline(None, *limits, QUIET), block_bytes)
    reader._registry._db.execute("PRAGMA synchronous=OFF")  # for the speed of the test
    given_: dict[str, str] = {}
    number = 0
    places = [0, *sorted({sum(steps[: i + 1]) for i in range(len(steps))} - {0}), len(data)]
    for index, (start, end) in enumerate(pairwise(places)):
        append(log, data[start:end])
        for pause in [1.0, QUIET] if index in quiet else [1.0]:
            for block in reader.take(pause):
                for id_, message in events([block]):
                    assert given_.setdefault(id_, message) == message
                number += 1
                if number in crashes:
                    reader.crash()
                    break
                reader.ack([block])
    idle = 0
    while idle < 3:
        blocks = [*reader.take(QUIET)]
        idle = 0 if blocks else idle + 1
        for id_, message in events(blocks):
            assert given_.setdefault(id_, message) == message
        reader.ack(blocks)  # names of streams are saved before the next line is read
    whole = sorted(given_.items(), key=lambda item: int(item[0].rpartition("-")[2]))
    texts = [message.split("\n") for _id, message in whole]
    kept = [line.decode() for line in data.split(b"\n") if line.strip()]
    assert [line for text in texts for line in text if line.strip()] == kept
    reader.close()
