"""Checks the rules of the alert job, and what is set about them in the section `alerts`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from shipper.alerts.rules.reading import read_rules
from shipper.alerts.rules.trust import is_on_free_text
from shipper.check.finding import Finding, error, warning
from shipper.config.alerts import default_inhibitions
from shipper.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.alerts.rules.rule import Rule
    from shipper.config.alerts import AlertOptions

PLACE = "alerts.rules"


def check_rules(options: AlertOptions) -> Iterator[Finding]:
    """Check every rule file, and that the inhibitions do what they seem to."""
    try:
        found = read_rules(options.rules)
    except ConfigError as failed:
        yield error(PLACE, failed.fault, failed.remedy)
        return
    for broken in found.broken:
        yield error(PLACE, "; ".join([str(broken.path), *broken.faults]), "correct the file")
    free = {rule.name for rule in found.rules if is_on_free_text(rule)}
    for name in sorted(free):
        yield warning(
            PLACE,
            f"{name} searches text that clients can write, such as the path of a request",
            "add logger, event.dataset or error_type to its query",
        )
    yield from _check_inhibitions(options, found.rules, free)


def _check_inhibitions(
    options: AlertOptions, rules: tuple[Rule, ...], free: set[str]
) -> Iterator[Finding]:
    place = "alerts.inhibit"
    for each in options.inhibit:
        sources = {rule.name for rule in rules if fnmatchcase(rule.name, each.source)}
        if not sources and each not in default_inhibitions():
            yield warning(
                place, f"no rule is named {each.source}", "correct source, or remove the entry"
            )
        for name in sorted(sources & free) if not each.from_text else ():
            yield warning(
                place,
                f"{name} mutes nothing: it searches text that clients can write",
                "bind its query to a logger or dataset, or set from_text: true",
            )
    kept = {each.source for each in options.inhibit}
    for lost in default_inhibitions():
        is_there = any(fnmatchcase(rule.name, lost.source) for rule in rules)
        if options.inhibit and is_there and lost.source not in kept:
            yield warning(
                place,
                f"the list replaces the default one, in which {lost.source} muted "
                f"{', '.join(lost.targets)}",
                "add that entry, or ignore this if people should be notified of both",
            )
