"""Tests of asking for the numbers of windows, over both stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from shipper.alerts.judge.measure import Asked, Hosts, measure
from shipper.store.api import AggregateAnswer, Question, Store
from tests.alerts.rules.rule_texts import ACCESS, rule_of
from tests.store.store_loading import STORES
from tests.store.store_records import NOON, Record, enriched, record

MINUTE = 60_000
END = NOON + 5 * MINUTE


def records() -> list[Record]:
    """A request every ten seconds for ten minutes, each third of them failed, on two hosts."""
    return [
        record(
            seq,
            NOON + 10_000 * seq,
            status_code=500 if seq % 3 == 0 else 200,
            duration_ms=100.0 + seq,
            **enriched("access", seq, host=f"web-{1 + seq % 2}"),
        )
        for seq in range(60)
    ]


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The records in each of the stores."""
    load = request.param
    loaded: Store = load(request, [records()])
    yield loaded
    loaded.close()


COUNT = "count: 'status_code:>=500'\nabove: 1\n"
BY_HOST = COUNT + "group_by: [service.name, host.name]\n"
AVERAGE = f"metric: {{of: duration_ms, take: average, among: '{ACCESS}'}}\nabove: 1\n"
LONGER = ("of600000", "of1200000", "of3600000"), ("to600000", "to1200000", "to3600000")
RATIO = f"ratio: {{of: 'status_code:>=500', to: '{ACCESS}'}}\nabove: 1%\n"
LONGEST = "metric: {of: duration_ms, take: max}\nabove: 1\ngroup_by: [host.name]\n"


def test_a_window_is_counted_from_its_start_to_before_its_end(store: Store) -> None:
    """Five minutes hold 30 requests, of which 10 failed; the wider window has no more yet."""
    count, ratio = measure(store, [Asked(rule_of(COUNT), END), Asked(rule_of(RATIO), END)])

    assert count.groups == {(): {"count": 10}}
    assert ratio.groups == {
        (): {"of": 10, "to": 30} | dict.fromkeys(LONGER[0], 10) | dict.fromkeys(LONGER[1], 30)
    }


def test_groups_are_told_apart_by_all_fields(store: Store) -> None:
    """A group has a value for each field, in their order."""
    (by_host,) = measure(store, [Asked(rule_of(BY_HOST), END)])

    assert by_host.groups == {
        (("service.name", "orders"), ("host.name", "web-1")): {"count": 5},
        (("service.name", "orders"), ("host.name", "web-2")): {"count": 5},
    }


def test_sums_and_extremes_come_with_their_counts(store: Store) -> None:
    """What an average is made of, and the largest number per group."""
    average, longest = measure(store, [Asked(rule_of(AVERAGE), END), Asked(rule_of(LONGEST), END)])

    assert average.groups == {(): {"count": 30, "number": 30 * 100.0 + sum(range(30))}}
    assert longest.groups == {
        (("host.name", "web-1"),): {"count": 15, "number": 128.0},
        (("host.name", "web-2"),): {"count": 15, "number": 129.0},
    }


def test_late_hosts_can_be_left_out_or_asked_alone(store: Store) -> None:
    """A window is judged on the hosts that have delivered it, later on the others."""
    rule = rule_of(COUNT)

    without, only, none = measure(
        store,
        [
            Asked(rule, END, Hosts(late=("web-2",))),
            Asked(rule, END, Hosts(chosen=("web-2",))),
            Asked(rule, END, Hosts(late=("web-1", "web-2", 'odd "name" \\'))),
        ],
    )

    assert [each.groups[()].get("count", 0) for each in (without, only, none)] == [5, 5, 0]


def test_the_past_is_asked_for_by_offset(store: Store) -> None:
    """Absence and spike compare with a time before the window."""
    spike = "spike: {of: 'status_code:>=500'}\nabove: 3\nover: 2m\n"
    absence = "absence: {of: 'status_code:>=500', seen_within: 10m}\nover: 2m\n"

    first, second = measure(store, [Asked(rule_of(spike), END), Asked(rule_of(absence), END)])

    assert first.groups == {(): {"now": 4, "then": 4, "any": 12}}
    assert second.groups == {(): {"now": 4, "before": 6}}


def test_what_two_rules_ask_alike_is_asked_once_and_all_of_it_in_one_request() -> None:
    """The number of requests does not grow with the rules, nor does what is asked twice."""

    class Counting:
        def __init__(self) -> None:
            self.asked: list[Sequence[Question]] = []

        def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
            self.asked.append(questions)
            return [AggregateAnswer(7, {}) for _ in questions]

    store = Counting()

    measured = measure(store, [Asked(rule_of(RATIO), END), Asked(rule_of(RATIO), END)])

    assert [len(questions) for questions in store.asked] == [8]
    assert (
        measured[0].groups
        == measured[1].groups
        == {(): dict.fromkeys(("of", "to", *LONGER[0], *LONGER[1]), 7)}
    )
