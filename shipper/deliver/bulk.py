"""
The body of an Elasticsearch `_bulk` request: an action line and a document line per event.

The action is `create`: with an `_id` made of the origin, a second try of the same event is
refused by the store (409) instead of stored twice.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipper.deliver.batch import Batch

PIECE_EVENTS = 256  # made at a time: what fits into the caches, and little memory


def bulk_body(batch: Batch, namespace: str) -> bytes:
    """Make the body for a batch; the data stream is `logs-<dataset>-<namespace>`."""
    return _lines(_heads(batch, namespace), batch.datasets, batch.ids, batch.docs)


def bulk_pieces(batch: Batch, namespace: str, start: int, end: int) -> Iterator[bytes]:
    """Make the body for the events from `start` up to `end`, piece by piece."""
    heads = _heads(batch, namespace)
    for first in range(start, end, PIECE_EVENTS):
        part = slice(first, min(first + PIECE_EVENTS, end))
        yield _lines(heads, batch.datasets[part], batch.ids[part], batch.docs[part])


def _heads(batch: Batch, namespace: str) -> Mapping[str, str]:
    return {
        dataset: f'{{"create":{{"_index":"logs-{dataset}-{namespace}","_id":"'
        for dataset in set(batch.datasets)
    }


def _lines(
    heads: Mapping[str, str], datasets: Sequence[str], ids: Sequence[str], docs: Sequence[bytes]
) -> bytes:
    lines: list[bytes] = [b""] * (2 * len(ids) + 1)
    lines[0:-1:2] = [
        f'{heads[dataset]}{id}"}}}}'.encode()
        for dataset, id in zip(datasets, ids, strict=True)  # noqa: A001 -- its name
    ]
    lines[1:-1:2] = docs
    return b"\n".join(lines)
