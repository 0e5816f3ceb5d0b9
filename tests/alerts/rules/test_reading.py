"""Tests of reading rule files: what is at fault is told all at once, with place and remedy."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.alerts.rules.reading import load_rules, parse_rule, read_rules
from shipper.cli import main
from shipper.config.options import InvalidOptionsError
from shipper.errors import ConfigError

ROOT = Path(__file__).parents[3]
DESIGN = """\
name: server_errors
severity: high
summary: Server errors are {{ value | percent }} of requests
over: 5m
every: 1m
ratio:
  of: event.dataset:orchestrator.access AND status_code:[500 TO 599]
  to: event.dataset:orchestrator.access
above: 1%
at_least: 50          # requests before it may judge
group_by: [service.name]
runbook: high-error-rate
"""

SPEED = """\
burn_rate:
  of: a
  to: b
  objective: 99%
  speeds: [{budget: 2%, within: 5m, and_within: 1h}]
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(InvalidOptionsError) as raised:
        parse_rule(text)
    return [str(fault) for fault in raised.value.faults]


def test_the_example_of_the_docs_is_a_rule() -> None:
    """Times are milliseconds, a share is a number from 0 to 1."""
    rule = parse_rule(DESIGN)

    assert (rule.over_ms, rule.every_ms, rule.above) == (300_000, 60_000, 0.01)
    assert (rule.limits.at_least, rule.group_by) == (50, ("service.name",))
    assert rule.slot_ms == 60_000


def test_all_faults_are_told_at_once() -> None:
    """Every fault has its place, its line and what to do."""
    told = faults_of(
        DESIGN.replace("server_errors", "Server errors")
        .replace("severity: high", "severity: bad")
        .replace("over: 5m", "over: 5")
        .replace("[500 TO 599]", "abc")
        .replace("[service.name]", "[message]")
        .replace("above: 1%", "above: lots\ncolour: red")
    )

    places = [fault.split(" ")[0].rstrip(":") for fault in told]
    assert places == [
        "name",
        "severity",
        "over",
        "ratio.of",
        "above",
        "colour",
        "group_by[0]",
    ]
    assert all("(line " in fault and ("use " in fault or "; " in fault) for fault in told)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("above: 5", "count (line 1): has no query; use exactly one of: count, ratio,"),
        ("count: a\nspike: {of: b}\nabove: 5", "spike (line 5): has count, spike; use exactly one"),
        ("count: a", "above (line 1): is missing; use above or below"),
        ("count: a\nabove: 5\nbelow: 3", "below (line 6): cannot be combined with above"),
        ("ratio: {of: a, to: b}\nabove: 5", "above (line 5): is not a share; use 0% to 100%"),
        ("absence: {of: a}\nabove: 5", "above (line 5): has no effect here"),
        ("spike: {of: a}\nbelow: 5", "below (line 5): has no effect here; use above"),
        ("metric: {of: level, take: max}\nabove: 5", "level holds no numbers"),
        ("metric: {of: duration_ms, take: p42}\nabove: 5", "use average or max"),
        ("new_value: {field: request_id}", "cannot be counted"),
        ("new_value: {field: level}\ngroup_by: [level]", "names a field twice"),
        ("count: host.cpus:4\nabove: 1", "host.cpus is not indexed in Elasticsearch"),
        ("count: a\nabove: 5\nover: 1500ms\nevery: 1s", "use multiples of 1s"),
        ("job: sleepy", "use store_unreachable or blind"),
        ("spike: {of: a, against: 0s}\nabove: 2", "use before, or up to 90d"),
        (SPEED, "is not shorter than within"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_a_fault(text: str, fault: str) -> None:
    """A rule that can't mean anything, or that a store can't answer, is refused."""
    told = faults_of(f"name: r\nseverity: low\nsummary: s\n{text}\n")

    assert fault in "\n".join(told)


def test_a_fault_in_a_query_points_at_the_place() -> None:
    """The query is shown below its fault with a mark where it goes wrong."""
    (told,) = faults_of(
        "name: r\nseverity: low\nsummary: s\ncount: level:ERROR AND (a OR\nabove: 1"
    )

    assert told.startswith("count (line 4): a term is missing here")
    assert told.endswith("        level:ERROR AND (a OR\n                             ^")


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """Files that can be used are, those that can't are listed, and a start refuses them all."""
    (tmp_path / "server_errors.yml").write_text(DESIGN)
    (tmp_path / "other_name.yml").write_text(DESIGN)
    (tmp_path / "broken.yml").write_text("name: [")
    (tmp_path / "latin.yml").write_bytes(b"name: \xe4")
    (tmp_path / "notes.txt").write_text("no rule")

    read = read_rules(tmp_path)

    assert [rule.name for rule in read.rules] == ["server_errors"]
    assert [broken.path.name for broken in read.broken] == [
        "broken.yml",
        "latin.yml",
        "other_name.yml",
    ]
    with pytest.raises(ConfigError) as raised:
        load_rules(tmp_path)
    told = str(raised.value)
    assert all(str(broken) in told for broken in read.broken)
    assert "is server_errors, but the file is other_name.yml; give both the same name" in told


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No rules at all is never a quiet start."""
    with pytest.raises(ConfigError, match="cannot read the rules in"):
        load_rules(tmp_path / "nowhere")


def test_rules_are_chosen_by_name(tmp_path: Path) -> None:
    """An unknown name is an error that lists those that there are."""
    (tmp_path / "server_errors.yml").write_text(DESIGN)
    rules = load_rules(tmp_path)

    assert [rule.name for rule in rules.named(["server_errors"])] == ["server_errors"]
    assert [rule.name for rule in rules.named([])] == ["server_errors"]
    with pytest.raises(ConfigError, match="there is no rule nope; use one of: server_errors"):
        rules.named(["nope"])


@pytest.mark.parametrize(
    ("kind", "limit", "fault"),
    [
        ("count: level:ERROR", "above: 10%", "above: is a share; use a number of records"),
        ("count: level:ERROR", "above: 100%", "above: is a share; use a number of records"),
        ("count: level:ERROR", "below: 5s", "below: is a time; use a number of records"),
        ("ratio: {of: 'level:ERROR', to: '*'}", "above: 1ms", "above: is a time; use a share"),
        ("spike: {of: 'level:ERROR'}", "above: 300%", "above: is a share; use a factor"),
    ],
)
def test_a_threshold_in_another_unit_is_told(kind: str, limit: str, fault: str) -> None:
    """10 % of a count is not a tenth of a record."""
    with pytest.raises(InvalidOptionsError) as failed:
        parse_rule(f"name: r\nseverity: low\nsummary: x\n{kind}\n{limit}\n")

    told = [f"{each.where}: {each.fault}; {each.remedy}" for each in failed.value.faults]
    assert any(fault.partition(": ")[2] in each for each in told)


def test_the_examples_of_the_docs_are_right(tmp_path: Path) -> None:
    """What docs/alerts.md shows can be copied: the rule, and the cases of one that is shipped."""
    rule, cases = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/alerts.md").read_text(), re.DOTALL)
    (tmp_path / "error_rate_high.yml").write_text(cases)

    assert parse_rule(rule).name == "server_errors"
    result = CliRunner().invoke(
        main, ["alerts", "test", "--rules", str(ROOT / "config/rules"), str(tmp_path)]
    )
    assert result.output.endswith("2 of 2 cases passed\n")


def test_a_rule_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO or an endless device among the rules is a broken rule, at once."""
    os.mkfifo(tmp_path / "fifo.yml")
    (tmp_path / "zero.yml").symlink_to("/dev/zero")

    broken = read_rules(tmp_path).broken

    assert [each.path.name for each in broken] == ["fifo.yml", "zero.yml"]
    assert all("no regular file" in str(each) for each in broken)
