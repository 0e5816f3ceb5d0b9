"""Opens the store that a config's output writes, for reading."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shipper.config import Config, EmbeddedOutput, load
from shipper.errors import ConfigError
from shipper.store import open_embedded

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from shipper.commands.invocation import Invocation
    from shipper.store.api import Store


def open_store(invocation: Invocation) -> AbstractContextManager[Store]:
    """
    Open the store for the length of a `with`.

    Raises:
        ConfigError: the config is wrong, or its output keeps nothing.
        StoreUnavailable: there is nothing to read yet, or it cannot be read now.
    """
    return closing(store_of(load(invocation.config)))


def store_of(config: Config) -> Store:
    """Open the store of a config that is loaded already."""
    if not isinstance(config.output, EmbeddedOutput):
        raise ConfigError(
            "the output of this config only writes, nothing can be searched; use output.embedded"
        )
    return open_embedded(config.output.path)
