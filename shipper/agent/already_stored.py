"""
Which of the lines that are read again are already stored, where the output itself cannot say.

The embedded store is asked through its writer. Elasticsearch refuses a second event with the same
`_id`, but only within the index that a data stream writes to now: an event sent before a rollover
would be stored twice. So Elasticsearch is searched, also where Logstash writes to it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.same_origin import RecordContent
from shipper.enrich.origin import is_run
from shipper.errors import ConfigError, OutputUnavailable, ShipperError
from shipper.store.api import Selection
from shipper.store.opening import ReadLimits, store_of
from shipper.store.origins import OriginRange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipper.config.main import Config
    from shipper.deliver.output import Output, StoredPositions
    from shipper.deliver.same_origin import StoredContents
    from shipper.store.origins import OriginStore

log = logging.getLogger("shipper")

WRAPPED = Selection("tags:rejected")
MOST = 1_000_000
MOST_NUMBERS = 1000  # that are asked for at once
REST_SECONDS = 60.0  # after a question that failed
SPARSE = 4  # numbers within a range, for each that is asked for
LIMITS = ReadLimits(10.0, lambda _path, _fault: None)  # the rest of a damaged store is asked


def stored_positions_of(config: Config, output: Output[Any]) -> StoredPositions:
    """Return the function that finds stored positions: that of the store, or of the output."""
    if isinstance(config.search or config.output, ElasticsearchOutput):
        return _SearchedStore(config).stored_positions
    return output.stored_positions


def stored_contents_of(config: Config) -> StoredContents:
    """Return the function that finds what the store has of records; nothing where it has none."""
    return _StoredRecords(config).contents


class _StoredRecords:
    """
    Asks the store of a config what records say; it is opened when that is first needed.

    Reading waits for the answer: so a question is short, and none is asked for a minute after one
    that failed, as of a server that is down or of a user that may only write.
    """

    def __init__(self, config: Config, ticks: Callable[[], float] = time.monotonic) -> None:
        self._config = _in_short(config)
        self._ticks = ticks
        self._store: OriginStore | None = None
        self._has_warned = False
        self._next_try = -math.inf

    def contents(self, run: str, numbers: Sequence[int]) -> Mapping[int, RecordContent]:
        """Return what is stored of these records of a run; nothing if the store cannot say."""
        if self._ticks() < self._next_try:
            return {}
        try:
            if self._store is None:
                self._store = store_of(self._config, LIMITS)
            found: dict[int, RecordContent] = {}
            for start in range(0, len(numbers), MOST_NUMBERS):
                found |= self._ask(self._store, run, numbers[start : start + MOST_NUMBERS])
        except ConfigError:
            self._next_try = math.inf  # an output that cannot be asked
            return {}
        except ShipperError as error:
            self._next_try = self._ticks() + REST_SECONDS
            if not self._has_warned:
                log.warning(
                    "%s; cannot compare records that have one run and seq: they count as copies",
                    error,
                )
            self._has_warned = True
            return {}
        return found

    def _ask(
        self, store: OriginStore, run: str, numbers: Sequence[int]
    ) -> dict[int, RecordContent]:
        first, last, count = numbers[0], numbers[-1], len(numbers)
        if last - first < SPARSE * count:
            text = f"run:{run} AND seq>={first} AND seq<={last}"
        else:
            text = f"run:{run} AND seq:({' OR '.join(map(str, numbers))})"
        hits = store.search(Selection(text), limit=SPARSE * count).hits
        return {hit.source["seq"]: msgspec.convert(hit.source, RecordContent) for hit in hits}


def _in_short(config: Config) -> Config:
    """Return a config whose Elasticsearch is not waited for longer than a moment."""
    place = config.search or config.output
    if not isinstance(place, ElasticsearchOutput):
        return config
    seconds = min(place.request_seconds, LIMITS.timeout_seconds)
    return replace(config, search=replace(place, request_seconds=seconds))


class _SearchedStore:
    """Asks the store of a config, which is opened at the first call."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store: OriginStore | None = None
        self._has_warned = False

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        """
        Return the positions that are stored, whole or wrapped.

        Raises:
            OutputUnavailable: the store cannot be asked now.

        """
        try:
            if self._store is None:
                self._store = store_of(self._config)
            return self._ask(self._store, stream, first, last)
        except ShipperError as error:
            if self._config.search is not None:
                raise OutputUnavailable(error.fault, error.remedy) from error
            if not self._has_warned:  # a user that may only write must not stop delivery
                log.warning(
                    "%s; cannot look up what is stored, so all lines that are read again are sent:"
                    " records from before a rollover may be stored twice; see shipper audit",
                    error,
                )
            self._has_warned = True
            return ()

    def _ask(self, store: OriginStore, stream: str, first: int, last: int) -> Sequence[int]:
        (found,) = store.positions([OriginRange(stream, first, last, own=is_run(stream))])
        if not store.count(WRAPPED):
            return found
        prefix = f"{stream}-"
        ids = (hit.id for hit in store.search(WRAPPED, limit=MOST).hits)
        return [*found, *(int(each[len(prefix) :]) for each in ids if each.startswith(prefix))]
