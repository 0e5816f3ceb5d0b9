"""Whatever bytes a file has, each format makes records of them that every store takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.formats.table import FORMATS, JSON
from tests.enrich.enriching import misfits
from tests.formats.reading import read_as

SAMPLES = [sample.encode() for each in FORMATS.values() for sample in each.samples]
SAMPLES += [
    b'{"level":30,"time":1770301845123,"err":{"message":"x","stack":["a","b"]},"tags":["x"]}',
    b'{"log":"{\\"msg\\":\\"x\\",\\"error\\":{\\"type\\":1}}\\n","stream":"stdout","time":"?"}',
    b'{"log":"part","stream":"stderr","time":"2026-02-05T14:30:45Z"}',
    b'{"host":"h","error":"e","event":{"a":1},"extra":{"b":2},"":1,"message":[1],"level":{}}',
    b'level=error run=7 seq=x host="a b" message="q\\"" extra=1',
]

# A sample, some bytes of which are replaced, or bytes of any kind; some of them in one file.
line = st.one_of(
    st.builds(
        lambda sample, at, more: sample[: at % len(sample)] + more + sample[at % len(sample) + 1 :],
        st.sampled_from(SAMPLES),
        st.integers(0, 400),
        st.binary(max_size=3),
    ),
    st.sampled_from(SAMPLES),
    st.binary(max_size=40),
)


@pytest.mark.parametrize("name", [*FORMATS, JSON])
@settings(max_examples=60, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=6))
def test_records_are_as_promised(name: str, lines: list[bytes]) -> None:
    """No line stops the shipper or makes a record that a store would refuse; ids are unique."""
    data = b"\n".join(lines) + b"\n"

    docs = read_as(f"format: {name}", data, check_starts=False)

    assert [fault for doc in docs for fault in misfits(doc)] == []
    assert "unreadable" not in [tag for doc in docs for tag in doc.get("tags", [])]
    offsets = [doc["log"]["offset"] for doc in docs if "stream" in doc["log"]]
    assert offsets == sorted(set(offsets))
