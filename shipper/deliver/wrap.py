"""
Wraps refused events as text, so that they can still be found.

A store refuses an event for its form: a mapping conflict, or a value it cannot index. The wrapped
form has only fields of known types: the whole document as text in `message`, the reason in
`error`, and the tag `rejected`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.events import Events
from shipper.times import iso

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shipper.deliver.batch import Batch
    from shipper.events import Rejection

KEPT = ("host", "service", "event", "data_stream", "log", "level", "logger")

MAX_REASON = 1000  # characters; a store may quote the whole document in its error


class RefusedEvents(NamedTuple):
    """Events that an output refused for good, and the reason for each."""

    events: Events
    reasons: list[str]

    @classmethod
    def of(cls, batch: Batch[Any], rejections: Sequence[Rejection]) -> RefusedEvents:
        """Take the rejected events out of a batch."""
        events = Events()
        for part in batch.parts(rejection.index for rejection in rejections):
            events.extend(part)
        for at, rejection in enumerate(rejections):
            if rejection.instead is not None:
                (events.ids[at],) = rejection.instead.ids
                (events.docs[at],) = rejection.instead.docs
        return cls(events, [rejection.reason for rejection in rejections])

    def only(self, ids: Collection[str]) -> RefusedEvents:
        """Return those with these ids."""
        wanted = {*ids}
        chosen = [index for index, origin in enumerate(self.events.ids) if origin in wanted]
        return RefusedEvents(self.events.part(chosen), [self.reasons[index] for index in chosen])


def wrap(refused: RefusedEvents) -> Events:
    """Return the wrapped form of each event."""
    events = refused.events
    docs = [
        _wrapped(document, time, reason[:MAX_REASON])
        for document, time, reason in zip(events.docs, events.times, refused.reasons, strict=True)
    ]
    return Events(events.ids, docs, events.times, events.datasets)


def _wrapped(document: bytes, time: int, reason: str) -> bytes:
    try:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    except UNDECODABLE:
        fields = {}  # its text is kept
    return msgspec.json.encode(
        {
            "@timestamp": iso(time),
            "message": document.decode(errors="replace"),
            "tags": ["rejected"],
            **{key: fields[key] for key in KEPT if key in fields},
            "error_type": "rejected",  # not `error.type`: that is an alias, which cannot be written
            "error": {"message": reason},
        }
    )
