"""Finds matchers of a silence that no incident can ever match: a wrong name mutes nothing."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from shipper.alerts.incident import Phase
from shipper.alerts.judge.self_checks import conditions_of
from shipper.alerts.rules.reading import read_rules
from shipper.alerts.severity import Severity
from shipper.config.matchers import Comparison
from shipper.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shipper.alerts.ledger.ledger import Ledger
    from shipper.config.main import Config
    from shipper.config.matchers import Matcher

_JOB_FIELDS: Final = frozenset({"host.name", "cause", "alerter", "file", "rule"})


def refuse_unknown(matchers: Sequence[Matcher], config: Config, ledger: Ledger) -> None:
    """
    Hold the names in matchers against the rules and the incidents.

    Raises:
        ConfigError: one of them can match no incident.
    """
    try:
        rules = read_rules(config.alerts.rules).rules
    except ConfigError:  # the job may have others; the ledger knows which
        rules = ()
    incidents = ledger.incidents(list(Phase))
    names = {each.name for each in rules} | ledger.progress.judged().keys()
    names |= {each.rule.name for each in conditions_of(rules, 0).values()}
    names |= {each.rule for each in incidents}
    fields = {field for each in rules for field in each.all_group_by} | _JOB_FIELDS
    fields |= {field for each in incidents for field, _ in each.group}
    known: dict[str, Collection[str]] = {
        "rule": names,
        "severity": [each.value for each in Severity],
        "id": [each.id for each in incidents],
    }
    for matcher in matchers:
        _refuse(matcher, known, fields)


def _refuse(matcher: Matcher, known: dict[str, Collection[str]], fields: Collection[str]) -> None:
    if matcher.name not in known:
        field = "host.name" if matcher.name == "host" else matcher.name
        if field not in fields:
            near = _near(field, ["rule", "severity", "id", "host", *fields])
            raise ConfigError(f"{matcher}: no rule groups by {field}", f"use {near}")
        return
    is_positive = matcher.comparison in {Comparison.IS, Comparison.MATCHES}
    if is_positive and not any(map(matcher.holds, known[matcher.name])):
        near = _near(matcher.wanted, known[matcher.name])
        raise ConfigError(f"{matcher}: there is no such {matcher.name}", f"use {near}")


def _near(wanted: str, known: Collection[str]) -> str:
    """Return what was meant, perhaps, or all that there is."""
    found = get_close_matches(wanted, sorted(known), n=3, cutoff=0.6) or sorted(known)
    return f"one of: {', '.join(found)}" if found else "shipper alerts list to see what there is"
