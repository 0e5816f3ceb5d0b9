"""
The body of an Elasticsearch `_bulk` request: an action line and a document line per event.

The action is `create`: with an `_id` made of the origin, a second try of the same event is
refused by the store (409) instead of stored twice.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipper.deliver.batch import Batch


def bulk_body(batch: Batch, namespace: str) -> bytes:
    """Make the body for a batch; the data stream is `logs-<dataset>-<namespace>`."""
    heads = {
        dataset: f'{{"create":{{"_index":"logs-{dataset}-{namespace}","_id":"'
        for dataset in set(batch.datasets)
    }
    lines: list[bytes] = [b""] * (2 * len(batch) + 1)
    lines[0:-1:2] = [
        f'{heads[dataset]}{id}"}}}}'.encode()
        for dataset, id in zip(batch.datasets, batch.ids, strict=True)  # noqa: A001 -- its name
    ]
    lines[1:-1:2] = batch.docs
    return b"\n".join(lines)
