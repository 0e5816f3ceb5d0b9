"""Checks processors and redaction: queries, tables and keys that they need."""

from __future__ import annotations

from collections.abc import Iterator

from shipper.agent.treatment import processors_of, redactor_of
from shipper.check.finding import Finding, error, ok
from shipper.check.machine import CheckContext
from shipper.errors import ConfigError


def check_treatment(context: CheckContext) -> Iterator[Finding]:
    """Check whether what the config does to records can be done."""
    config = context.config
    for place, there, build in (
        ("processors", bool(config.processors), processors_of),
        ("redact", config.redact is not None, redactor_of),
    ):
        if there:
            try:
                build(config)
            except ConfigError as failure:
                yield error(place, failure.fault, failure.remedy)
            else:
                yield ok(place, "can be applied")
