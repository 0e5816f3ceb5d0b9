"""Checks of the rules: files that are broken, words from outside, inhibitions that do nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from shipper.check.finding import Finding, FindingLevel
from shipper.check.rules import check_rules
from shipper.config.alerts import AlertOptions, InhibitOptions
from tests.alerts.rules.rule_texts import HEAD
from tests.check.checking import config_in, faults

ROOT = Path(__file__).parents[2]
FREE = HEAD.replace("name: r", "name: lost_database") + "count: message:lost\nabove: 0\n"


def found(folder: Path, *inhibit: InhibitOptions) -> list[Finding]:
    options = dataclasses.replace(AlertOptions(), rules=folder)
    if inhibit:
        options = dataclasses.replace(options, inhibit=inhibit)
    return list(check_rules(options))


def test_the_shipped_rules_are_as_they_should_be() -> None:
    """Nothing is to be said about the rules and inhibitions that are shipped."""
    assert found(ROOT / "config/rules") == []


def test_rules_and_alerters_that_are_not_there(place: Path) -> None:
    """A folder or a file that the config names has to exist: the alert job would not start."""
    gone = AlertOptions(rules=place / "rules", settings=place / "alerts.json")

    rules, alerters = faults(dataclasses.replace(config_in(place), alerts=gone))

    assert rules[:2] == ("alerts.rules", FindingLevel.ERROR)
    assert f"cannot read the rules in {place}/rules" in rules[2]
    assert alerters[:2] == ("alerts.settings", FindingLevel.ERROR)


def test_a_rule_on_words_from_outside_is_warned_of(tmp_path: Path) -> None:
    """It can be fired by a client, and mutes nothing unless that is wanted."""
    (tmp_path / "lost_database.yml").write_text(FREE)
    inhibit = InhibitOptions(source="lost_*", targets=("errors",))

    rule, mute = found(tmp_path, inhibit)

    assert "lost_database searches text that clients can write" in rule.fault
    assert (mute.place, mute.level) == ("alerts.inhibit", FindingLevel.WARNING)
    assert "lost_database mutes nothing" in mute.fault
    (only,) = found(tmp_path, dataclasses.replace(inhibit, from_text=True))
    assert only == rule


def test_rules_of_ones_own_need_not_have_the_names_of_the_default_list(tmp_path: Path) -> None:
    """What nobody wrote into the config, nobody can correct there."""
    (tmp_path / "lost_database.yml").write_text(FREE)

    assert {each.place for each in found(tmp_path)} == {"alerts.rules"}


def test_a_list_of_ones_own_says_what_it_no_longer_mutes() -> None:
    """What the default list muted, and which source is no rule at all."""
    own = InhibitOptions(source="shipper_silent", targets=("x",))

    faults = [each.fault for each in found(ROOT / "config/rules", own)]

    assert any("database_disconnected muted error_*" in fault for fault in faults)
    assert not any("shipper_silent muted" in fault for fault in faults)
    (unknown, *_) = found(ROOT / "config/rules", dataclasses.replace(own, source="nosuch"))
    assert "no rule is named nosuch" in unknown.fault


def test_a_broken_rule_file_is_an_error(tmp_path: Path) -> None:
    """The alert job would not start with it."""
    (tmp_path / "r.yml").write_text("name: r\n")

    levels = [each.level for each in found(tmp_path)]

    assert FindingLevel.ERROR in levels
