"""Opens the store that the records of a config can be searched in."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shipper.config import Config, ElasticsearchOutput, EmbeddedOutput, LogstashOutput, load
from shipper.errors import ConfigError
from shipper.store import open_elasticsearch, open_embedded

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from shipper.commands.invocation import Invocation
    from shipper.store.origins import OriginStore


def open_store(invocation: Invocation) -> AbstractContextManager[OriginStore]:
    """
    Open the store for the length of a `with`.

    Raises:
        ConfigError: the config is wrong, or does not say where records can be searched.
        StoreUnavailable: there is nothing to read yet, or it cannot be read now.
    """
    return closing(store_of(load(invocation.config)))


def store_of(config: Config) -> OriginStore:
    """Open the store that a config names; see `open_store`."""
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
