"""Opens the store of a command."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shipper.config.main import load
from shipper.config.outputs import EmbeddedOutput
from shipper.errors import ConfigError
from shipper.store.opening import DEFAULT_LIMITS, ReadLimits, store_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from shipper.commands.invocation import Invocation
    from shipper.store.origins import OriginStore


def open_store(
    invocation: Invocation, limits: ReadLimits = DEFAULT_LIMITS
) -> AbstractContextManager[OriginStore]:
    """
    Open the store of the config for the length of a `with`.

    Raises:
        ConfigError: the config is wrong, or names no store that can be searched.
        StoreUnavailable: there are no records yet, or the store cannot be read now.
    """
    return closing(store_of(load(invocation.config), limits))


def embedded_path(invocation: Invocation) -> Path:
    """Return the folder of the embedded store; raise ConfigError if the config has none."""
    config = load(invocation.config)
    for place in (config.search, config.output):
        if isinstance(place, EmbeddedOutput):
            return place.path
    raise ConfigError("the config has no embedded store", "use output.embedded")
