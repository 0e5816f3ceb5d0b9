"""Opens the store that a config's output writes, for reading."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from shipper.config import EmbeddedOutput, load
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
    output = load(invocation.config).output
    if not isinstance(output, EmbeddedOutput):
        raise ConfigError(
            "the output of this config only writes, nothing can be searched; use output.embedded"
        )
    return closing(open_embedded(output.path))
