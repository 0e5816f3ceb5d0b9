"""Blocks to documents: the fast path and the slow one agree, and no line costs its neighbours."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.enrich import odd
from shipper.enrich.enricher import RUNS_REMEMBERED, Enricher
from shipper.fields import FIELDS, FieldKind
from tests.enrich.enriching import (
    CONTEXT,
    MIB,
    PATH,
    READ_AT,
    RUN,
    STREAM,
    TIME,
    TIME_MS,
    block_of,
    document,
    documents,
    enrich,
    line_of,
    misfits,
    offsets_of,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KINDS: dict[FieldKind, st.SearchStrategy[Any]] = {
    FieldKind.KEYWORD: TEXTS,
    FieldKind.TEXT: TEXTS,
    FieldKind.INTEGER: st.integers(1, 2**63 - 1),
    FieldKind.FLOAT: st.floats(0, 1e6) | st.integers(0, 10**6),
}
WRITTEN = [
    field.name
    for field in FIELDS.values()
    if field.kind in KINDS and field.name not in ("@timestamp", "run", "seq", "tags")
]
LOGGERS = ("app", "app.access", "app.workflows", "app.auth", "workflow.x", "")


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A line as `emit` writes it, with any of the fields that an application can write."""
    fields = draw(
        st.fixed_dictionaries({}, optional={name: KINDS[FIELDS[name].kind] for name in WRITTEN})
    )
    if draw(st.booleans()):
        fields["logger"] = draw(st.sampled_from(LOGGERS))
        fields["level"] = draw(st.sampled_from(["INFO", "ERROR", "CRITICAL"]))
        fields["status"] = draw(st.sampled_from(["ok", "failed"]))
    if draw(st.booleans()):
        fields["status_code"] = draw(st.integers(100, 599))
    return line_of(draw(st.integers(0, 2**53 - 1)), **fields)


@given(records())
def test_the_two_paths_agree(line: bytes) -> None:
    """A record gives the same document by the fast path and by the slow one."""
    fast = enrich(line + b"\n")
    slow = enrich(line + b" \n")  # a blank behind the brace, and the bytes can't be spliced
    assert documents(fast) == documents(slow)
    assert (fast.ids, fast.times, fast.datasets) == (slow.ids, slow.times, slow.datasets)
    assert fast.origins == slow.origins
    assert fast.tagged == slow.tagged == 0


def test_a_document_is_the_record_and_what_was_added() -> None:
    """A document has the record's own fields, its place, its time and its context."""
    line = line_of(7, level="INFO", logger="app.access", message="hä?", status_code=404)
    assert document(line, start=99) == {
        "@timestamp": TIME,
        "run": RUN,
        "seq": 7,
        "level": "INFO",
        "logger": "app.access",
        "message": "hä?",
        "status_code": 404,
        "host": {"name": "web-1"},
        "service": {"name": "orchestrator", "environment": "staging", "version": "1.2.3"},
        "event": {
            "dataset": "orchestrator.access",
            "kind": "event",
            "category": ["web"],
            "created": "2026-02-05T14:30:50.000Z",
        },
        "error": {"category": "user"},
        "data_stream": {"type": "logs", "dataset": "orchestrator.access", "namespace": "blue"},
        "log": {"file": {"path": PATH}, "offset": 99},
    }


def test_columns() -> None:
    """Ids, times, datasets and origins stand beside the documents, in the order of the file."""
    events = enrich(
        line_of(3) + b"\n" + line_of(5, logger="a.workflows") + b"\noops\n" + line_of(4) + b"\n"
    )
    foreign = len(line_of(3)) + 1 + len(line_of(5, logger="a.workflows")) + 1
    assert events.ids == [f"{RUN}-3", f"{RUN}-5", f"{STREAM}-{foreign}", f"{RUN}-4"]
    assert events.times == [TIME_MS, TIME_MS, READ_AT, TIME_MS]
    assert events.datasets == [f"orchestrator.{n}" for n in ("app", "workflow", "app", "app")]
    assert events.origins == {RUN: [3, 5, 4]}
    assert events.tagged == 1


# Parts of lines, so that odd ones get near to good ones: halves, doubles, other separators.
PARTS = st.sampled_from(
    [
        *(line_of(seq, level="INFO", message="ok") for seq in (1, 2)),
        *(b"\r", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"\xff", b"{", b"}", b"[", b",", b'"', b"\\"),
        *(b"null", b"-1", b"1e999", b'{"a":1}', b'{"timestamp":', b'"run":"x"', b"\x0b", b"\xc2"),
        *(b'{"duration_ms":' + b"9" * 25 + b"}", b'{"status_code":' + b"9" * 25 + b"}"),
        line_of(9, execution_time_ms=10**30),
        line_of(9, status_code=10**30),
        line_of(9, timestamp="\u0662\u0660\u0662\u0666-02-05T14:30:45.123Z"),
        *(
            line_of(9, run=None),
            line_of(9, seq_no=True),
            line_of(9, host="h", extra=[], log={}, event=3),
        ),
    ]
)
ODD = st.lists(PARTS | st.binary(max_size=8), max_size=4).map(
    lambda parts: b"".join(parts).replace(b"\n", b"")
)
TORN = [line_of(1) + line_of(2), b""]  # two writers, each of which writes its newline alone


@settings(max_examples=400)
@given(st.lists(ODD, max_size=6), st.data())
@example(TORN, None)
@example([line_of(1) + b"\r" + line_of(2), b" "], None)
def test_any_bytes(odd: list[bytes], data: st.DataObject | None) -> None:
    """Each line gives one document that fits, blank ones none; good neighbours stay as they are."""
    lines: list[tuple[bytes, int | None]] = [(line, None) for line in odd]
    for seq in range(100, 103):
        at = data.draw(st.integers(0, len(lines))) if data else len(lines)
        lines.insert(at, (line_of(seq, message="good"), seq))
    events = enrich(b"".join(line + b"\n" for line, _seq in lines))

    docs = documents(events)
    offsets = offsets_of(line for line, _seq in lines)
    expected = [
        (offset + len(line) - len(line.lstrip(b"\0")), seq)
        for offset, (line, seq) in zip(offsets, lines, strict=True)
        if line.lstrip(b"\0").strip()
    ]
    assert [doc["log"]["offset"] for doc in docs] == [offset for offset, _number in expected]
    for doc, (_offset, number) in zip(docs, expected, strict=True):
        assert not [*misfits(doc)]
        if number is not None:
            assert (doc["run"], doc["seq"], doc["message"]) == (RUN, number, "good")
            assert "tags" not in doc
    assert {100, 101, 102} <= {*events.origins[RUN]}
    assert events.tagged == sum("tags" in doc for doc in docs)


@pytest.mark.parametrize("lines", [[*TORN], [line_of(1) + b"\r" + line_of(2), b""]])
def test_two_records_on_one_line_and_none_on_the_next(lines: list[bytes]) -> None:
    """As many records as lines is no proof that each line has one."""
    events = enrich(b"".join(line + b"\n" for line in [line_of(0), *lines, line_of(3)]))
    first, torn, last = documents(events)
    assert (first["seq"], last["seq"]) == (0, 3)
    assert torn["tags"] == ["not_json"]
    assert torn["message"] == lines[0].decode()


def test_a_record_behind_a_hole() -> None:
    """NUL bytes before a record are no part of it: it begins behind them, wherever they begin."""
    record = line_of(7, message="behind")
    whole = enrich(b"text\n" + bytes(50) + record + b"\n" + bytes(3) + b"\n" + bytes(2) + b"x\n")
    alone = enrich(record + b"\n", start=55)

    assert documents(whole)[1] == documents(alone)[0]
    assert [doc["log"]["offset"] for doc in documents(whole)] == [0, 55, 55 + len(record) + 1 + 6]
    assert whole.origins == {RUN: [7]}


def test_a_record_behind_a_long_hole_is_not_cut() -> None:
    """The NUL bytes before a record do not count for how long it may be."""
    record = line_of(7)
    assert document(bytes(500) + record, limit=200)["seq"] == 7


def test_a_record_on_two_lines_is_two_lines() -> None:
    """A newline ends a line, whatever JSON says of it."""
    broken = line_of(1).replace(b",", b",\n", 1)
    double = line_of(2) + line_of(3)
    docs = documents(enrich(broken + b"\n" + double + b"\n"))
    assert [doc["tags"] for doc in docs] == [["not_json"]] * 3
    assert [doc["message"].encode() for doc in docs] == [*broken.split(b"\n"), double]


def test_a_last_line_without_a_newline() -> None:
    """The end of a file that was rotated away needs no newline."""
    docs = documents(enrich(line_of(1) + b"\n" + line_of(2)))
    assert [doc["seq"] for doc in docs] == [1, 2]


def test_blank_lines_give_nothing_but_count() -> None:
    """Blank lines give no document, and what follows has its true offset."""
    events = enrich(b"\n  \n\r\n\t\n" + line_of(1) + b"\n\n", start=1000)
    (doc,) = documents(events)
    assert doc["log"]["offset"] == 1008
    assert enrich(b"\n\n\n").ids == []


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_limit_of_a_line(size: int) -> None:
    """A line of exactly `limit` bytes is whole; one byte more, and it is cut and tagged."""
    good = line_of(1)
    exact = documents(enrich(good + b"\n", limit=len(good)))
    assert exact[0]["seq"] == 1
    lines = good + b"\n" + line_of(2, message="x" * size) + b"\n" + line_of(3) + b"\n"
    docs = documents(enrich(lines, limit=len(good)))
    assert [doc.get("seq") for doc in docs] == [1, None, 3]
    assert docs[1]["tags"] == ["truncated"]
    assert docs[1]["message"].encode() == line_of(2, message="x" * size)[: len(good)]
    assert docs[1]["log"] == {
        "file": {"path": PATH},
        "offset": len(good) + 1,
        "stream": STREAM,
    }


def test_a_cut_block_is_one_truncated_line() -> None:
    """What tail cut is tagged, although it is not longer than the limit any more."""
    doc = document(b"x" * 100, limit=100, cut=True)
    assert (doc["message"], doc["tags"]) == ("x" * 100, ["truncated"])


def test_a_cut_record_is_not_taken_for_a_whole_one() -> None:
    """The beginning of a line may look like a whole record; it is none."""
    line = line_of(1)
    doc = document(line, limit=len(line), cut=True)
    assert doc["tags"] == ["truncated"]
    assert "seq" not in doc


def test_equal_context_is_not_confused() -> None:
    """What is remembered for one kind of record is not given to another."""
    kinds = [
        {"logger": logger, "level": level, "status": status, "status_code": code}
        for logger in ("a.workflows", "a.db", "a.access")
        for level in ("INFO", "ERROR")
        for status in ("ok", "failed")
        for code in (200, 404, 503)
    ]
    lines = [line_of(seq, **kind) for seq, kind in enumerate(kinds)]
    enricher = Enricher(CONTEXT)
    together = documents(enricher.enrich(block_of(b"\n".join(lines) + b"\n")))
    alone = [document(line, start=0) for line in lines]
    for one, other in zip(together, alone, strict=True):
        assert {**one, "log": 0} == {**other, "log": 0}


def test_another_block_has_its_own_path_and_time() -> None:
    """Nothing of one block is remembered for the next but what the record itself decides."""
    enricher = Enricher(CONTEXT)
    enricher.enrich(block_of(line_of(1) + b"\n"))
    (doc,) = documents(enricher.enrich(block_of(line_of(2) + b"\n", path='/x/"ö".log', start=5)))
    assert doc["log"] == {"file": {"path": '/x/"ö".log'}, "offset": 5}


def test_many_runs() -> None:
    """There may be more runs in the files than are remembered."""
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    runs = [
        RUN[:23] + digits[i >> 10] + digits[i >> 5 & 31] + digits[i & 31]
        for i in range(RUNS_REMEMBERED + 2)
    ]
    enricher = Enricher(CONTEXT)
    for _ in range(2):
        data = b"".join(line_of(1, run=run) + b"\n" for run in runs)
        assert enricher.enrich(block_of(data)).ids == [f"{run}-1" for run in runs]


def test_runs_mixed_in_one_block() -> None:
    """Several processes write to one file: each number is counted for its own run."""
    other = "0" + RUN[1:-1] + "0"
    lines = [line_of(seq, run=run) for seq in range(3) for run in (RUN, other)]
    events = enrich(b"\n".join(lines) + b"\n")
    assert events.origins == {RUN: [0, 1, 2], other: [0, 1, 2]}
    assert events.ids == [f"{run}-{seq}" for seq in range(3) for run in (RUN, other)]


def test_the_first_line_of_a_file_may_have_a_byte_order_mark() -> None:
    """A BOM is no part of the first line; anywhere else it is text."""
    bom = b"\xef\xbb\xbf"
    docs = documents(enrich(bom + line_of(1) + b"\n" + bom + line_of(2) + b"\n" + line_of(3)))
    assert [doc.get("seq") for doc in docs] == [1, None, 3]
    assert docs[1]["tags"] == ["not_json"]
    assert docs[2]["log"]["offset"] == 2 * len(bom) + len(line_of(1)) + len(line_of(2)) + 2


def test_crlf() -> None:
    """Windows line ends are no part of the record, and tag nothing."""
    docs = documents(enrich(line_of(1, message="x") + b"\r\ntext\r\n" + line_of(2) + b"\r\n"))
    assert [doc.get("seq") for doc in docs] == [1, None, 2]
    assert docs[1]["message"] == "text"
    assert docs[0].get("tags") is None


def test_a_block_of_good_lines_takes_the_fast_path() -> None:
    """What `emit` wrote is passed on byte for byte, and nothing is written anew."""
    line = line_of(1, message="\\u00e9 \u00e9", duration_ms=1).replace(b":1}", b":1.50}")
    (doc,) = enrich(line + b"\n").docs
    assert line[2:-1] in doc
    assert json.loads(doc)["duration_ms"] == 1.5


def test_a_large_block() -> None:
    """A block is one answer, however many lines it has."""
    lines = [line_of(seq, message="m" * 200) for seq in range(2000)]
    data = b"\n".join(lines) + b"\n"
    assert len(data) < MIB
    assert [doc["seq"] for doc in documents(enrich(data))] == [*range(2000)]


def test_a_bug_costs_only_the_line_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line on which enrichment raises anything is stored as text; its neighbours are as ever."""
    real = odd.repair

    def broken(line: bytes, *args: Any, **options: Any) -> odd.RepairedRecord:
        if b"poison" in line:
            raise KeyError(line)
        return real(line, *args, **options)

    monkeypatch.setattr(odd, "repair", broken)
    data = line_of(1) + b"\npoison\xff\n\nodd\n" + line_of(2) + b"\n"
    events = enrich(data, start=50)

    docs = documents(events)
    poison = 50 + len(line_of(1)) + 1
    assert events.ids == [f"{RUN}-1", f"{STREAM}-{poison}", f"{STREAM}-{poison + 9}", f"{RUN}-2"]
    assert [doc.get("message") for doc in docs] == [None, "poison\ufffd", "odd", None]
    assert [doc.get("tags") for doc in docs] == [None, ["unreadable"], ["not_json"], None]
    assert events.times == [TIME_MS, READ_AT, READ_AT, TIME_MS]
    assert events.origins == {RUN: [1, 2]}
    assert not [*misfits(docs[1])]


def test_a_bug_does_not_flood_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many lines a bug is about, a block logs a few of them, and quotes none."""

    def broken(line: bytes, *_: Any, **__: Any) -> odd.RepairedRecord:
        raise KeyError(line)

    monkeypatch.setattr(odd, "repair", broken)
    enrich(b"poison\xff\n" * 100)

    assert len(caplog.records) == 5
    assert "100 lines" in caplog.text
    assert "poison" not in caplog.text


def test_a_bug_in_a_joined_event_leaves_the_others_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of several lines stay joined when one of them is stored as text."""
    real = odd.repair

    def broken(line: bytes, *args: Any, **options: Any) -> odd.RepairedRecord:
        if b"poison" in line:
            raise ZeroDivisionError
        return real(line, *args, **options)

    monkeypatch.setattr(odd, "repair", broken)
    block = replace(block_of(b"one\n two\npoison\n more\nthree\n"), starts=(0, 9, 22))

    messages = [doc["message"] for doc in documents(Enricher(CONTEXT).enrich(block))]

    assert messages == ["one\n two", "poison\n more", "three"]
