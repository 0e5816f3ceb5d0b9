"""
What is done to events between enrichment and delivery: processors, then redaction.

In this order, as a processor may find what has to be redacted (a password in a text that it takes
apart), and as its queries mean what the line says.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipper.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.config.redact import RedactOptions
    from shipper.processors.processors import Processors
    from shipper.redact.redactor import Redactor
    from shipper.splice import AnyEvents

LEAST_KEY = 16  # bytes
NONE_DROPPED: Sequence[str] = ()


class Treatment:
    """The processors and the redaction of a config; raises ConfigError if one cannot work."""

    def __init__(self, config: Config) -> None:
        self._own_folder = os.path.abspath(config.data_dir)
        self._processors = processors_of(config)
        self._redactor = redactor_of(config)

    def apply(self, events: AnyEvents, path: str = "") -> tuple[AnyEvents, Sequence[str]]:
        """
        Return the events as they are stored, and the ids of those that were dropped.

        `path` is that of their file. Processors leave alone what the shipper itself logs into its
        data folder: a sample would make a report of incidents or of health wrong.
        """
        dropped = NONE_DROPPED
        if self._processors is not None and os.path.dirname(path) != self._own_folder:
            events, dropped = self._processors.apply(events)
        return self.redact(events), dropped

    def redact(self, events: AnyEvents) -> AnyEvents:
        """Return the events without secrets."""
        return events if self._redactor is None else self._redactor.redact(events)

    def take_counts(self) -> tuple[int, int]:
        """Return how many secrets were taken out, and records withheld, since the last call."""
        redactor = self._redactor
        if redactor is None:
            return 0, 0
        counts = redactor.found.total(), redactor.withheld
        redactor.found.clear()
        redactor.withheld = 0
        return counts


def processors_of(config: Config) -> Processors | None:
    """Return the processors of a config, None if it has none; raise ConfigError for a bad one."""
    if not config.processors:
        return None
    from shipper.processors.processors import Processors  # noqa: PLC0415 -- with the query language

    return Processors(config.processors)


def redactor_of(config: Config) -> Redactor | None:
    """Return the redactor of a config, None if it has none; raise ConfigError for a bad key."""
    return None if config.redact is None else redactor_with(config.redact)


def redactor_with(options: RedactOptions, *, by_field: bool = False) -> Redactor:
    """Return a redactor; raise ConfigError for a key that cannot be used."""
    from shipper.redact.redactor import Redactor  # noqa: PLC0415 -- RE2 takes memory
    from shipper.redact.rules import RedactRules  # noqa: PLC0415

    return Redactor(
        RedactRules(
            options.detectors,
            options.patterns,
            names=options.names,
            keep=options.keep,
            key=_key_of(options),
        ),
        by_field=by_field,
    )


def _key_of(options: RedactOptions) -> bytes:
    if options.key_file is None:
        return b""
    key = _read(options.key_file).strip()
    if len(key) < LEAST_KEY:
        fault = f"redact.key_file: {options.key_file} has {len(key)} bytes"
        raise ConfigError(fault, f"write {LEAST_KEY} random bytes or more into it")
    return key[:64]  # of BLAKE2b, at most


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fault = f"redact.key_file: cannot read {path}: {error.strerror}"
        raise ConfigError(fault, "correct the path or the permissions") from error
