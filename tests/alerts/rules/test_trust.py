"""Rules that go by words which anybody can write are known as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.alerts.rules.reading import load_rules
from shipper.alerts.rules.rule import Rule
from shipper.alerts.rules.trust import is_on_free_text
from tests.alerts.rules.rule_texts import rule_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("query", "is_free"),
    [
        ('message:"Database connection failed"', True),
        ("failed", True),
        ("message:fail*", True),
        ("path:*admin*", True),
        ("level:ERROR AND message:failed", True),
        ("status_code:500 AND message:failed", True),
        ("logger:shop.database AND message:failed", False),
        ("logger:shop.* AND (message:failed OR message:lost)", False),
        ("message:failed OR (logger:shop.database AND level:ERROR)", True),
        ("(logger:shop.database OR logger:shop.orm) AND message:failed", False),
        ("(logger:shop.database OR level:ERROR) AND message:failed", True),
        ("message:failed AND NOT event.dataset:orchestrator.access", False),
        ("event.category:database AND message:failed", False),
        ("error_type:TimeoutError", False),
        ("status_code:[500 TO 599]", False),
        ("level:ERROR", False),
        ("*", False),
    ],
)
def test_words_that_anybody_can_write(query: str, is_free: bool) -> None:  # noqa: FBT001
    """A record counts for its words alone unless its logger, dataset or exception has to fit."""
    assert is_on_free_text(rule_of(f"count: '{query}'\nabove: 0\n")) is is_free


@pytest.mark.parametrize("rule", load_rules(ROOT / "config/rules").rules, ids=lambda r: r.name)
def test_no_shipped_rule_goes_by_free_text(rule: Rule) -> None:
    """Nobody pages the people on call by asking for an address."""
    assert not is_on_free_text(rule)
