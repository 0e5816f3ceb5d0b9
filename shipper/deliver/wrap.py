"""
The second and last form of an event that was refused: still found, whatever was wrong with it.

A store refuses an event for its shape: a mapping conflict, a value it cannot index. Wrapped, it
has only fields of a known type: its whole document as text in `message`, the reason in `error`,
the tag `rejected`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from shipper.deliver.batch import Batch
from shipper.events import Events
from shipper.times import iso

if TYPE_CHECKING:
    from shipper.events import Rejection

KEPT = ("host", "service", "event", "data_stream", "log", "level", "logger")

MAX_REASON = 1000  # characters; a store may quote the whole document in its answer


def wrap(batch: Batch, rejections: tuple[Rejection, ...]) -> Batch:
    """Make the batch of the wrapped events, in the order of the rejections."""
    part = batch.part(rejection.index for rejection in rejections)
    docs = [
        _wrapped(document, time, rejection.reason[:MAX_REASON])
        for document, time, rejection in zip(part.docs, part.times, rejections, strict=True)
    ]
    events = Events([*part.ids], docs, [*part.times], [*part.datasets])
    return Batch(part.number, part.parcels, (events,))


def _wrapped(document: bytes, time: int, reason: str) -> bytes:
    try:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        fields = {}  # whatever it is, its text is kept
    return msgspec.json.encode(
        {
            "@timestamp": iso(time),
            "message": document.decode(errors="replace"),
            "tags": ["rejected"],
            **{key: fields[key] for key in KEPT if key in fields},
            "error_type": "rejected",  # `error.type` is an alias of it, which no store can be given
            "error": {"message": reason},
        }
    )
