"""`shipper search --stats`, `--percentiles` and `--patterns`: numbers in place of records."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from shipper.store.api import (
    Aggregation,
    Average,
    Bucket,
    Buckets,
    DateHistogram,
    Filters,
    Maximum,
    Minimum,
    Number,
    Percentiles,
    PercentileValues,
    Question,
    Result,
    Sum,
    Terms,
    buckets_of,
)
from shipper.store.patterns import MessagePattern, cluster
from shipper.store.query.tokens import escaped
from shipper.text import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipper.commands.search_options import SearchOptions
    from shipper.store.api import Selection, Store

PERCENTS: Final = (50.0, 90.0, 95.0, 99.0)
PATTERN_RECORDS: Final = 20_000  # the newest, whose messages are clustered


def numbers_of(store: Store, options: SearchOptions, selection: Selection) -> list[dict[str, Any]]:
    """Return the rows of --stats or --percentiles: one, or one per value or time slot."""
    field = options.stats or options.percentiles or ""
    wanted = _statistics(field) if options.stats else _percentiles(field)
    if options.by:
        terms = Terms(options.by[0], options.limit or 10, wanted)
        (answer,) = store.ask([Question(selection, {"groups": terms})])
        return [
            {options.by[0]: each.key, **_row(each.results)}
            for each in buckets_of(answer, "groups").buckets
        ]
    if options.every is not None:
        slots = DateHistogram(options.every, wanted)
        (answer,) = store.ask([Question(selection, {"groups": slots})])
        return [_slot(each, options) for each in buckets_of(answer, "groups").buckets]
    (answer,) = store.ask([Question(selection, wanted)])
    row = _row(answer.results)
    return [row] if row["records"] else []


def patterns_of(
    store: Store, options: SearchOptions, selection: Selection
) -> tuple[list[MessagePattern], int, int]:
    """Return the patterns of the newest messages, how many these are, and of how many records."""
    found = store.search(selection, limit=PATTERN_RECORDS)
    messages = [str(hit.source.get("message", "")) for hit in found.hits]
    return cluster(messages, options.limit or 20), len(messages), found.total


def _slot(slot: Bucket, options: SearchOptions) -> dict[str, Any]:
    zone = UTC if options.as_json else options.zone
    return {"time": instant(int(slot.key), zone=zone), **_row(slot.results)}


def _statistics(field: str) -> Mapping[str, Aggregation]:
    return {
        **_records(field),
        "min": Minimum(field),
        "mean": Average(field),
        "max": Maximum(field),
        "sum": Sum(field),
    }


def _percentiles(field: str) -> Mapping[str, Aggregation]:
    return {**_records(field), "p": Percentiles(field, PERCENTS), "max": Maximum(field)}


def _records(field: str) -> Mapping[str, Aggregation]:
    return {"records": Filters({"records": f"{escaped(field)}:*"})}


def _row(results: Mapping[str, Result]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, result in results.items():
        if isinstance(result, Number):
            row[name] = result.value
        elif isinstance(result, PercentileValues):
            row |= {f"p{percent:g}": value for percent, value in result.values.items()}
        elif isinstance(result, Buckets):
            row[name] = sum(bucket.count for bucket in result.buckets)
    return row
