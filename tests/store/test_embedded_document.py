"""Documents for tantivy: the fast encoding equals the complete one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.store.embedded.document import Encoder, Refused
from shipper.store.embedded.number_order import magnitude, middle
from shipper.times import EARLIEST, LATEST, iso, parse_period

HOST = '"host":{"name":"h"}'
LOG = '"log":{"file":{"path":"a.log"},"offset":%d}'

pieces = st.lists(
    st.sampled_from(
        [
            '"message":"m"',
            '"message":",\\"host\\":{"',
            '"exc_info":"e"',
            '"seq":5',
            '"level":7',
            '"extra":{"a":1,"host":{"x":1},"log":{"offset":5}}',
            '"extra":{"n":{"a":1,' + HOST + "," + LOG % 9 + "}}",
            '"service":{"name":"s"}',
            '"error":{"category":"user"}',
            '"event":{"kind":"event","created":"2026-02-05T12:00:00.000Z"}',
            '"event":{"created":"never"}',
            '"host":{"name":"other"}',
            HOST,
            LOG % 0,
            LOG % 12,
            '"log":{"offset":12,"stream":"s"}',
            '"log":{"stream":"s","offset":12}',
            '"log":{"offset":007}',
            '"log":{"offset":1.5}',
        ]
    ),
    max_size=6,
).map(lambda found: "{" + ",".join(found) + "}")


@pytest.mark.parametrize("ms", [EARLIEST - 1, LATEST + 1, 2**70])
def test_a_time_that_can_not_be_written_is_refused(ms: int) -> None:
    """A record whose time cannot be shown is refused."""
    with pytest.raises(Refused, match="years 1 to 9999"):
        Encoder({}).encode("s-1", b"{}", ms, 1)


def encoded(encoder: Encoder, doc: bytes) -> dict[str, Any] | None:
    try:
        fields: dict[str, Any] = json.loads(encoder.encode("s-1", doc, 1, 2))
    except Refused:
        return None
    fields.pop("_envelopes", None)
    return fields


@given(st.lists(pieces, min_size=1, max_size=6))
@example(["{" + HOST + "," + LOG % 1 + "}"] * 2)
@example(['{"seq":1,' + HOST + "," + LOG % i + "}" for i in range(4)])
@example(
    [
        '{"seq":1,' + HOST + ',"log":{"file":{"path":"a.log"},"offset":5,"stream":"s"}}',
        '{"seq":1,' + HOST + "," + LOG % 5 + "}",
    ]
)
@example(['{"error":{"category":"user"},' + HOST + "," + LOG % 1 + "}"] * 2)
@example(['{"seq":1,' + HOST + ',"message":"m",' + LOG % 1 + "}"] * 2)
def test_a_known_tail_changes_nothing(docs: list[str]) -> None:
    """A document is encoded the same, whatever was seen before it."""
    used = Encoder({})
    texts: dict[str, int] = {}
    for doc in [*docs, *docs]:
        fresh = Encoder(dict(texts))
        assert encoded(used, doc.encode()) == encoded(fresh, doc.encode())
        texts = dict(used._by_text)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e12, 1e12))
def test_magnitudes_are_near_and_in_order(one: float, other: float) -> None:
    """The middle of a class is within 1 % of its members, and classes keep the order."""
    for number in (one, other):
        assert middle(magnitude(number)) == pytest.approx(number, rel=0.01, abs=1.1e-9)
    assert (magnitude(one) <= magnitude(other)) == (one <= other) or (
        magnitude(one) == magnitude(other)
    )


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1970-01-01", (0, 86_399_999)),
        ("1970-01-01T00:01", (60_000, 119_999)),
        ("1970-01-01T00:00:01Z", (1000, 1999)),
        ("1970-01-01T00:00:00.5Z", (500, 500)),
        ("1970-01-01 00:00:00.1239Z", (123, 123)),
        ("1970-01-01T01:00:00.000+01:00", (0, 0)),
        ("1969-12-31T23:59:59.999Z", (-1, -1)),
        ("1970-01-32", None),
        ("1970-01", None),
        ("1970-01-01T", None),
        ("1970-01-01T25:00", None),
        ("now", None),
    ],
)
def test_a_time_names_a_span(text: str, span: tuple[int, int] | None) -> None:
    """A date covers a day; a time covers the unit of its last digit."""
    assert parse_period(text) == span


@given(st.integers(EARLIEST, LATEST))
def test_times_are_written_to_the_millisecond(ms: int) -> None:
    """A written time is read back as the same millisecond, in every year."""
    assert parse_period(iso(ms)) == (ms, ms)
