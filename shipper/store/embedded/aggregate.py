"""
Aggregations: each run of a question (plan.py) is one request per part, tallied.

A request that needs more buckets or memory than tantivy allows is split in two by time. As all
tallies are sums, that does not change the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from tantivy import Order, Query

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store import untyped
from shipper.store.answers import MAX_VALUES, Key
from shipper.store.api import (
    AggregateAnswer,
    Cardinality,
    DateHistogram,
    Percentiles,
    Question,
    Statistic,
    Terms,
)
from shipper.store.embedded.compile import (
    column_of,
    compile_node,
    compile_selection,
    extra_path,
    lies_outside,
    value_of,
)
from shipper.store.embedded.number_order import middle
from shipper.store.embedded.plan import Children, Node, runs
from shipper.store.embedded.schema import magnitude_column
from shipper.store.embedded.tally import Counts, Tallies, results
from shipper.store.embedded.view import View, both
from shipper.store.query.parser import parse
from shipper.store.questions import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Body = dict[str, Any]

_ALL: Final = "*"  # the number of records; other aggregations are named by numbers

# Errors of tantivy about a request that is too large.
_TOO_LARGE: Final = ("bucket limit was exceeded", "memory limit was exceeded")


class _TooLarge(Exception):  # noqa: N818 - the request is to be split
    """A part cannot answer a request exactly in one step."""


def answer(question: Question, views: Sequence[View]) -> AggregateAnswer:
    """
    Answer a question.

    Raises:
        QueryError: a field or a query does not fit, or a field has too many values.
    """
    check(question.aggregations)
    tallies = Tallies()
    total = 0
    for run in runs(question.aggregations):
        for view in views:
            if lies_outside(view, question.selection):
                continue
            query = compile_selection(question.selection, view)
            for text in run.filters:
                query = both(query, compile_node(parse(text), view))
            count = _Request(view, run.nodes).tally(query, tallies)
            if not run.filters:
                total += count
    return AggregateAnswer(total, results(question.aggregations, tallies, question.selection))


class _Request:
    """The request for the nodes of a run to one part."""

    def __init__(self, view: View, nodes: Children) -> None:
        self._view = view
        self._nodes = nodes
        self._body = {**_bodies(nodes), _ALL: {"filter": "*"}}

    def tally(self, query: Query, tallies: Tallies) -> int:
        """Tally the records of a query; return their number."""
        try:
            found = self._ask(query)
        except _TooLarge as too_large:
            return sum(self.tally(half, tallies) for half in self._halves(query, too_large))
        count = int(found.pop(_ALL)["doc_count"])
        if count:
            _collect(self._view, self._nodes, {**found, "doc_count": count}, tallies)
        return count

    def _ask(self, query: Query) -> Body:
        try:
            found = self._view.searcher.aggregate(query, self._body)
        except ValueError as error:
            if any(sign in str(error) for sign in _TOO_LARGE):
                raise _TooLarge from error
            raise
        if any(_is_cut(answer) for answer in found.values()):
            raise _TooLarge
        return found

    def _halves(self, query: Query, error: _TooLarge) -> Iterator[Query]:
        """Split the records of a query in two by time."""
        view = self._view
        first = view.first(query, "_ms", 1, Order.Asc)[0][0]
        last = view.first(query, "_ms", 1, Order.Desc)[0][0]
        if first == last:
            raise QueryError(
                "one millisecond holds more values than can be counted; narrow the query"
            ) from error
        middle = (first + last) // 2
        yield both(query, view.between("_ms", first, middle))
        yield both(query, view.between("_ms", middle + 1, last))


def _is_cut(answer: Body) -> bool:
    """Return whether tantivy left out terms, here or in any bucket."""
    if answer.get("sum_other_doc_count"):
        return True
    buckets = answer.get("buckets", ())
    if not buckets:
        return False
    below = [name for name, value in buckets[0].items() if isinstance(value, dict)]
    return any(_is_cut(bucket[name]) for name in below for bucket in buckets)


# Requests.


def _bodies(nodes: Children, at: str = "") -> Body:
    """Make the aggregations of one level; a chosen filter's stand beside their neighbours."""
    bodies: Body = {}
    for index, node in enumerate(nodes.values()):
        name = f"{at}{index}"
        if node.chosen is not None:
            bodies |= _bodies(node.children, f"{name}.")
            continue
        bodies[name] = _body(node)
        if node.children:
            bodies[name]["aggs"] = _bodies(node.children)
        if _has_magnitudes(node):
            bodies[f"{name}.stats"] = {"stats": {"field": node.field[0]}}
    return {name: body for name, body in bodies.items() if body}


def _body(node: Node) -> Body:
    match node.aggregation:
        case DateHistogram(interval_ms=interval):
            # Empty slots are filled in later; tantivy would take memory for each.
            return {"histogram": {"field": "_ms", "interval": interval, "min_doc_count": 1}}
        case _ if isinstance(node.aggregation, Statistic) and not untyped.in_extra(node.field[0]):
            return {"stats": {"field": _values_of(*node.field)}}
        case _ if _has_magnitudes(node):
            return _all_terms(magnitude_column(node.field[0]))
        case _:
            return _all_terms(_values_of(*node.field))


def _all_terms(column: str) -> Body:
    return {"terms": {"field": column, "size": MAX_VALUES, "segment_size": MAX_VALUES}}


def _has_magnitudes(node: Node) -> bool:
    return isinstance(node.aggregation, Percentiles) and node.field[1] is FieldKind.FLOAT


def _values_of(field: str, kind: FieldKind) -> str:
    """Return the column whose values tell those of a field."""
    if kind is not FieldKind.OBJECT:
        return column_of(field)
    return extra_path(field) if untyped.in_extra(field) else "_envelope"


# Answers.


def _collect(view: View, nodes: Children, level: Body, tallies: Tallies, at: str = "") -> None:
    """Add the answers of one level, which are those about `doc_count` records."""
    for index, (name, node) in enumerate(nodes.items()):
        found = level.get(f"{at}{index}", {})
        match node.aggregation:
            case _ if node.chosen is not None:
                count = level["doc_count"] if node.counted else 0
                below = tallies.counts_of(name).add(node.chosen, count)
                _collect(view, node.children, level, below, f"{at}{index}.")
            case Terms() | DateHistogram() | Cardinality():
                _collect_buckets(view, node, found["buckets"], tallies.counts_of(name))
            case Percentiles():
                _collect_numbers(node, found, tallies, name)
                _collect_stats(level.get(f"{at}{index}.stats", {}), tallies, name)
            case _ if untyped.in_extra(node.field[0]):
                _collect_numbers(node, found, tallies, name)
            case _:
                _collect_stats(found, tallies, name)


def _collect_buckets(view: View, node: Node, buckets: Sequence[Body], counts: Counts) -> None:
    """Add buckets to the tallies; there may be tens of thousands, so the loop does little."""
    keys_of = _keys_of(view, node)
    if node.counted and not node.children:
        tallied = counts.counts
        for bucket in buckets:
            count = bucket["doc_count"]
            for key in keys_of(bucket):
                tallied[key] = tallied.get(key, 0) + count
        return
    for bucket in buckets:
        count = bucket["doc_count"] if node.counted else 0
        for key in keys_of(bucket):
            _collect(view, node.children, bucket, counts.add(key, count))


def _keys_of(view: View, node: Node) -> Callable[[Body], Sequence[Key]]:
    """Return the function that maps a bucket of a node to its values."""
    field, kind = node.field
    if isinstance(node.aggregation, DateHistogram):
        return lambda bucket: (int(bucket["key"]),)
    if kind is not FieldKind.OBJECT:
        return lambda bucket: (bucket["key"],)
    if untyped.in_extra(field):
        return _free_key
    return lambda bucket: view.envelopes[int(bucket["key"])].values(field)


def _free_key(bucket: Body) -> Sequence[Key]:
    value = value_of(bucket)
    return (untyped.write(value) if isinstance(value, bool) else value,)


def _collect_numbers(node: Node, found: Body, tallies: Tallies, name: str) -> None:
    counts, numbers = tallies.counts_of(name).counts, tallies.numbers_of(name)
    are_middles = _has_magnitudes(node)
    for bucket in found["buckets"]:
        key, count = bucket["key"], bucket["doc_count"]
        if are_middles:
            number = middle(key)
            counts[number] = counts.get(number, 0) + count
        elif not isinstance(key, str) and "key_as_string" not in bucket:
            counts[key] = counts.get(key, 0) + count
            numbers.add(count, key * count, key, key)


def _collect_stats(stats: Mapping[str, Any], tallies: Tallies, name: str) -> None:
    if stats:
        tallies.numbers_of(name).add(stats["count"], stats["sum"], stats["min"], stats["max"])
