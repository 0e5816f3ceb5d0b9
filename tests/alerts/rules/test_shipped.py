"""Tests of the rules that are shipped: all of the guide's, and the pipeline's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.alerts.backtest.cases import read_cases
from shipper.alerts.incident import Change
from shipper.alerts.rules.job import CONDITIONS, Job
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.rules.rule import Judge, Rule
from shipper.cli import main

ROOT = Path(__file__).parents[3]
RULES = {rule.name: rule for rule in load_rules(ROOT / "config/rules").rules}

# Threshold and severity of the guide, by the rule that keeps them.
GUIDE = {
    "error_rate_high": (0.01, "high"),
    "workflow_failures": (0.05, "medium"),
    "timeouts": (10, "medium"),
    "authentication_failures": (100, "high"),
    "database_disconnected": (0, "critical"),
    "response_time_high": (500, "high"),
    "success_rate_low": (0.95, "high"),
    "success_rate_critical": (0.80, "critical"),
    "queue_depth_high": (100, "high"),
    "queue_not_processing": (None, "critical"),
    "storage_critical": (0, "critical"),
    "system_unhealthy": (0, "critical"),
}


@pytest.mark.parametrize("name", GUIDE)
def test_the_thresholds_of_the_guide_are_shipped(name: str) -> None:
    """Each limit of the monitoring guide is a rule with that limit and that severity."""
    rule = RULES[name]
    limit = rule.above if rule.above is not None else rule.below

    assert (limit, rule.severity) == GUIDE[name]


def test_the_triggers_of_the_guide_are_rules() -> None:
    """config/alerts.json of the guide names triggers, and each is a rule."""
    triggers = {"system_unhealthy", "error_rate_high", "database_disconnected", "storage_critical"}

    assert triggers <= RULES.keys()


def test_the_pipeline_watches_itself() -> None:
    """Silent shipper, backlog, dead letters, audit; and all that the job finds out about itself."""
    assert {"shipper_silent", "shipper_behind", "dead_letters", "audit_open"} <= RULES.keys()
    conditions = {rule.job.condition for rule in RULES.values() if isinstance(rule.job, Job)}
    assert conditions == CONDITIONS.keys()


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_rules_about_the_pipeline_go_by_the_clock(rule: Rule) -> None:
    """A watermark that nobody sends would never let the window be judged that says so."""
    asks_heartbeats = any("heartbeat" in probe.query for probe in rule.probes)

    assert (rule.judge is Judge.CLOCK) == asks_heartbeats


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_rule_says_why_it_is_there_and_what_to_do(rule: Rule) -> None:
    """A comment at its head, and a runbook."""
    text = (ROOT / f"config/rules/{rule.name}.yml").read_text()

    assert re.match(r"# [A-Z].*\.\n", text) or re.match(r"(# .*\n)+", text)
    assert rule.runbook


@pytest.mark.parametrize("rule", [r for r in RULES.values() if r.probes], ids=lambda r: r.name)
def test_every_rule_has_a_firing_and_a_quiet_case(rule: Rule) -> None:
    """A rule that never fires is as wrong as one that always does."""
    cases = read_cases(ROOT / f"config/rules/tests/{rule.name}.yml").cases

    fires = [any(each.change is Change.FIRED for each in case.expect) for case in cases]
    assert set(fires) == {True, False}


@pytest.mark.slow
def test_all_shipped_cases_go_as_they_say() -> None:
    """`shipper alerts test` is good as it is shipped."""
    result = CliRunner().invoke(main, ["alerts", "test", "--rules", str(ROOT / "config/rules")])

    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.output
