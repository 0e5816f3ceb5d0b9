"""
Asks a store for the numbers of windows: all rules that are due in one request.

Each probe is a question about exactly its span; what two rules ask alike is asked once. A window
may be asked of some hosts only (`Hosts`): of those that have delivered all of it, while another is
late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shipper.alerts.rules.kind import Numbers, Probe, Take, narrowed
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group, Window
from shipper.errors import QueryError
from shipper.store import free
from shipper.store.api import (
    Aggregation,
    Answer,
    Bucket,
    Number,
    Question,
    Selection,
    Terms,
    buckets_of,
)

MAX_GROUPS: Final = 10_000
_GROUP: Final = "group"
_NUMBER: Final = "number"

GroupNumbers = Mapping[Group, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Which hosts a question is about: all of them without `late` ones, or only `chosen` ones."""

    late: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()

    def narrow(self, query: str) -> str:
        """Add the hosts to a query."""
        conditions = []
        if self.late:
            conditions.append(f"NOT host.name:IN [{_quoted(self.late)}]")
        if self.chosen:
            conditions.append(f"host.name:IN [{_quoted(self.chosen)}]")
        return narrowed(query, *conditions)


ALL_HOSTS: Final = Hosts()


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A window of a rule that is to be judged; its length is the rule's `over`.

    It is not `complete` if records of its hosts may still be missing.
    """

    rule: Rule
    end: int
    hosts: Hosts = ALL_HOSTS
    complete: bool = True

    @property
    def window(self) -> Window:
        """The time it looks at."""
        return Window(self.end - self.rule.over_ms, self.end)


@dataclass(frozen=True, slots=True)
class Measurement:
    """
    The numbers of one window: by group, then by probe.

    A number that is missing is 0, or there was nothing to make it of. `shared` numbers are those
    that every group has, and all that a group without records has.
    """

    asked: Asked
    groups: GroupNumbers = field(default_factory=dict)
    shared: Numbers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that probes share: records of a time, by group, and a statistic of a field."""

    query: str
    since: int
    until: int
    group_by: tuple[str, ...] = ()
    statistic: Aggregation | None = None

    def question(self) -> Question:
        """Give it the form that stores are asked in."""
        return Question(
            Selection(self.query, self.since, self.until),
            grouped(self.group_by, self.statistic),
        )


class Asks(Protocol):
    """What a measurement needs of a store."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer many questions in one request."""


def measure(store: Asks, asked: Sequence[Asked]) -> list[Measurement]:
    """
    Ask for the numbers of windows in one request.

    Raises:
        QueryError: the store can't answer, as when there are more than 10,000 groups.
        StoreUnavailable: the store can't be read now.
    """
    places: dict[Ask, int] = {}
    plans = [
        [(probe, places.setdefault(ask_of(each, probe), len(places))) for probe in each.rule.probes]
        for each in asked
    ]
    answers = store.ask([ask.question() for ask in places])
    return [
        _collect(each, [(probe, answers[at]) for probe, at in plan])
        for each, plan in zip(asked, plans, strict=True)
    ]


def ask_of(asked: Asked, probe: Probe) -> Ask:
    """Give what is asked for a probe of a window."""
    until = asked.end - probe.offset_ms
    return Ask(
        asked.hosts.narrow(probe.query),
        until - probe.span_ms,
        until,
        asked.rule.all_group_by if probe.grouped else (),
        probe.statistic,
    )


def grouped(group_by: Sequence[str], statistic: Aggregation | None) -> dict[str, Aggregation]:
    """Make the aggregations that give a number per group."""
    made: dict[str, Aggregation] = {} if statistic is None else {_NUMBER: statistic}
    for name in reversed(group_by):
        made = {_GROUP: Terms(name, MAX_GROUPS, made)}
    return made


def numbers_in(
    answer: Answer | Bucket, count: int, group_by: Sequence[str], probe: Probe
) -> Iterator[tuple[Group, float]]:
    """Give the number of a probe per group; a group without one is left out."""
    if group_by:
        found = buckets_of(answer, _GROUP)
        if found.others:
            raise QueryError(
                f"{group_by[0]} has more than {MAX_GROUPS} values here, too many to judge each; "
                "group by another field, or narrow the query of the rule"
            )
        for bucket in found.buckets:
            value = (group_by[0], _written(bucket.key))
            for group, number in numbers_in(bucket, bucket.count, group_by[1:], probe):
                yield (value, *group), number
    elif probe.take is Take.COUNT:
        if count:
            yield (), count
    else:
        result = answer.results[_NUMBER]
        assert isinstance(result, Number), "a statistic was asked for"
        if result.value is not None:
            yield (), result.value


def _collect(asked: Asked, answers: Iterable[tuple[Probe, Answer]]) -> Measurement:
    """Put the numbers of a window's probes together; what is not grouped goes to every group."""
    rule = asked.rule
    groups: dict[Group, dict[str, float]] = {}
    shared: dict[str, float] = {}
    for probe, answer in answers:
        group_by = rule.all_group_by if probe.grouped else ()
        for group, number in numbers_in(answer, answer.total, group_by, probe):
            if probe.grouped:
                groups.setdefault(group, {})[probe.name] = number
            else:
                shared[probe.name] = number
    if not rule.all_group_by:
        groups.setdefault((), {})
    return Measurement(asked, {group: own | shared for group, own in groups.items()}, shared)


def _written(key: str | float) -> str:
    return free.write(key)


def _quoted(names: Iterable[str]) -> str:
    return " ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
