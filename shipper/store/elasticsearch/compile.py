"""
Compiles the tree of a query to Elasticsearch's query language.

Only term-level queries and `match_phrase` are used, so Elasticsearch never parses what a user
typed. Keys under `extra` are one `flattened` field, which knows whole values only: for a range or
wildcard the values of the key are listed first (`keys_to_list`), and the query names those that
match.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shipper.errors import QueryError
from shipper.fields import HEARTBEAT, FieldKind
from shipper.store import untyped
from shipper.store.api import Selection
from shipper.store.query import tree
from shipper.store.query.parser import parse
from shipper.store.query.values import number_of

Body = dict[str, Any]
Values = Mapping[str, Sequence[str]]  # key of `extra` → the texts of its values

# The keys that the mapping has in the objects of a record. The objects hold aliases as well, so
# `exists` of an object would not say whether a record has it.
KEYS_OF_OBJECTS: Final = (
    "host.name",
    "service.name",
    "service.environment",
    "service.version",
    "event.dataset",
    "event.kind",
    "event.category",
    "event.created",
    "error.category",
    "error.message",
    "log.file.path",
    "log.offset",
    "log.stream",
    "data_stream.type",
    "data_stream.dataset",
    "data_stream.namespace",
)
MAX_VALUE: Final = 8191  # characters; `ignore_above` of the mapping
NOTHING: Final[Body] = {"match_none": {}}
HEARTBEATS: Final[Body] = {"term": {"event.dataset": HEARTBEAT}}

# Not `match_all`: for that, 9.5 takes a shortcut that ignores all but the first sort value.
EVERYTHING: Final[Body] = {"exists": {"field": "@timestamp"}}


def keys_to_list(node: tree.Node) -> Iterator[str]:
    """Yield the keys of `extra` whose values `compile_node` needs."""
    match node:
        case tree.And(items) | tree.Or(items):
            for item in items:
                yield from keys_to_list(item)
        case tree.Not(item):
            yield from keys_to_list(item)
        case tree.Wildcard(field=field) if untyped.in_extra(field):
            yield field
        case tree.Range(field=field, lower=lower, upper=upper) if untyped.in_extra(field):
            if lower is not None or upper is not None:
                yield field
        case _:
            pass


def compile_selection(selection: Selection, values: Values) -> Body:
    """Return the query for a selection; `values` as in `compile_node`."""
    node = parse(selection.query)
    chosen = [compile_node(node, values), *bounds(selection)]
    if tree.names_heartbeats(node):
        return _all_of(chosen)
    return {"bool": {"filter": chosen, "must_not": [HEARTBEATS]}}


def bounds(selection: Selection) -> list[Body]:
    """Return the queries for the time bounds of a selection."""
    since, until = selection.since, selection.until
    if since is None and until is None:
        return []
    limits = tree.Range("@timestamp", FieldKind.DATE, since, until, upper_included=False)
    return [_range(limits, {})]


def compile_node(node: tree.Node, values: Values) -> Body:  # noqa: PLR0911 - one per node
    """Return the query for a tree; `values` are those of the keys of `keys_to_list`."""
    match node:
        case tree.All():
            return EVERYTHING
        case tree.And(items):
            return _all_of([compile_node(item, values) for item in items])
        case tree.Or(items):
            return _any_of([compile_node(item, values) for item in items])
        case tree.Not(item):
            return {"bool": {"must_not": [compile_node(item, values)]}}
        case tree.Match():
            return _match(node)
        case tree.Wildcard():
            return _wildcard(node, values)
        case tree.Range():
            return _range(node, values)
        case tree.Exists():
            return _exists(node)


def _all_of(queries: Sequence[Body]) -> Body:
    return queries[0] if len(queries) == 1 else {"bool": {"filter": queries}}


def _any_of(queries: Sequence[Body]) -> Body:
    return {"bool": {"should": queries, "minimum_should_match": 1}}


def _match(node: tree.Match) -> Body:
    if node.kind is FieldKind.TEXT:
        return {"match_phrase": {node.field: node.value}}
    if len(str(node.value)) > MAX_VALUE:
        raise QueryError(
            f"Elasticsearch indexes values of at most {MAX_VALUE:,} characters", "shorten the value"
        )
    if node.kind is FieldKind.FLOAT and node.value == 0:  # which has a sign in some records
        return {"range": {node.field: {"gte": -0.0, "lte": 0.0}}}
    if not untyped.in_extra(node.field):
        return {"term": {indexed(node.field, node.kind): node.value}}
    number = number_of(str(node.value))
    texts = set() if number is None else untyped.spellings(number)
    return {"terms": {node.field: sorted({str(node.value), *texts})}}


def _wildcard(node: tree.Wildcard, values: Values) -> Body:
    if not untyped.in_extra(node.field):
        return {"wildcard": {indexed(node.field, node.kind): {"value": node.pattern}}}
    matches = untyped.wildcard_regex(node.pattern).fullmatch
    return {
        "terms": {
            node.field: [t for t in values[node.field] if matches(untyped.write(untyped.read(t)))]
        }
    }


def _range(node: tree.Range, values: Values) -> Body:
    if node.lower is None and node.upper is None:
        return _exists(tree.Exists(node.field, node.kind))
    if untyped.in_extra(node.field):
        texts = [text for text in values[node.field] if untyped.in_range(untyped.read(text), node)]
        return {"terms": {node.field: texts}}
    if indexed(node.field, node.kind) and node.kind is FieldKind.OBJECT:
        return NOTHING  # these keys hold texts
    limits: Body = {"format": "epoch_millis"} if node.kind is FieldKind.DATE else {}
    # Elasticsearch sorts -0.0 before 0.0: which of them a bound is depends on what is included.
    is_float = node.kind is FieldKind.FLOAT
    if node.lower is not None:
        zero = -0.0 if node.lower_included else 0.0
        limit = zero if is_float and node.lower == 0 else node.lower
        limits["gte" if node.lower_included else "gt"] = limit
    if node.upper is not None:
        zero = 0.0 if node.upper_included else -0.0
        limit = zero if is_float and node.upper == 0 else node.upper
        limits["lte" if node.upper_included else "lt"] = limit
    return {"range": {node.field: limits}}


def _exists(node: tree.Exists) -> Body:
    field = node.field
    if untyped.in_extra(field):
        return {"exists": {"field": field}}
    if node.kind is FieldKind.OBJECT:
        below = [key for key in KEYS_OF_OBJECTS if key.startswith(f"{field}.")]
        return _any_of([_present(key) for key in below or [indexed(field, node.kind)]])
    return _present(field)


def _present(field: str) -> Body:
    """Return the query for a field that exists, even if its value is too long to be indexed."""
    return _any_of([{"exists": {"field": field}}, {"term": {"_ignored": field}}])


def indexed(field: str, kind: FieldKind) -> str:
    """
    Return the field if Elasticsearch indexes it.

    Raises:
        QueryError: it is a key of an object that the mapping does not have.
    """
    if kind is FieldKind.OBJECT and field not in KEYS_OF_OBJECTS and not untyped.in_extra(field):
        head = field.partition(".")[0]
        known = ", ".join(key for key in KEYS_OF_OBJECTS if key.startswith(f"{head}."))
        raise QueryError(f"{field} is not indexed in Elasticsearch", f"use one of {known}")
    return field
