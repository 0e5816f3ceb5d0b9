"""Lumberjack on the wire: the bytes of a window, and what acks say in whatever pieces they come."""

from __future__ import annotations

import itertools
import json
import struct
import subprocess
import sys
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.batch import Batch
from shipper.deliver.lumberjack import AckReader, FramePreparer, ProtocolError, encode_window
from shipper.events import Events
from tests.servers.lumberjack_scripted import ack_frame, events_of

TOLD = b'{"message":"a","@metadata":{"origin":"run-0"}}'


def window_of(ids: list[str], docs: list[bytes], level: int, *, blocks: int = 1) -> bytes:
    """Return the window of events that come in blocks of about the same size."""
    size = -(-len(ids) // blocks)
    parts = [slice(start, start + size) for start in range(0, len(ids), size)]
    columns = [(ids[part], docs[part]) for part in parts]
    frames = [
        FramePreparer().prepare(Events(i, d, [0] * len(i), ["app"] * len(i))) for i, d in columns
    ]
    return encode_window(Batch(tuple(frames)).ranges(0, len(ids)), level)


def decode(window: bytes) -> list[dict[str, object]]:
    faults: list[str] = []
    file = BytesIO(window)
    kind, count = struct.unpack(">2sI", file.read(6))
    events = [*events_of(file.read, count, faults)]
    assert (kind, faults, file.read()) == (b"2W", [], b"")
    return events


def test_a_window_byte_by_byte() -> None:
    """A window frame with the count, then an event frame: number from 1, length, JSON with id."""
    window = window_of(["run-0"], [b'{"message":"a"}'], 0)

    assert window == b"2W\0\0\0\1" + b"2J\0\0\0\1" + struct.pack(">I", len(TOLD)) + TOLD


def test_all_events_are_in_one_compressed_frame() -> None:
    """Compressed, the same event frames are one zlib stream in one frame after the window frame."""
    ids, docs = ["run-0", "run-1"], [b'{"message":"a"}', b'{"message":"b"}']
    plain, packed = window_of(ids, docs, 0), window_of(ids, docs, 1)

    size = struct.unpack(">I", packed[8:12])[0]

    assert packed[:8] == plain[:6] + b"2C"
    assert len(packed) == 12 + size
    assert zlib.decompress(packed[12:]) == plain[6:]


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize(("count", "blocks"), [(1, 1), (256, 1), (257, 2), (775, 4)])
def test_events_are_numbered_anew_in_each_window(count: int, blocks: int, level: int) -> None:
    """Of however many blocks a window is made, its events are numbered 1, 2, … in order."""
    docs = [json.dumps({"message": f"Käse {n} \U0001f9c0"}).encode() for n in range(count)]

    events = decode(window_of([f"run-{n}" for n in range(count)], docs, level, blocks=blocks))

    assert events == [
        {"message": f"Käse {n} \U0001f9c0", "@metadata": {"origin": f"run-{n}"}}
        for n in range(count)
    ]


def test_without_the_quick_compressor() -> None:
    """Where `isal` is not installed, zlib makes a window of the same events."""
    code = """if True:
        import sys
        sys.modules["isal"] = None
        from tests.deliver.test_lumberjack import window_of
        sys.stdout.buffer.write(window_of(["run-0"], [b'{"message":"a"}'], 1))
    """

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert decode(done.stdout) == [json.loads(TOLD)]


def test_an_ack_of_the_last_number_is_an_ack_of_the_count() -> None:
    """What Logstash acks (the last number) and what go-lumber acks (the count) is one thing."""
    reader = AckReader(3)

    assert reader.feed(ack_frame(3)) == 1
    assert reader.is_complete


@given(
    numbers=st.lists(st.integers(0, 9), max_size=6),
    cuts=st.lists(st.integers(0, 40), max_size=5),
)
def test_acks_come_in_any_pieces(numbers: list[int], cuts: list[int]) -> None:
    """However the bytes are cut, each ack is counted, and the highest number is what is acked."""
    stream = b"".join(map(ack_frame, numbers))
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = AckReader(9)

    heard = sum(reader.feed(stream[start:end]) for start, end in itertools.pairwise(places))

    assert heard == len(numbers)
    assert reader.acked == max(numbers, default=0)


def test_ack_0_is_a_sign_of_life_and_no_more() -> None:
    """Zeros count as heard, and acknowledge nothing; nor does a smaller number take back."""
    reader = AckReader(5)

    assert reader.feed(ack_frame(0) * 2) == 2
    assert reader.acked == 0
    reader.feed(ack_frame(3) + ack_frame(0) + ack_frame(2))
    assert (reader.acked, reader.is_complete) == (3, False)


def test_more_acked_than_sent() -> None:
    """An ack beyond the window is not believed; what was acked before it is."""
    reader = AckReader(5)

    with pytest.raises(ProtocolError, match="acked event 6 of a window of 5"):
        reader.feed(ack_frame(2) + ack_frame(6))

    assert reader.acked == 2


@pytest.mark.parametrize(
    "data", [b"H", b"HTTP/1.1 400", b"2B\0\0\0\1", b"1A\0\0\0\1", b"2\0", b"\0"]
)
def test_another_protocol(data: bytes) -> None:
    """What is no ack is recognised at its first bytes, not waited for."""
    with pytest.raises(ProtocolError, match="does not speak Lumberjack"):
        AckReader(5).feed(data)


def test_a_server_that_wants_tls() -> None:
    """The alert by which TLS answers clear text says which option is wrong."""
    with pytest.raises(ProtocolError, match=r"wants TLS; see output\.logstash\.tls\.enabled"):
        AckReader(5).feed(b"\x15\x03\x01\x00\x02\x02\x46")
