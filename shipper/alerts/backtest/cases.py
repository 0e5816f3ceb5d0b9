"""
Cases of a rule: records over time, and the notifications they cause.

A case is judged as a back-test judges, from a real index, so it shows what the live job would do.
The times of a case count from its beginning, which is a Monday, 0:00 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shipper.alerts.backtest.backtest import backtest
from shipper.alerts.backtest.history import HistorySpan, read_history
from shipper.alerts.incident import Change, Transition
from shipper.alerts.judge.measure import Asks
from shipper.alerts.rules.rule import Rule
from shipper.alerts.rules.summary import fill
from shipper.alerts.rules.values import SPAN
from shipper.alerts.verdict import Group
from shipper.config.options import (
    COUNT,
    TEXT,
    Faults,
    ListOf,
    MapOf,
    Scalar,
    Section,
    load_options,
    one_word_of,
    option,
    optional,
)
from shipper.fields import FieldKind
from shipper.store import untyped
from shipper.store.query.values import find_field

BEGINNING: Final = 1_769_990_400_000  # 2026-02-02T00:00:00Z
MOST_RECORDS: Final = 1_000_000
NOTIFIED: Final = (Change.FIRED, Change.RESOLVED)
_CHANGES: Final = (*NOTIFIED, Change.OPENED, Change.DROPPED)
_USUAL: Final = {"service.name": "automation-orchestrator", "host.name": "server-1"}

Fields = Mapping[str, str]

_FIELDS = MapOf(TEXT, TEXT)


@dataclass(frozen=True, slots=True)
class Records:
    """Records with the same fields, at regular intervals."""

    fields: Fields = option(
        _FIELDS,
        "Fields of these records, in addition to the `fields` of the file.",
        default="none",
        factory=dict,
    )
    from_ms: int = option(
        SPAN,
        "Time of the first record, counted from the start of the case.",
        default="0s",
        key="from",
    )
    until_ms: int | None = optional(
        SPAN, "The last record is before this time. Without it, there is one record.", key="until"
    )
    every_ms: int = option(
        SPAN.between("1ms", "30d"), "Interval between records.", default="1m", key="every"
    )
    count: int = option(
        COUNT.between("1", "100000"), "Number of records at each time.", default="1"
    )

    def times(self) -> range:
        """Return the times at which there are records."""
        until = self.from_ms + 1 if self.until_ms is None else self.until_ms
        return range(self.from_ms, until, self.every_ms)

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if not self.times():
            yield "until", "is not after from, so there are no records", "use a later time"
        if len(self.times()) * self.count > MOST_RECORDS:
            yield "every", f"makes more than {MOST_RECORDS:,} records", "use a longer time"


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected change of an incident."""

    at_ms: int = option(SPAN, "End of the window in which it happens.", key="at")
    change: Change = option(
        Scalar(
            one_word_of(*_CHANGES).shown,
            lambda text: Change(one_word_of(*_CHANGES).parse(text)),
            tuple(_CHANGES),
        ),
        "The change.",
    )
    group: Fields = option(
        _FIELDS,
        "Group of the incident; a field that is left out may have any value.",
        default="none",
        factory=dict,
    )
    summary: str | None = optional(TEXT, "Summary of the page; without it, any.")


@dataclass(frozen=True, slots=True)
class Case:
    """Records, and the changes of incidents that they cause."""

    name: str = option(TEXT, "Name of the case, shown by `shipper alerts test`.")
    until_ms: int = option(
        SPAN.between("1s", "90d"),
        "End of the last window, counted from the start of the case.",
        key="until",
    )
    records: tuple[Records, ...] = option(ListOf(Section(Records)), "Stored records.", default="[]")
    expect: tuple[Expected, ...] = option(
        ListOf(Section(Expected)),
        "All changes `fired` and `resolved`, in order. `opened` and `dropped` are compared only "
        "if one of them is listed.",
        default="[]",
    )


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of one rule."""

    cases: tuple[Case, ...] = option(ListOf(Section(Case), least=1), "The cases.")
    rule: str = option(TEXT, "Name of the rule.", default="the name of the file", factory=str)
    fields: Fields = option(_FIELDS, "Fields of all records.", default="none", factory=dict)


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A change of an incident; `at_ms` counts from the start of the case."""

    at_ms: int
    change: Change
    group: Group
    summary: str

    def meets(self, wanted: Expected) -> bool:
        """Return whether this is what was expected."""
        return (
            (self.at_ms, self.change) == (wanted.at_ms, wanted.change)
            and wanted.group.items() <= dict(self.group).items()
            and wanted.summary in (None, self.summary)
        )


def read_cases(path: Path) -> CaseFile:
    """
    Read a file of cases.

    Raises:
        ConfigError: with all its faults.
    """
    read: CaseFile = load_options(path, CaseFile, "correct the path")
    return read


def documents(file: CaseFile, case: Case) -> list[tuple[int, dict[str, Any]]]:
    """Return the records of a case as (epoch ms, fields), in the order of their times."""
    found = []
    for records in case.records:
        document = nested({**_USUAL, **file.fields, **records.fields})
        for at in records.times():
            found += [(BEGINNING + at, document)] * records.count
    return sorted(found, key=lambda record: record[0])


def nested(fields: Fields) -> dict[str, Any]:
    """Put fields where the store has them: `queue_depth` is `extra.queue_depth`."""
    document: dict[str, Any] = {}
    for name, text in fields.items():
        path, kind = find_field(name)
        *above, last = path.split(".")
        place = document
        for step in above:
            place = place.setdefault(step, {})
        is_typed = kind in (FieldKind.INTEGER, FieldKind.FLOAT, FieldKind.OBJECT)
        place[last] = untyped.read(text) if is_typed else text
    return document


def judge_case(rule: Rule, case: Case, store: Asks) -> list[CaseChange]:
    """Return what people would be notified of, from a store that holds the records of the case."""
    span = HistorySpan(BEGINNING + 1, BEGINNING + case.until_ms)
    outcome = backtest(rule, read_history(store, [rule], span))
    changes = {*NOTIFIED, *(wanted.change for wanted in case.expect)}
    return [_case_change(rule, each) for each in outcome.transitions if each.change in changes]


def differs(case: Case, changes: Sequence[CaseChange]) -> bool:
    """Return whether something else came than was expected."""
    if len(changes) != len(case.expect):
        return True
    pairs = zip(changes, case.expect, strict=True)
    return not all(each.meets(wanted) for each, wanted in pairs)


def _case_change(rule: Rule, transition: Transition) -> CaseChange:
    incident = transition.incident
    return CaseChange(
        transition.at - BEGINNING,
        transition.change,
        incident.group,
        fill(rule.summary, incident.verdict),
    )
