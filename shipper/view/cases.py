"""How a case of a rule went, for a person who corrects the rule or the case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.text import safe, table
from shipper.view.rules import group_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.alerts.backtest.cases import Case, CaseChange, Expected

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def case_text(rule: str, case: Case, changes: Sequence[CaseChange], *, failed: bool) -> list[str]:
    """Return the line of a case; if it failed, what was expected and what came instead."""
    head = f"{'FAIL' if failed else 'ok  '}  {rule}: {safe(case.name)}"
    return [head, *_difference(case, changes)] if failed else [head]


def _difference(case: Case, changes: Sequence[CaseChange]) -> Iterator[str]:
    wanted = [["expected", *_wanted(each)] for each in case.expect]
    found = [["came", *_found(each)] for each in changes]
    rows = [*(wanted or [["expected", "nothing", "", "", ""]])]
    rows += found or [["came", "nothing", "", "", ""]]
    yield from (f"      {row}" for row in table(rows))


def _wanted(each: Expected) -> list[str]:
    group = group_text(tuple(each.group.items()))
    return [moment(each.at_ms), each.change.value, group, safe(each.summary or "")]


def _found(each: CaseChange) -> list[str]:
    return [moment(each.at_ms), each.change.value, group_text(each.group), safe(each.summary)]


def moment(milliseconds: int) -> str:
    """Write a time as it is written in a case: `90s`, `12m`."""
    unit, length = next(
        (pair for pair in _UNITS if milliseconds % pair[1] == 0 and milliseconds), _UNITS[3]
    )
    return f"{milliseconds // length}{unit}"
