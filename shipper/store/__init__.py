"""What can be asked of the stored records: search, count, aggregate, follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config import ElasticsearchOutput
    from shipper.store.origins import OriginStore


def open_embedded(path: Path) -> OriginStore:
    """
    Open the embedded index at `path` for asking; its writer may be at work in another process.

    Raises:
        StoreUnavailable: there is no index.
    """
    from shipper.store.embedded.reader import EmbeddedStore  # noqa: PLC0415 - only who asks pays

    return EmbeddedStore(path)


def open_elasticsearch(output: ElasticsearchOutput, namespace: str = "*") -> OriginStore:
    """
    Open the data streams `logs-orchestrator.*` of a namespace, `*` for all, for asking.

    Raises:
        ShipperError: the client is not installed, or a file of the config cannot be used.
    """
    from shipper.elastic import Cluster  # noqa: PLC0415 - the client is an extra
    from shipper.store.elasticsearch.search import ElasticsearchStore  # noqa: PLC0415

    return ElasticsearchStore(Cluster(output, raw=True), namespace)
