"""
Checks of aggregations that hold for every store.

`request_id` differs from record to record, so counting by it would list the records; it has no
column for that, and such a question is refused.
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
    Distribution,
    Filters,
    Percentiles,
    Statistic,
    Terms,
)
from shipper.store.query.parser import parse
from shipper.store.query.values import find_field

UNGROUPED: Final = "request_id"


def nested(aggregation: Aggregation) -> Mapping[str, Aggregation]:
    """Return the aggregations nested in each bucket."""
    if isinstance(aggregation, (Terms, DateHistogram, Filters)):
        return aggregation.aggregations
    return {}


def field_of(aggregation: Aggregation) -> tuple[str, FieldKind]:
    """Return the path and the kind of the field that is aggregated."""
    if isinstance(aggregation, (DateHistogram, Filters)):
        return "@timestamp", FieldKind.DATE
    return find_field(aggregation.field)


def check(aggregations: Mapping[str, Aggregation]) -> None:
    """
    Check aggregations, without a store.

    Raises:
        QueryError: a field is not of the kind that its aggregation needs, a number is out of
            range, or a filter is not a query.
    """
    for aggregation in aggregations.values():
        match aggregation:
            case DateHistogram(interval_ms=interval) if interval <= 0:
                raise QueryError(
                    f"the slot length {interval} ms is out of range", "use 1 ms or more"
                )
            case Terms(size=size) if size <= 0:
                raise QueryError(f"the size {size} is out of range", "use 1 or more")
            case Percentiles(percents=percents) if not all(0 <= p <= 100 for p in percents):
                raise QueryError("a percentile is out of range", "use 0 to 100")
            case Terms() | Cardinality():
                _check_values(*field_of(aggregation))
            case Distribution():
                _check_typed(*field_of(aggregation))
            case _ if isinstance(aggregation, (Percentiles, Statistic)):
                _check_numbers(*field_of(aggregation))
            case Filters(queries=queries):
                for query in queries.values():
                    parse(query)
            case _:
                pass
        check(nested(aggregation))


def _check_values(field: str, kind: FieldKind) -> None:
    if kind is FieldKind.TEXT:
        raise QueryError(f"{field} is text and has no values to count", "filter by its words")
    if kind is FieldKind.DATE:
        raise QueryError(f"{field} is a date and has no values to count", "use a date histogram")
    if field == UNGROUPED:
        raise QueryError(
            f"{field} differs in every request and cannot be counted", "search for one value"
        )
    _check_key(field, kind)


def _check_numbers(field: str, kind: FieldKind) -> None:
    _check_key(field, kind)
    in_extra = kind is FieldKind.OBJECT and field.startswith("extra.")
    if not in_extra and kind not in (FieldKind.INTEGER, FieldKind.FLOAT):
        raise QueryError(f"{field} holds no numbers", "use a field that does, such as duration_ms")


def _check_typed(field: str, kind: FieldKind) -> None:
    if kind not in (FieldKind.INTEGER, FieldKind.FLOAT):
        raise QueryError(f"{field} has no distribution", "use duration_ms or execution_time_ms")


def _check_key(field: str, kind: FieldKind) -> None:
    if kind is FieldKind.OBJECT and "." not in field:
        raise QueryError(f"{field} is an object", f"name one of its keys, such as {field}.name")
