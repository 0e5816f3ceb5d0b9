"""Messages of a stream are the same however it comes in pieces; nothing hostile takes memory."""

from __future__ import annotations

import random

import pytest

from shipper.intake.framing import MOST_OCTETS, Framing, FramingError


def cut(data: bytes, limit: int = 100, size: int = 1 << 20) -> list[bytes]:
    """Return the messages of a connection that sends these bytes in pieces and ends."""
    framing = Framing(limit)
    found: list[bytes] = []
    for at in range(0, len(data), size):
        found += framing.feed(data[at : at + size])
    return found + framing.end()


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (b"<13>one\n<13>two\n", [b"<13>one", b"<13>two"]),
        (b"<13>one\0<13>two", [b"<13>one", b"<13>two"]),
        (b"7 <13>one9 <13>t\nwo", [b"<13>one", b"<13>t\nwo"]),
        (b"7 <13>one<13>two\n7 <13>one", [b"<13>one", b"<13>two", b"<13>one"]),
        (b"2026-02-05 a line\n", [b"2026-02-05 a line"]),
        (b"12345678901 <13>no count\n", [b"12345678901 <13>no count"]),
        (b"0 <13>no count\n", [b"0 <13>no count"]),
        (b"20 <13>it broke off", [b"<13>it broke off"]),
        (b"\n\n", [b"", b""]),
        (b"12", [b"12"]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_messages_end_with_a_newline_or_where_their_length_says(
    data: bytes, messages: list[bytes], size: int
) -> None:
    """Both ways of RFC 6587, mixed, in any pieces."""
    assert cut(data, size=size) == messages


@pytest.mark.parametrize("seed", range(20))
def test_long_messages_are_cut_and_their_neighbours_are_whole(seed: int) -> None:
    """In whatever pieces, a message over the limit is its beginning, and the next one is right."""
    rng = random.Random(seed)
    stream, expected = b"", []
    for number in range(40):
        message = b"<13>%d " % number + b"x" * rng.choice([0, 3, 40, 300])
        counted = rng.random() < 0.5
        stream += b"%d " % len(message) + message if counted else message + b"\n"
        expected.append(message[:50])

    assert cut(stream, limit=50, size=rng.randint(1, 70)) == expected


@pytest.mark.parametrize("begin", [b"<13>", b"9000000 <13>"])
def test_a_message_without_end_takes_bounded_memory(begin: bytes) -> None:
    """What is over the limit is passed over as it comes."""
    framing = Framing(1000)
    framing.feed(begin)
    for _ in range(200):
        framing.feed(b"x" * 10_000)

    assert len(framing._data) <= 11_000
    assert framing.cut == 1


def test_a_count_beyond_reason_ends_the_connection() -> None:
    """Nobody knows what follows it."""
    with pytest.raises(FramingError, match="octets is announced"):
        Framing(100).feed(b"%d <13>x" % (MOST_OCTETS + 1))
