"""
Asks a store for the numbers of windows: all rules that are due in one request.

Each probe is a question about exactly its span; what two rules ask alike is asked once. A window
may be asked of some hosts only (`Hosts`): of those that have delivered all of it, while another is
late.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, Protocol

from shipper.alerts.rules.kind import Numbers, Probe, Take, narrowed
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group, Window
from shipper.errors import QueryError
from shipper.store import untyped
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Bucket,
    Number,
    Question,
    Selection,
    Terms,
    buckets_of,
)

MAX_GROUPS: Final = 10_000
MOST_LARGEST: Final = 300  # by each number of a rule, where there are too many groups
_NAMED: Final = 800  # values in one query, which may have 1,024 terms
_NAMED_CHARACTERS: Final = 100_000
_GROUP: Final = "group"

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

    It is not `complete` if records of its hosts may still be missing. With `values`, it is about
    groups that have one of these values of the first field, and no others.
    """

    rule: Rule
    end: int
    hosts: Hosts = ALL_HOSTS
    complete: bool = True
    values: tuple[str, ...] = ()

    @property
    def window(self) -> Window:
        """The time it looks at."""
        return Window(self.end - self.rule.over_ms, self.end)

    def covers(self, group: Group) -> bool:
        """Return whether a group is one that is asked about."""
        return not self.values or group[0][1] in self.values


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
    """A question that probes share: records of a time, by group."""

    query: str
    since: int
    until: int
    group_by: tuple[str, ...] = ()

    def question(self, statistics: Mapping[str, Aggregation]) -> Question:
        """Return it the form that stores are asked in."""
        selection = Selection(self.query, self.since, self.until)
        return Question(selection, grouped(self.group_by, statistics))


class Asks(Protocol):
    """What a measurement needs of a store."""

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Answer many questions in one request."""


def measure(store: Asks, asked: Sequence[Asked], *, largest: bool = False) -> list[Measurement]:
    """
    Ask for the numbers of windows in one request; of the `largest` groups only, where that is said.

    Raises:
        QueryError: the store can't answer, as when there are more than 10,000 groups.
        StoreUnavailable: the store can't be read now.
    """
    statistics: dict[Ask, dict[str, Aggregation]] = {}
    plans = []
    for each in asked:
        plan = [(probe, ask_of(each, probe)) for probe in each.rule.probes]
        for probe, ask in plan:
            statistics.setdefault(ask, {}).update(statistic_of(probe))
        plans.append(plan)
    answered = store.ask([ask.question(found) for ask, found in statistics.items()])
    answers = dict(zip(statistics, answered, strict=True))
    return [
        _collect(each, [(probe, answers[ask]) for probe, ask in plan], largest=largest)
        for each, plan in zip(asked, plans, strict=True)
    ]


def measure_largest(
    store: Asks, asked: Sequence[Asked], expected: Collection[str] = ()
) -> list[Measurement]:
    """
    Ask for the groups that are the largest by a number of the rule, where there are too many.

    Those with an `expected` value of the first field are asked about too. First it is found which
    they are, then they are named in the questions: so their numbers are exact, and no other group
    is judged by what is not known of it.

    Raises:
        QueryError, StoreUnavailable: as `measure`.
    """
    probes = [
        (number, ask_of(each, probe))
        for number, each in enumerate(asked)
        for probe in each.rule.probes
        if probe.grouped and not probe.widens
    ]
    asks = list(dict.fromkeys(ask for _, ask in probes))
    questions = [
        Question(
            Selection(ask.query, ask.since, ask.until),
            {_GROUP: Terms(ask.group_by[0], MOST_LARGEST)},
        )
        for ask in asks
    ]
    answers = dict(zip(asks, store.ask(questions), strict=True))
    values = [dict.fromkeys(expected) for _ in asked]
    for number, ask in probes:
        buckets = buckets_of(answers[ask], _GROUP).buckets
        values[number] |= dict.fromkeys(untyped.write(bucket.key) for bucket in buckets)
    return measure(
        store,
        [
            replace(each, values=tuple(_within_budget(found)))
            for each, found in zip(asked, values, strict=True)
        ],
    )


def _within_budget(values: Iterable[str]) -> Iterator[str]:
    """Yield values for as long as a query has room for them."""
    left = _NAMED_CHARACTERS
    for value in islice(values, _NAMED):
        left -= len(value)
        if left < 0:
            return
        yield value


def ask_of(asked: Asked, probe: Probe) -> Ask:
    """Return what is asked for a probe of a window."""
    until = asked.end - probe.offset_ms
    query = probe.query if probe.of_all_hosts else asked.hosts.narrow(probe.query)
    group_by = asked.rule.all_group_by
    if probe.grouped and asked.values:
        query = narrowed(query, f"{group_by[0]}:IN [{_quoted(asked.values)}]")
    return Ask(query, until - probe.span_ms, until, group_by if probe.grouped else ())


def statistic_of(probe: Probe) -> dict[str, Aggregation]:
    """Return what is asked for a probe besides a count, by its name within the question."""
    statistic = probe.statistic
    return {} if statistic is None else {_name_of(probe): statistic}


def grouped(
    group_by: Sequence[str], inside: Mapping[str, Aggregation]
) -> Mapping[str, Aggregation]:
    """Make the aggregations that ask something of each group."""
    for name in reversed(group_by):
        inside = {_GROUP: Terms(name, MAX_GROUPS, inside)}
    return inside


def groups_in(
    answer: AggregateAnswer | Bucket, group_by: Sequence[str], *, largest: bool = False
) -> Iterator[tuple[Group, AggregateAnswer | Bucket]]:
    """Yield the answer for each group of a question that was `grouped`."""
    if not group_by:
        yield (), answer
        return
    found = buckets_of(answer, _GROUP)
    if found.others and not largest:
        raise QueryError(
            f"{group_by[0]} has more than {MAX_GROUPS} values here, too many to judge each",
            "group by another field, or narrow the query of the rule",
        )
    for bucket in found.buckets:
        value = (group_by[0], untyped.write(bucket.key))
        for group, below in groups_in(bucket, group_by[1:], largest=largest):
            yield (value, *group), below


def number_in(answer: AggregateAnswer | Bucket, probe: Probe) -> float | None:
    """Return the number of a probe; None if there is nothing to make it of."""
    if probe.take is Take.COUNT:
        count = answer.total if isinstance(answer, AggregateAnswer) else answer.count
        return count or None
    result = answer.results[_name_of(probe)]
    assert isinstance(result, Number), "a statistic was asked for"
    return result.value


def _name_of(probe: Probe) -> str:
    return f"{probe.take} {probe.field}"


def _collect(
    asked: Asked, answers: Iterable[tuple[Probe, AggregateAnswer]], *, largest: bool
) -> Measurement:
    """Put the numbers of a window's probes together; what is not grouped goes to every group."""
    rule = asked.rule
    groups: dict[Group, dict[str, float]] = {}
    shared: dict[str, float] = {}
    for probe, answer in answers:
        group_by = rule.all_group_by if probe.grouped else ()
        for group, found in groups_in(answer, group_by, largest=largest):
            number = number_in(found, probe)
            if number is not None:
                place = groups.setdefault(group, {}) if probe.grouped else shared
                place[probe.name] = number
    if not rule.all_group_by:
        groups.setdefault((), {})
    return Measurement(asked, {group: own | shared for group, own in groups.items()}, shared)


def _quoted(names: Iterable[str]) -> str:
    return " ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
