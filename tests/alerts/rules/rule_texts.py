"""Rules for tests, as text, and what a kind finds in numbers."""

from __future__ import annotations

from shipper.alerts.rules.kind import RuleFinding
from shipper.alerts.rules.reading import parse_rule
from shipper.alerts.rules.rule import Rule

HEAD = "name: r\nseverity: high\nsummary: something\n"
ACCESS = "event.dataset:orchestrator.access"


def rule_of(text: str) -> Rule:
    """Read a rule of which only what matters is given."""
    return parse_rule(HEAD + text)


def find(text: str, **numbers: float) -> RuleFinding:
    """Say what a rule finds in numbers."""
    rule = rule_of(text)
    assert set(numbers) <= {probe.name for probe in rule.probes}, "a number that nobody asks for"
    return rule.kind.find(rule.limits, numbers)
