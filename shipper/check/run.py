"""Runs all checks: first along the config, then at the machine and the alerters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from shipper.check.finding import Finding
from shipper.check.folders import check_data_folder, check_index
from shipper.check.formats import check_formats
from shipper.check.health import check_health
from shipper.check.holds import check_holds
from shipper.check.inputs import check_inputs, check_links, check_overlaps
from shipper.check.intake import check_intake
from shipper.check.limits import check_clock, check_limits
from shipper.check.logstash import check_logstash
from shipper.check.machine import CheckContext, Machine, check_writable, context_of
from shipper.check.treatment import check_treatment
from shipper.config.alerts import AlertOptions
from shipper.config.main import Config
from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
)


def check(config: Config, machine: Machine) -> list[Finding]:
    """Return the findings of all checks; nothing is created or changed."""
    context = context_of(config, machine)
    return [finding for each in CHECKS for finding in each(context)]


def check_output(context: CheckContext) -> Iterator[Finding]:
    """Check whether the output can accept records."""
    output, now = context.config.output, context.machine.clock()
    match output:
        case EmbeddedOutput():
            yield from check_index(context.config, output)
        case LogstashOutput():
            yield from check_logstash(output, now)
        case ElasticsearchOutput():
            # The client of Elasticsearch is an extra, and slow to import.
            elasticsearch = import_module("shipper.check.elasticsearch")
            yield from elasticsearch.check_elasticsearch(output, now)
        case ConsoleOutput() if output.path != "-":
            yield from check_writable("output.console.path", Path(output.path).parent)


def check_alerting(context: CheckContext) -> Iterator[Finding]:
    """Check whether the alert job could notify people, if alerters are configured."""
    options = context.config.alerts
    rules = import_module("shipper.check.rules")  # slow to import
    yield from rules.check_rules(options)
    settings = options.settings
    reports = context.config.reports
    if settings.exists() or settings != AlertOptions().settings or reports.schedule:
        alerters = import_module("shipper.check.alerters")  # slow to import
        yield from alerters.check_alerters(settings, context.machine.clock(), reports)


CHECKS: tuple[Callable[[CheckContext], Iterator[Finding]], ...] = (
    check_inputs,
    check_links,
    check_overlaps,
    check_formats,
    check_intake,
    check_treatment,
    check_data_folder,
    check_holds,
    check_output,
    check_limits,
    check_clock,
    check_alerting,
    check_health,
)
