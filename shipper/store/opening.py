"""Opens a store: the one of a config, or one given by its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.config.outputs import ElasticsearchOutput, EmbeddedOutput, LogstashOutput
from shipper.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.store.origins import OriginStore


def store_of(config: Config) -> OriginStore:
    """
    Open the store that a config searches: `search`, or else its output.

    Raises:
        ConfigError: the config names no store that can be searched.
        StoreUnavailable: there are no records yet, or the store cannot be read now.
    """
    place = config.search or config.output
    match place:
        case EmbeddedOutput():
            return open_embedded(place.path)
        case ElasticsearchOutput():
            return open_elasticsearch(place, config.namespace)
        case LogstashOutput():
            raise ConfigError(
                "the config does not say where Logstash stores the records",
                "add search.elasticsearch",
            )
        case _:
            raise ConfigError(
                "the output of this config cannot be searched",
                "use output.embedded, or add search.elasticsearch",
            )


def open_embedded(path: Path) -> OriginStore:
    """
    Open the embedded index at `path` for reading; another process may be writing to it.

    Raises:
        StoreUnavailable: there is no index.
    """
    from shipper.store.embedded.reader import EmbeddedStore  # noqa: PLC0415 - only searches need it

    return EmbeddedStore(path)


def open_elasticsearch(output: ElasticsearchOutput, namespace: str = "*") -> OriginStore:
    """
    Open the data streams `logs-orchestrator.*` of a namespace for reading; `*` means all.

    Raises:
        ShipperError: the client is not installed, or a file of the config cannot be used.
    """
    from shipper.net.elastic import Cluster  # noqa: PLC0415 - the client is an extra
    from shipper.store.elasticsearch.search import ElasticsearchStore  # noqa: PLC0415

    return ElasticsearchStore(Cluster(output, raw=True), namespace)
