"""What is done to events between enrichment and delivery: secrets are taken out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.config.redact import RedactOptions
    from shipper.redact.redactor import Redactor

LEAST_KEY = 16  # bytes


def redactor_of(config: Config) -> Redactor | None:
    """Return the redactor of a config, None if it has none; raise ConfigError for a bad key."""
    return None if config.redact is None else redactor_with(config.redact)


def redactor_with(options: RedactOptions) -> Redactor:
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
        )
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
