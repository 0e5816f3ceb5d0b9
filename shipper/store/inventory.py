"""
Which fields the records of a selection have.

The names, the types, the examples and the number of distinct values come from the newest records,
`sample` of them; how many records have each field is counted exactly, over all of the selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.errors import QueryError
from shipper.fields import FIELDS, FieldKind, resolve
from shipper.store.api import Filters, Question, Selection, Store, buckets_of
from shipper.store.query.tokens import escaped

SAMPLE: Final = 5000
MAX_FIELDS: Final = 500  # more are no fields, but values that somebody uses as names
MAX_DEPTH: Final = 16
EXAMPLES: Final = 3
EXAMPLE_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class FieldFound:
    """
    A field of some records.

    `count` is the number of records that have it, None if the store cannot count them; `distinct`
    that of its different values in the sample, `in_sample` how many records of that have it.
    """

    name: str
    kind: str
    count: int | None
    in_sample: int
    distinct: int
    examples: Sequence[str]


@dataclass(frozen=True, slots=True)
class Inventory:
    """The fields of a selection of `total` records, the most frequent first."""

    fields: Sequence[FieldFound]
    total: int
    sample: int
    left_out: int


@dataclass(slots=True)
class _Values:
    """The values of a field so far."""

    kinds: set[str] = field(default_factory=set)
    records: int = 0
    hashes: set[int] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)

    def add(self, value: Any) -> None:
        """Add the value that a record has."""
        self.records += 1
        for each in value if isinstance(value, list) else [value]:
            self.kinds.add(_kind(each))
            text = each if isinstance(each, str) else str(each)
            self.hashes.add(hash(text))
            short = text[:EXAMPLE_LENGTH]
            if len(self.examples) < EXAMPLES and short not in self.examples:
                self.examples.append(short)


def fields_of_records(store: Store, selection: Selection, sample: int = SAMPLE) -> Inventory:
    """
    Return the fields of a selection.

    Raises:
        QueryError: the selection cannot be answered.
        StoreUnavailable: the store cannot be read.
    """
    hits = store.search(selection, limit=sample)
    seen: dict[str, _Values] = {}
    left_out = set[str]()
    for hit in hits.hits:
        for name, value in leaves(hit.source):
            if name not in seen and len(seen) >= MAX_FIELDS:
                left_out.add(name) if len(left_out) < MAX_FIELDS else None
            else:
                seen.setdefault(name, _Values()).add(value)
    total, counts = _counts(store, selection, [*seen])
    fields = [
        FieldFound(
            _queried(name),
            _known_kind(name) or "/".join(sorted(values.kinds)),
            counts.get(name),
            values.records,
            len(values.hashes),
            values.examples,
        )
        for name, values in seen.items()
    ]
    fields.sort(key=lambda each: (-(each.count or each.in_sample), each.name))
    return Inventory(fields, max(total, hits.total), len(hits.hits), len(left_out))


def leaves(
    source: Mapping[str, Any], within: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a record; an object that is too deep is a value."""
    for key, value in source.items():
        name = f"{within}{key}"
        if name == "timestamp":
            continue  # another name of `@timestamp`
        if isinstance(value, Mapping) and value and depth < MAX_DEPTH:
            yield from leaves(value, f"{name}.", depth + 1)
        else:
            yield name, value


def value_at(source: Mapping[str, Any], path: str) -> Any:
    """Return the value of a field by its path, None without one; a key may have dots in it."""
    if path in source:
        return source[path]
    at = path.find(".")
    while at > 0:
        inner = source.get(path[:at])
        if isinstance(inner, Mapping):
            found = value_at(inner, path[at + 1 :])
            if found is not None:
                return found
        at = path.find(".", at + 1)
    return None


def _counts(store: Store, selection: Selection, names: Sequence[str]) -> tuple[int, dict[str, int]]:
    """
    Return the number of records, and how many have each field that the store can count.

    Records arrive between two questions, so count and number of a share are those of one question.
    """
    if not names:
        return 0, {}
    queries = {name: f"{escaped(name)}:*" for name in names}
    try:
        (answer,) = store.ask([Question(selection, {"fields": Filters(queries)})])
    except QueryError:
        if len(names) == 1:
            return 0, {}
        half = len(names) // 2  # to find the field that cannot be counted
        before, some = _counts(store, selection, names[:half])
        after, others = _counts(store, selection, names[half:])
        return max(before, after), some | others
    buckets = buckets_of(answer, "fields").buckets
    return answer.total, {str(bucket.key): bucket.count for bucket in buckets}


def _queried(name: str) -> str:
    """Return how a query names a field: without `extra.`, unless that is another field."""
    short = name.removeprefix("extra.")
    return short if resolve(short)[0] == name else name


def _known_kind(name: str) -> str:
    known = FIELDS.get(name)
    return known.kind if known and known.kind is not FieldKind.OBJECT else ""


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return FieldKind.INTEGER
    if isinstance(value, float):
        return FieldKind.FLOAT
    if isinstance(value, str):
        return FieldKind.KEYWORD
    return "null" if value is None else FieldKind.OBJECT
