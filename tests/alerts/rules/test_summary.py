"""Tests of the sentence of a rule: a template that nothing from a log line can become."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.alerts.rules.summary import TEMPLATE, Summary, fill
from shipper.alerts.verdict import Verdict, VerdictState, Window


def verdict(**fields: Any) -> Verdict:
    usual: dict[str, Any] = {
        "rule": "r",
        "group": (("service.name", "orders"),),
        "window": Window(1_770_292_500_000, 1_770_292_800_000),
        "state": VerdictState.BREACH,
        "reason": "so it is",
        "value": 0.0234,
        "threshold": 0.01,
        "events": 1200,
    }
    return Verdict(**{**usual, **fields})


def filled(text: str, **fields: Any) -> str:
    return fill(TEMPLATE.parse(text), verdict(**fields))


def test_it_is_filled_with_what_was_found() -> None:
    """Numbers get the form that a person reads."""
    text = (
        "{{ value | percent }} of {{ events | number }} in {{ group['service.name'] }}, {{ until }}"
    )

    assert filled(text) == "2.34 % of 1,200 in orders, 2026-02-05 12:00 UTC"
    assert filled("{{ value | ms }}", value=512.4) == "512 ms"
    assert filled("{{ value | ms }}", value=12_340.0) == "12.3 s"


def test_a_value_that_is_not_there_is_said_to_be_none() -> None:
    """A summary is made even where there was nothing to measure."""
    assert filled("{{ value | percent }} {{ low | number }}", value=None) == "none none"


def test_a_template_that_fails_gives_the_reason() -> None:
    """People are told all the same."""
    assert filled("{{ value * 2 }}", value=None) == "so it is"
    assert filled("{{ group.x.y }}") == "so it is"


@pytest.mark.parametrize("hostile", ["{{ 7 * 7 }}", "{% raw %}", "{{ reason }}"])
def test_text_from_a_log_line_is_never_a_template(hostile: str) -> None:
    """What stands in a group or a reason is shown as it stands."""
    assert filled("in {{ group['x'] }}", group=(("x", hostile),)) == f"in {hostile}"
    assert filled("{{ reason }}", reason=hostile) == hostile


def test_a_sentence_is_one_line_of_bounded_length() -> None:
    """Line breaks of a value break no line, and no value makes a sentence endless."""
    assert filled("{{ reason }}", reason="a\r\nb\t c") == "a b c"
    assert len(filled("{{ reason }}", reason="x" * 10_000)) == 500


@pytest.mark.parametrize(
    "template",
    [
        "{{ reason.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ group.update({'a': 1}) }}",
        "{{ '%s' | attr('__class__') }}",
    ],
)
def test_the_sandbox_lets_a_template_reach_nothing_else(template: str) -> None:
    """A rule file can be copied from anywhere without fear."""
    assert "class" not in filled(template)
    assert filled(template) in ("so it is", "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{{ value", "is not a template"),
        ("{{ valeu }}", "knows no valeu; use one of: value, low"),
        ("{{ value | percnet }}", "is not a template: No filter named 'percnet'"),
        ("{% for i in range(9) %}{% endfor %}", "knows no range"),
    ],
)
def test_a_wrong_template_is_a_fault_of_the_rule(text: str, fault: str) -> None:
    """It is found when the file is read, not when it is needed."""
    with pytest.raises(ValueError, match=fault):
        TEMPLATE.parse(text)


def test_a_summary_compares_by_its_text() -> None:
    """Two rules with the same sentence are equal."""
    assert TEMPLATE.parse("{{ value }}") == Summary("{{ value }}")
