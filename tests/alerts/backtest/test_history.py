"""
Live and back-test give the same verdicts and the same transitions on the same records.

The live side asks for every window by itself; the back-test puts the windows together from slots.
They share the evaluator and nothing of how its numbers come to be.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from shipper.alerts.backtest.backtest import backtest, verdicts
from shipper.alerts.backtest.history import HistorySpan, alike, read_history
from shipper.alerts.incident import Transition
from shipper.alerts.incidents.tracks import Standings
from shipper.alerts.judge.evaluate import judge, terms_of
from shipper.alerts.judge.measure import Asked, measure
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group, Verdict, VerdictState
from shipper.errors import QueryError
from shipper.store.api import AggregateAnswer, Question, Store
from shipper.store.opening import open_embedded
from tests.alerts.rules.rule_texts import rule_of
from tests.store.store_loading import Node
from tests.store.store_records import NOON, Record, record, write_parts

MINUTE = 60_000
SPAN = HistorySpan(NOON, NOON + 15 * MINUTE)

BURN = """burn_rate:
  of: level:ERROR
  to: "*"
  objective: 90%
  period: 1d
  speeds:
    - {{budget: 0.1%, within: 5m, and_within: 1m}}
    - {{budget: 1%, within: 8m, and_within: 2m}}
at_least: {n}"""
KINDS = [
    "count: level:ERROR\nabove: {n}",
    "count: level:ERROR\nbelow: {n}",
    "ratio: {{of: level:ERROR, to: '*', widen_to: 6m}}\nabove: 20%\nat_least: {n}",
    "ratio: {{of: level:INFO, to: 'level:*', widen_to: 0s}}\nbelow: 60%\nat_least: {n}",
    "metric: {{of: duration_ms, take: average}}\nabove: 0.2\nat_least: {n}",
    "metric: {{of: duration_ms, take: max, among: level:ERROR}}\nabove: 0.2",
    "metric: {{of: extra.n, take: min}}\nbelow: 1",
    "metric: {{of: extra.n, take: sum}}\nabove: {n}",
    "metric: {{of: duration_ms, take: p90}}\nabove: 0.2",
    "absence: {{of: level:INFO, seen_within: 4m}}",
    "absence: {{of: level:INFO, although: level:ERROR}}",
    "spike: {{of: level:ERROR}}\nabove: 1\nat_least: {n}",
    "spike: {{of: level:ERROR, against: 7m}}\nabove: 0.5\nat_least: {n}",
    "new_value: {{field: host.name, unseen_for: 20m}}",
    BURN,
]


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    """Draw a rule of some kinds, with windows that overlap, touch or leave gaps."""
    rules = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)):
        text = kind.format(n=draw(st.integers(1, 4)))
        over, every = draw(
            st.sampled_from([("1m", "1m"), ("3m", "1m"), ("90s", "1m"), ("1m", "2m")])
        )
        text += f"\nover: {over}\nevery: {every}"
        text += f"\nfor: {draw(st.sampled_from(['0s', '2m']))}"
        text += f"\nkeep_firing: {draw(st.sampled_from(['0s', '3m']))}"
        groups = draw(st.sampled_from(["", "service.name", "service.name, extra.tenant"]))
        rules.append(rule_of(f"{text}\ngroup_by: [{groups}]\n"))
    return rules


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    """Draw records of half an hour, most of them close together."""
    fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "level": st.sampled_from(["INFO", "ERROR"]),
            "service": st.sampled_from([{"name": "a"}, {"name": "b"}]),
            "host": st.sampled_from([{"name": "h1"}, {"name": "h2"}]),
        },
        optional={
            "duration_ms": st.sampled_from([0.1, 0.2, 0.3, 1e6]),
            "extra": st.fixed_dictionaries(
                {},
                optional={"n": st.sampled_from([0, 2.5, "x"]), "tenant": st.sampled_from([1, "t"])},
            ),
        },
    )
    offsets = st.sampled_from([MINUTE * m + s for m in range(-10, 18) for s in (0, 1, 59_999)])
    drawn = draw(st.lists(st.tuples(fields, offsets), min_size=1, max_size=40))
    return [record(seq, NOON + at, **f) for seq, (f, at) in enumerate(drawn)]


def live(store: Store, rule: Rule) -> tuple[list[Verdict], list[Transition]]:
    """Judge window by window, as the job does when each of them ends."""
    found: list[Verdict] = []
    made: list[Transition] = []
    standings = Standings({})
    measured = measure(store, [Asked(rule, end) for end in SPAN.ends(rule)])
    for measurement in measured:
        found += judge(measurement)
        for verdict in judge(measurement, standings.open_groups(), standings.ended()):
            made += standings.take(verdict, terms_of(rule))
    return found, made


def agree(store: Store, rules: Sequence[Rule]) -> None:
    history = read_history(store, rules, SPAN)
    for rule in rules:
        found, made = live(store, rule)
        tested = [each for windows in history.windows(rule) for each in verdicts(rule, windows)]
        assert sorted(tested, key=_place) == sorted(found, key=_place)
        assert list(backtest(rule, history).transitions) == made
    store.close()


def _place(verdict: Verdict) -> tuple[int, Group]:
    return verdict.window.end, verdict.group


@pytest.mark.slow
@given(record_lists(), rule_lists(), st.integers(1, 3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_live_is_back_test(records: list[Record], rules: list[Rule], parts: int) -> None:
    """Any rules over any records: the same verdicts, numbers and transitions."""
    size = -(-len(records) // parts)
    portions = [records[i : i + size] for i in range(0, len(records), size)]
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder) / "index", portions)
        agree(open_embedded(Path(folder) / "index"), rules)


@pytest.mark.slow
@pytest.mark.server
@given(record_lists(), rule_lists())
@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes
)
def test_live_is_back_test_in_elasticsearch(
    elasticsearch_url: str, records: list[Record], rules: list[Rule]
) -> None:
    """The same holds where Elasticsearch counts."""
    node = Node(elasticsearch_url, uuid.uuid4().hex)
    node.send(records)
    agree(node.open(), rules)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_an_empty_promise(kind: str, tmp_path: Path) -> None:
    """Each kind of rule of this test has breaches and quiet windows on records like these."""
    rule = rule_of(kind.format(n=1) + "\nover: 2m\nevery: 1m\n")
    burst = [
        record(
            seq,
            NOON + MINUTE * (3 + seq // 10) + 500 * seq,
            level="ERROR",
            host={"name": "h2"},
            duration_ms=1000.0,
            extra={"n": 0.5 * seq},
        )
        for seq in range(40)
    ]
    quiet = [
        record(seq, NOON + 20_000 * (seq - 100), level="INFO", host={"name": "h1"}, duration_ms=0.1)
        for seq in range(100, 106)
    ]
    early = [record(1000 + n, NOON - 600_000 + n, level="INFO") for n in range(3)]
    write_parts(tmp_path / "index", [burst + quiet + early])
    store = open_embedded(tmp_path / "index")

    states = {each.state for each in live(store, rule)[0]}

    assert states == {VerdictState.OK, VerdictState.BREACH}
    agree(store, [rule])


numbers = st.integers(0, 60)


@given(st.sampled_from(KINDS), st.integers(1, 30), st.lists(numbers, min_size=6, max_size=6))
@example(
    "ratio: {{of: level:ERROR, to: '*', widen_to: 6m}}\nabove: 20%\nat_least: {n}",
    1,
    [0, 0, 5, 0, 0, 0],  # the wide window was counted a moment apart: 5 of none
)
@settings(max_examples=500)
def test_a_quiet_window_is_no_breach(kind: str, least: int, drawn: list[int]) -> None:
    """What is passed over without being judged would not have been a breach."""
    rule = rule_of(kind.format(n=least) + "\n")
    found: Mapping[str, float] = dict(zip((p.name for p in rule.probes), drawn, strict=False))

    if rule.kind.is_quiet(rule.limits, found):
        assert rule.kind.find(rule.limits, found).state is VerdictState.OK


def test_a_histogram_that_is_too_much_is_asked_in_halves() -> None:
    """What the store refuses as a whole is asked piece by piece, and nothing is lost or doubled."""

    class Narrow:
        def __init__(self, store: Store) -> None:
            self.store = store
            self.refused = 0

        def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
            selection = questions[0].selection
            assert selection.since is not None
            assert selection.until is not None
            if selection.until - selection.since > 10 * MINUTE:
                self.refused += 1
                raise QueryError("too many buckets")
            return self.store.ask(questions)

    rule = rule_of("count: level:ERROR\nabove: 1\nover: 1m\ngroup_by: [host.name]\n")
    span = HistorySpan(NOON, NOON + 60 * MINUTE)
    records = [
        record(n, NOON + 29_000 * n, level="ERROR", host={"name": f"h{n % 3}"}) for n in range(120)
    ]
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder) / "index", [records])
        store = open_embedded(Path(folder) / "index")
        narrow = Narrow(store)

        pieces = backtest(rule, read_history(narrow, [rule], span))

        assert narrow.refused > 0
        assert pieces == backtest(rule, read_history(store, [rule], span))
        store.close()


def test_rules_that_share_a_question_are_read_together() -> None:
    """Directly or by way of another; the rest alone, so that it needs no memory beside them."""
    errors, other, every, spike = (
        rule_of(text)
        for text in (
            "count: level:ERROR\nabove: 1\n",
            "count: level:WARNING\nabove: 1\n",
            "count: '*'\nabove: 1\n",
            "spike: {of: level:ERROR}\nabove: 1\n",
        )
    )

    assert alike([errors, other, every]) == [[errors], [other], [every]]
    assert alike([errors, other, every, spike]) == [[other], [errors, every, spike]]
    assert alike([]) == []


def test_a_span_without_any_window_has_no_verdicts(tmp_path: Path) -> None:
    """A rule that is judged once a day has nothing to say of an hour."""
    rule = rule_of("count: level:ERROR\nabove: 1\nevery: 1d\nover: 1d\n")
    write_parts(tmp_path / "index", [[record(1, NOON, level="ERROR")]])
    store = open_embedded(tmp_path / "index")
    span = HistorySpan(NOON + MINUTE, NOON + 60 * MINUTE)

    assert backtest(rule, read_history(store, [rule], span)).transitions == ()
    store.close()


def test_a_refusal_that_no_halving_mends_is_told() -> None:
    """A question that can't be answered at all is an error, not an empty history."""

    class Refusing:
        def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
            raise QueryError(f"no answer to {questions[0].selection.query}")

    with pytest.raises(QueryError, match="no answer to level:ERROR"):
        read_history(Refusing(), [rule_of("count: level:ERROR\nabove: 1\n")], SPAN)
