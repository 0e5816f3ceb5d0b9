"""
Compiles the tree of a query to tantivy's queries.

Tantivy parses nothing that a user typed, except for ranges inside `extra`, where the path is
escaped and the bounds are numbers. Keys of envelopes are compared here, once per envelope.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tantivy import FieldType, Occur, Query

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store import untyped
from shipper.store.embedded.document import MARK, index_key, mark
from shipper.store.embedded.envelope import HAS, WITHOUT_COLUMN, Leaf
from shipper.store.embedded.schema import COLUMNS, word_analyzer
from shipper.store.query import tree
from shipper.store.query.parser import parse
from shipper.store.query.values import number_of, wildcard_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import tantivy

    from shipper.store.api import Selection
    from shipper.store.embedded.view import View

MAX_VALUES: Final = 65_000  # that a wildcard inside `extra` is compared with
MAX_EXTRA_BOUND: Final = 2**52  # above it every float is whole


def compile_selection(selection: Selection, view: View) -> Query:
    """Return the query for a selection; raise QueryError if it cannot be answered."""
    node = parse(selection.query)
    chosen = [compile_node(node, view)]
    if not lies_within(view, selection):
        chosen.append(_time_query(selection, view))
    clauses = [(Occur.Must, query) for query in chosen]
    if view.heartbeats and not tree.names_heartbeats(node):
        clauses.append((Occur.MustNot, _numbers(view, view.heartbeats)))
    return Query.boolean_query(clauses)


def lies_within(view: View, selection: Selection) -> bool:
    """Return whether all records of a part are known to lie within the time of a selection."""
    if selection.since is None and selection.until is None:
        return True
    found = view.bounds()
    return (
        found is not None
        and (selection.since is None or selection.since <= found[0])
        and (selection.until is None or found[1] < selection.until)
    )


def lies_outside(view: View, selection: Selection) -> bool:
    """Return whether no record of a part can lie within the time of a selection."""
    if selection.since is None and selection.until is None:
        return False
    found = view.bounds()
    return found is not None and (
        (selection.since is not None and found[1] < selection.since)
        or (selection.until is not None and selection.until <= found[0])
    )


def _time_query(selection: Selection, view: View) -> Query:
    since, until = selection.since, selection.until
    bounds = tree.Range("@timestamp", FieldKind.DATE, since, until, upper_included=False)
    return _range(bounds, view)


def compile_node(node: tree.Node, view: View) -> Query:  # noqa: PLR0911 - one per node
    """Return the query for a tree."""
    match node:
        case tree.All():
            return Query.all_query()
        case tree.And(items):
            return _all_of([compile_node(item, view) for item in items])
        case tree.Or(items):
            return _any_of([compile_node(item, view) for item in items])
        case tree.Not(item):
            return Query.boolean_query(
                [(Occur.Must, Query.all_query()), (Occur.MustNot, compile_node(item, view))]
            )
        case tree.Match():
            return _match(node, view)
        case tree.Wildcard():
            return _wildcard(node, view)
        case tree.Range():
            return _range(node, view)
        case tree.Exists():
            return _exists(node, view)


def _all_of(queries: Sequence[Query]) -> Query:
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def _any_of(queries: Sequence[Query]) -> Query:
    if not queries:
        return Query.empty_query()
    return Query.boolean_query([(Occur.Should, query) for query in queries])


def _match(node: tree.Match, view: View) -> Query:
    field, value = node.field, node.value
    if node.kind is FieldKind.TEXT:
        return _phrase(field, str(value), view)
    if node.kind is FieldKind.KEYWORD:
        return Query.term_query(view.schema, field, value)
    if node.kind is not FieldKind.OBJECT:
        return _range(tree.Range(field, node.kind, _number(value), _number(value)), view)
    values = _readings(str(value))
    if untyped.in_extra(field):
        terms = [mark(v) if isinstance(v, str) else v for v in values]
        path = extra_path(field)
        return _any_of([Query.term_query(view.schema, path, term) for term in terms])
    return _of_envelopes(view, field, lambda leaf: any(_equal(leaf, v) for v in values))


def _number(value: tree.Value) -> int | float:
    if isinstance(value, str):
        raise TypeError(value)
    return value


def _readings(text: str) -> list[Leaf]:
    """Return what a value of an object may be: the text, and the number or boolean it writes."""
    number = number_of(text)
    readings: list[Leaf] = [text]
    if number is not None:
        readings += [number, str(number)]  # as text where it does not fit into 64 bits
    if text in ("true", "false"):
        readings.append(text == "true")
    return readings


def _equal(leaf: Leaf, value: Leaf) -> bool:
    """Compare as JSON does: a boolean is no number, and 5.0 is 5."""
    if isinstance(leaf, bool) or isinstance(value, bool):
        return leaf is value
    return leaf == value


def _phrase(field: str, text: str, view: View) -> Query:
    words = _analyzer().analyze(text)
    if not words:  # all of them too long to be indexed
        return Query.empty_query()
    if len(words) == 1:
        return Query.term_query(view.schema, field, words[0])
    return Query.phrase_query(view.schema, field, list(words))


@cache
def _analyzer() -> tantivy.TextAnalyzer:
    return word_analyzer()


def _wildcard(node: tree.Wildcard, view: View) -> Query:
    if node.kind is not FieldKind.OBJECT:
        try:
            return Query.regex_query(view.schema, node.field, _automaton(node.pattern))
        except ValueError as error:
            raise QueryError(
                f"the pattern {node.field}:{node.pattern} is too large", "use a shorter one"
            ) from error
    matches = untyped.wildcard_regex(node.pattern).fullmatch
    if not untyped.in_extra(node.field):
        return _of_envelopes(
            view, node.field, lambda leaf: isinstance(leaf, str) and bool(matches(leaf))
        )
    path = extra_path(node.field)
    found = [each for each in _extra_values(node.field, view) if matches(untyped.write(each))]
    texts = [mark(each) for each in found if isinstance(each, str)]
    others = [each for each in found if not isinstance(each, str)]
    return _any_of(
        [
            Query.term_set_query(view.schema, path, texts),
            *(Query.term_query(view.schema, path, each) for each in others),
        ]
    )


def _automaton(pattern: str) -> str:
    """Write a wildcard pattern as a regular expression for tantivy."""
    forms = {None: ".*", "": "."}
    steps = (forms.get(step) or f"\\x{{{ord(str(step)):x}}}" for step in wildcard_steps(pattern))
    return f"(?s){''.join(steps)}"


def _extra_values(field: str, view: View) -> list[untyped.Value]:
    """List the values under a key of `extra`; QueryError if they are too many."""
    terms = {"field": extra_path(field), "size": MAX_VALUES, "segment_size": MAX_VALUES}
    too_many = QueryError(
        f"{field} has more than {MAX_VALUES:,} values, too many for a wildcard",
        "search for a whole value",
    )
    try:
        found = view.searcher.aggregate(Query.all_query(), {"x": {"terms": terms}})["x"]
    except ValueError as error:  # numbers and texts together are more than tantivy gives
        raise too_many from error
    if found["sum_other_doc_count"]:
        raise too_many
    return [value_of(bucket) for bucket in found["buckets"]]


def value_of(bucket: Mapping[str, Any]) -> untyped.Value:
    """Return the value that a bucket of a key of `extra` stands for."""
    key: str | float = bucket["key"]
    if "key_as_string" in bucket:
        return bool(key)
    return key.removeprefix(MARK) if isinstance(key, str) else key


def _range(node: tree.Range, view: View) -> Query:
    if node.kind is FieldKind.OBJECT and not untyped.in_extra(node.field):
        return _of_envelopes(view, node.field, lambda leaf: untyped.in_range(leaf, node))
    type_ = FieldType.Float if node.kind is FieldKind.FLOAT else FieldType.Integer
    if node.lower is None and node.upper is None:
        return _exists(tree.Exists(node.field, node.kind), view)
    if node.kind is FieldKind.OBJECT:
        return _extra_range(node, view)
    return Query.range_query(
        view.schema,
        column_of(node.field),
        type_,
        node.lower,
        node.upper,
        node.lower_included or node.lower is None,
        node.upper_included or node.upper is None,
    )


def _extra_range(node: tree.Range, view: View) -> Query:
    """
    Make a range inside `extra`, which tantivy offers only through its parser.

    It compares rightly only if both bounds have one type and the parser takes a whole number for
    an integer. So every bound moves to its neighbour among the floats, which is never whole.
    """
    path = "".join(c if c.isalnum() or c in "._" else f"\\{c}" for c in extra_path(node.field))
    lower, upper = "[* TO", "*]"
    if node.lower is not None:
        opening = "{" if node.lower_included else "["
        lower = f"{opening}{_neighbour(node.field, node.lower, below=node.lower_included)} TO"
    if node.upper is not None:
        closing = "}" if node.upper_included else "]"
        upper = f"{_neighbour(node.field, node.upper, below=not node.upper_included)}{closing}"
    try:
        return view.index.parse_query(f"{path}:{lower} {upper}")
    except ValueError as error:
        raise QueryError(
            f"the key {node.field} does not support ranges", "search for a whole value"
        ) from error


def _neighbour(field: str, bound: float, *, below: bool) -> str:
    if abs(bound) >= MAX_EXTRA_BOUND:
        raise QueryError(
            f"ranges of {field} are limited to {MAX_EXTRA_BOUND}", "use * instead of this bound"
        )
    direction = -1 if below else 1
    value = direction * 1e-300 if bound == 0 else math.nextafter(bound, direction * math.inf)
    return format(Decimal(value), "f")


def _exists(node: tree.Exists, view: View) -> Query:
    field = node.field
    if field == "@timestamp":
        return Query.all_query()
    if field in WITHOUT_COLUMN:
        return _of_envelopes(view, HAS, lambda leaf: leaf == field)
    if node.kind is not FieldKind.OBJECT:
        return Query.exists_query(column_of(field))
    if untyped.in_extra(field):
        return Query.exists_query(extra_path(field), json_subpaths=field == "extra")
    columns = [column for path, column in COLUMNS.items() if path.startswith(f"{field}.")]
    below = [
        envelope.number
        for envelope in view.envelopes.values()
        if any(path == field or path.startswith(f"{field}.") for path in envelope.leaves)
    ]
    return _any_of([_numbers(view, below), *map(Query.exists_query, columns)])


def _of_envelopes(view: View, path: str, holds: Callable[[Leaf], bool]) -> Query:
    """Make the query for the records in whose envelope some value at `path` holds."""
    return _numbers(
        view,
        [e.number for e in view.envelopes.values() if any(map(holds, e.leaves.get(path, ())))],
    )


def _numbers(view: View, numbers: Sequence[int]) -> Query:
    if len(numbers) == len(view.envelopes):
        return Query.all_query()
    return Query.term_set_query(view.schema, "_envelope", numbers)


def column_of(field: str) -> str:
    """Return the fast column that holds a field."""
    return COLUMNS.get(field, field)


def extra_path(field: str) -> str:
    """Return the path inside tantivy's JSON field of a key of `extra`."""
    return index_key(field)
