"""
What can be asked in an aggregation, the same for every store.

`request_id` differs from record to record: to count by it would be to list the records, so it has
no column for that, and the question is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store.api import (
    Aggregation,
    Cardinality,
    DateHistogram,
    Filters,
    Percentiles,
    Statistic,
    Terms,
)
from shipper.store.query.parser import parse
from shipper.store.query.values import find_field

UNGROUPED: Final = "request_id"


def below(aggregation: Aggregation) -> Mapping[str, Aggregation]:
    """Give what is asked within each bucket of an aggregation."""
    if isinstance(aggregation, (Terms, DateHistogram, Filters)):
        return aggregation.aggregations
    return {}


def field_of(aggregation: Aggregation) -> tuple[str, FieldKind]:
    """Give the path and the kind of the field that an aggregation looks at."""
    if isinstance(aggregation, (DateHistogram, Filters)):
        return "@timestamp", FieldKind.DATE
    return find_field(aggregation.field)


def check(aggregations: Mapping[str, Aggregation]) -> None:
    """
    Find what can't be asked before anything is.

    Raises:
        QueryError: a field is not of the kind that its aggregation needs, a number makes no
            sense, or a filter is no query.
    """
    for aggregation in aggregations.values():
        match aggregation:
            case DateHistogram(interval_ms=interval) if interval <= 0:
                raise QueryError(f"slots of {interval} ms can't be counted; use 1 or more")
            case Terms(size=size) if size <= 0:
                raise QueryError(f"the first {size} values can't be given; use 1 or more")
            case Percentiles(percents=percents) if not all(0 <= p <= 100 for p in percents):
                raise QueryError("percentiles lie between 0 and 100")
            case Terms() | Cardinality():
                _check_values(*field_of(aggregation))
            case _ if isinstance(aggregation, (Percentiles, Statistic)):
                _check_numbers(*field_of(aggregation))
            case Filters(queries=queries):
                for query in queries.values():
                    parse(query)
            case _:
                pass
        check(below(aggregation))


def _check_values(field: str, kind: FieldKind) -> None:
    if kind is FieldKind.TEXT:
        raise QueryError(f"{field} is text and has no values to count; filter by its words")
    if kind is FieldKind.DATE:
        raise QueryError(f"{field} is a time; count it by slots of a date histogram")
    if field == UNGROUPED:
        raise QueryError(f"{field} differs in every request and can't be counted; search for it")
    _check_key(field, kind)


def _check_numbers(field: str, kind: FieldKind) -> None:
    _check_key(field, kind)
    in_extra = kind is FieldKind.OBJECT and field.startswith("extra.")
    if not in_extra and kind not in (FieldKind.INTEGER, FieldKind.FLOAT):
        raise QueryError(f"{field} holds no numbers; ask for one that does, as duration_ms")


def _check_key(field: str, kind: FieldKind) -> None:
    if kind is FieldKind.OBJECT and "." not in field:
        raise QueryError(f"{field} is an object; name a key of it, as {field}.name")
