"""The wrapped form: found whatever was wrong, and no store refuses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.batch import Batch
from shipper.deliver.outputs.embedded import EmbeddedIndex
from shipper.deliver.wrap import MAX_REASON, RefusedEvents, wrap
from shipper.events import Events, Rejection
from tests.deliver.delivering import TIME, TIME_MS, batch_with, document_of, publish, simple_batch
from tests.deliver.test_outputs import embedded

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


def batch_of_two(extra: Any) -> Batch[Events]:
    batch = simple_batch(0, 1)
    docs = [document_of(0), document_of(1, extra={"x": extra}, message=["not", "text"])]
    return batch_with(batch, docs)


def test_the_form() -> None:
    """The whole document is the message; the reason and the tag tell what happened."""
    batch = simple_batch(7, 8, 9)
    reasons = Rejection(2, "mapping conflict"), Rejection(0, "x" * 10_000)
    wrapped = wrap(RefusedEvents.of(batch, reasons))
    assert wrapped.ids == [batch.ids[2], batch.ids[0]]
    assert wrapped.times == [TIME_MS] * 2
    first, second = map(msgspec.json.decode, wrapped.docs)
    assert first == {
        "@timestamp": TIME,
        "message": document_of(9).decode(),
        "tags": ["rejected"],
        "level": "INFO",
        "host": {"name": "web-1"},
        "log": {"file": {"path": "/a.log"}, "offset": 9},
        "error_type": "rejected",
        "error": {"message": "mapping conflict"},
    }
    assert second["error"]["message"] == "x" * MAX_REASON


@given(JSON)
def test_nothing_of_the_document_is_a_field_but_the_known(extra: Any) -> None:
    """Whatever the document holds, its wrapped form has texts where texts are due, and no more."""
    (doc,) = map(
        msgspec.json.decode, wrap(RefusedEvents.of(batch_of_two(extra), [Rejection(1, "r")])).docs
    )
    known = {"@timestamp", "message", "tags", "host", "log", "level", "error_type", "error"}
    assert {*doc} == known
    assert msgspec.json.decode(doc["message"])["extra"] == {"x": extra}


def test_a_store_takes_it(tmp_path: Path) -> None:
    """What the embedded store refuses, it takes when it is wrapped."""
    index = EmbeddedIndex(embedded(tmp_path))
    batch = batch_of_two("x")
    refused = publish(index, batch)
    assert [rejection.index for rejection in refused.rejected] == [1]
    assert publish(index, Batch((wrap(RefusedEvents.of(batch, refused.rejected)),))).rejected == ()
    index.close()
