"""Opens a store: the one of a config, or one given by its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shipper.config.outputs import ElasticsearchOutput, EmbeddedOutput, LogstashOutput
from shipper.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.store.origins import OriginStore


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """
    How a reader of the embedded store behaves.

    An answer takes `timeout_seconds` at most. With `on_damaged`, damaged files are left out of it,
    and it is called with path and fault of each.
    """

    timeout_seconds: float = 60.0
    on_damaged: Callable[[Path, str], None] | None = None


DEFAULT_LIMITS: Final = ReadLimits()


def store_of(config: Config, limits: ReadLimits = DEFAULT_LIMITS) -> OriginStore:
    """
    Open the store that a config searches: `search`, or else its output.

    Raises:
        ConfigError: the config names no store that can be searched.
        StoreUnavailable: there are no records yet, or the store cannot be read now.
    """
    place = config.search or config.output
    match place:
        case EmbeddedOutput():
            return open_embedded(place.path, limits, place.writer)
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


def open_embedded(
    path: Path, limits: ReadLimits = DEFAULT_LIMITS, writer: str = "main"
) -> OriginStore:
    """
    Open the embedded store at `path` for reading; other processes may be writing to it.

    What was dropped by retention is said of `writer`.

    Raises:
        StoreUnavailable: there is no store.
    """
    from shipper.store.embedded.reader import EmbeddedStore  # noqa: PLC0415 - only searches need it

    return EmbeddedStore(path, limits, writer)


def open_elasticsearch(output: ElasticsearchOutput, namespace: str = "*") -> OriginStore:
    """
    Open the data streams `logs-orchestrator.*` of a namespace for reading; `*` means all.

    Raises:
        ShipperError: the client is not installed, or a file of the config cannot be used.
    """
    from shipper.net.elastic import Cluster  # noqa: PLC0415 - the client is an extra
    from shipper.store.elasticsearch.search import ElasticsearchStore  # noqa: PLC0415

    return ElasticsearchStore(Cluster(output, raw=True), namespace)
