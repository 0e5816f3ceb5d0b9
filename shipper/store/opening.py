"""Opens a store: the one at a given place, or the one that a config names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.config.main import ElasticsearchOutput, EmbeddedOutput, LogstashOutput
from shipper.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.store.origins import OriginStore


def store_of(config: Config) -> OriginStore:
    """
    Open the store in which the records of a config are searched.

    Raises:
        ConfigError: the config does not say where records can be searched.
        StoreUnavailable: there is nothing to read yet, or it cannot be read now.
    """
    place = config.search or config.output
    match place:
        case EmbeddedOutput():
            return open_embedded(place.path)
        case ElasticsearchOutput():
            return open_elasticsearch(place, config.namespace)
        case LogstashOutput():
            raise ConfigError(
                "this config does not say where Logstash puts the records; add search.elasticsearch"
            )
        case _:
            raise ConfigError(
                "the output of this config only writes, nothing can be searched; "
                "use output.embedded, or add search.elasticsearch"
            )


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
    from shipper.net.elastic import Cluster  # noqa: PLC0415 - the client is an extra
    from shipper.store.elasticsearch.search import ElasticsearchStore  # noqa: PLC0415

    return ElasticsearchStore(Cluster(output, raw=True), namespace)
