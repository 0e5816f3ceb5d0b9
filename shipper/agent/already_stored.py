"""
What a destination holds of what is read again, where the output itself can't tell.

The embedded index is asked by its writer. Elasticsearch refuses by its `_id` what it has, but only
within the index that a data stream writes to: what was sent before a rollover would be there twice.
So the store that can be searched is asked, directly or behind Logstash.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from shipper.config.outputs import ElasticsearchOutput
from shipper.enrich.origin import is_run
from shipper.errors import OutputUnavailable, ShipperError
from shipper.store.api import Selection
from shipper.store.opening import store_of
from shipper.store.origins import OriginRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.config.main import Config
    from shipper.deliver.output import Output, StoredPositions
    from shipper.store.origins import OriginStore

log = logging.getLogger("shipper")

WRAPPED = Selection("tags:rejected")
MOST = 1_000_000


def stored_positions_of(config: Config, output: Output[Any]) -> StoredPositions:
    """Return what tells which positions of a stream, first to last, are stored; see `Output`."""
    if isinstance(config.search or config.output, ElasticsearchOutput):
        return _SearchedStore(config).stored_positions
    return output.stored_positions


class _SearchedStore:
    """Asks the store of a config; opened when it is asked first."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store: OriginStore | None = None
        self._complained = False

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        """
        Return the positions that are stored, whole or wrapped.

        Raises:
            OutputUnavailable: it cannot be told now.

        """
        try:
            if self._store is None:
                self._store = store_of(self._config)
            return self._ask(self._store, stream, first, last)
        except ShipperError as error:
            if self._config.search is not None:
                raise OutputUnavailable(str(error)) from error
            if not self._complained:  # a user that may only write is no reason to stand still
                log.warning(
                    "%s; what it has is not known, and is sent again: it is refused by its _id, but"
                    " for what was stored before a rollover; see shipper audit",
                    error,
                )
            self._complained = True
            return ()

    def _ask(self, store: OriginStore, stream: str, first: int, last: int) -> Sequence[int]:
        (found,) = store.positions([OriginRange(stream, first, last, own=is_run(stream))])
        if not store.count(WRAPPED):
            return found
        prefix = f"{stream}-"
        ids = (hit.id for hit in store.search(WRAPPED, limit=MOST).hits)
        return [*found, *(int(each[len(prefix) :]) for each in ids if each.startswith(prefix))]
