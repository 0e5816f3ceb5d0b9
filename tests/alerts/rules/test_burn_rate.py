"""Tests of the kind `burn_rate`."""

from __future__ import annotations

import pytest

from shipper.alerts.verdict import VerdictState
from tests.alerts.rules.rule_texts import ACCESS, find, rule_of

HOUR = 3_600_000
KNOWN = {"older3600000", "older21600000", "older259200000"}
SLO = f"burn_rate: {{of: 'status_code:>=500', to: '{ACCESS}', objective: 99%}}\n"


def numbers(**hours: tuple[int, int]) -> dict[str, float]:
    """Return the numbers of windows, named by their minutes: m60=(of, to)."""
    named = {
        f"{n}{int(k[1:]) * 60_000}": v
        for k, p in hours.items()
        for n, v in zip(("of", "to"), p, strict=True)
    }
    older = {f"older{int(k[1:]) * 60_000}": 1.0 for k in hours}
    return {**named, **{k: v for k, v in older.items() if k in KNOWN}}


def test_the_usual_speeds_are_those_of_the_workbook() -> None:
    """2 % in an hour and 5 minutes, 5 % in 6 h and 30 min, 10 % in 3 days and 6 h."""
    spans = {p.span_ms for p in rule_of(SLO).probes if not p.name.startswith("older")}

    assert spans == {HOUR // 12, HOUR // 2, HOUR, 6 * HOUR, 72 * HOUR}


def test_both_windows_have_to_burn() -> None:
    """A burst that has ended is over at once; one that has just begun has to matter first."""
    burning = numbers(m60=(300, 1000), m5=(30, 100))
    ended = numbers(m60=(300, 1000), m5=(0, 100))
    begun = numbers(m60=(50, 1000), m5=(50, 100))

    assert find(SLO, **burning).state is VerdictState.BREACH
    assert find(SLO, **ended).state is VerdictState.OK
    assert find(SLO, **begun).state is VerdictState.OK


def test_a_slow_burn_is_found_by_the_long_windows() -> None:
    """Twice the budget for three days is a breach, though no hour stands out."""
    slow = numbers(
        m60=(20, 1000), m5=(2, 100), m30=(10, 500), m360=(120, 6000), m4320=(1440, 72000)
    )

    found = find(SLO, **slow)

    assert found.state is VerdictState.BREACH
    assert found.threshold == 1.0
    assert found.span_ms == 72 * 3_600_000  # the page shows the records of that time
    assert found.value == pytest.approx(2)


def test_a_young_service_is_not_judged_by_long_windows() -> None:
    """A bad minute in its first hour is not one of three days."""
    young = {**numbers(m60=(0, 100), m5=(0, 10), m30=(0, 40), m360=(20, 400), m4320=(20, 400))}

    assert find(SLO, **young).state is VerdictState.BREACH
    del young["older21600000"], young["older259200000"]
    assert find(SLO, **young).state is VerdictState.OK


def test_a_quiet_service_is_not_judged_by_a_handful() -> None:
    """Two failures of four requests burn nothing that could be known."""
    assert find(SLO, **numbers(m60=(2, 4), m5=(1, 1))).state is VerdictState.OK
