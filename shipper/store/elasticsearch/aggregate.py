"""
Aggregations as Elasticsearch requests, and its responses as results of the store.

Where Elasticsearch differs from what the stores promise:

    Terms           exact only if no shard omits a value: each returns up to 65,000
    Cardinality     an estimate: the values are listed and counted here
    Percentiles     interpolated, or of the rank below: see `_percents`
    Distribution    a range per bin, as no histogram has these bins
    DateHistogram   would return every empty slot: they are filled in here
    keys of extra   are texts: listed, and read as values here

https://www.elastic.co/docs/reference/aggregations/search-aggregations-bucket-terms-aggregation
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store import untyped
from shipper.store.answers import (
    MAX_VALUES,
    Key,
    by_frequency,
    percentile,
    rank_of,
    slots_of,
    too_many_values,
)
from shipper.store.api import (
    Aggregation,
    Average,
    Bucket,
    Buckets,
    Cardinality,
    DateHistogram,
    Distribution,
    DistributionCounts,
    Filters,
    Maximum,
    Minimum,
    Number,
    Percentiles,
    PercentileValues,
    Result,
    Selection,
    Statistic,
    Sum,
    Terms,
)
from shipper.store.distribution import BOUNDS
from shipper.store.elasticsearch.compile import Body, indexed
from shipper.store.questions import field_of, nested

Aggregations = Mapping[str, Aggregation]

HALVES: Final = 24  # the rank is exact among up to 2**24 numbers


def list_values(field: str) -> Body:
    """Return the aggregation that lists every value of a field."""
    return {"terms": {"field": field, "size": MAX_VALUES, "shard_size": MAX_VALUES}}


def values_listed(field: str, found: Body) -> list[Body]:
    """Return the buckets of `list_values`; raise QueryError if some are missing."""
    if found.get("sum_other_doc_count") or found.get("doc_count_error_upper_bound"):
        raise too_many_values(field)
    buckets: list[Body] = found.get("buckets", [])
    return buckets


# Requests.


def bodies(aggregations: Aggregations, compile_query: Callable[[str], Body]) -> Body:
    """Return the requests for the aggregations of one level, named by their position."""
    made: Body = {}
    for index, aggregation in enumerate(aggregations.values()):
        body = _body(aggregation, compile_query)
        inner = bodies(nested(aggregation), compile_query)
        made[str(index)] = {**body, "aggs": inner} if inner else body
        if _by_histogram(aggregation):
            made[f"{index}.stats"] = {"stats": {"field": field_of(aggregation)[0]}}
    return made


def _body(  # noqa: PLR0911 - one per aggregation
    aggregation: Aggregation, compile_query: Callable[[str], Body]
) -> Body:
    field = indexed(*field_of(aggregation))
    match aggregation:
        case Terms(size=size) if not untyped.in_extra(field):
            size = min(size, MAX_VALUES)
            return {"terms": {"field": field, "size": size, "shard_size": MAX_VALUES}}
        case DateHistogram(interval_ms=interval):
            slots = {"field": field, "fixed_interval": f"{interval}ms", "min_doc_count": 1}
            return {"date_histogram": slots}
        case Filters(queries=queries):
            return {"filters": {"filters": [compile_query(query) for query in queries.values()]}}
        case Percentiles() if _by_histogram(aggregation):
            return _hdr(aggregation)
        case Distribution():
            return _bins(field)
        case _ if isinstance(aggregation, Statistic) and not untyped.in_extra(field):
            return {"stats": {"field": field}}
        case _:
            return list_values(field)


def _by_histogram(aggregation: Aggregation) -> bool:
    return isinstance(aggregation, Percentiles) and not untyped.in_extra(field_of(aggregation)[0])


def _hdr(aggregation: Percentiles) -> Body:
    """
    Return the request for percentiles by an HDR histogram, whose error is less than 1 %.

    It fails on negative numbers, so they are filtered out and reported by `_of_hdr`.
    """
    field, kind = field_of(aggregation)
    digits = 3 if kind is FieldKind.INTEGER else 2
    percents = sorted({each for percent in aggregation.percents for each in _percents(percent)})
    hdr = {"number_of_significant_value_digits": digits}
    asked = {"field": field, "percents": percents, "keyed": False, "hdr": hdr}
    return {"filter": {"range": {field: {"gte": 0}}}, "aggs": {"p": {"percentiles": asked}}}


def _bins(field: str) -> Body:
    """Return the request for a distribution: its bins in order, each without its upper bound."""
    edges = [None, *BOUNDS, None]
    ranges = [
        {name: edge for name, edge in (("from", low), ("to", high)) if edge is not None}
        for low, high in pairwise(edges)
    ]
    return {"range": {"field": field, "ranges": ranges}}


def _percents(percent: float) -> list[float]:
    """
    Return the percents to ask for, one of which has the right rank whatever the number of values.

    A percentile is the number of rank ⌈p·n⌉, but the histogram returns that of rank ⌊p·n + ½⌋: one
    too low where p·n has a fraction below ½. Adding half a rank to one rank to p corrects it, and
    50/2^k percent are that much for 2^k ≤ n < 2^(k+1).
    """
    more = (percent + 50 / 2**k for k in range(HALVES))
    return [float(percent), *(each for each in more if each <= 100)]


# Answers.


def results(aggregations: Aggregations, level: Body, selection: Selection) -> dict[str, Result]:
    """Return the results of one level: of the whole selection, or nested in a bucket."""
    return {
        name: _result(aggregation, str(index), level, selection)
        for index, (name, aggregation) in enumerate(aggregations.items())
    }


def _result(  # noqa: PLR0911 - one per aggregation
    aggregation: Aggregation, name: str, level: Body, selection: Selection
) -> Result:
    found: Body = level.get(name, {})
    field, kind = field_of(aggregation)
    match aggregation:
        case Terms():
            return _terms(aggregation, found, selection)
        case DateHistogram():
            return _histogram(aggregation, found, selection)
        case Filters(queries=queries):
            chosen = found.get("buckets") or [{}] * len(queries)
            pairs = zip(queries, chosen, strict=True)
            return Buckets([_bucket(key, aggregation, b, selection) for key, b in pairs])
        case Percentiles() if _by_histogram(aggregation):
            return _of_hdr(aggregation, found, level.get(f"{name}.stats", {}), kind)
        case Distribution():
            bins = enumerate(found.get("buckets", ()))
            return DistributionCounts(
                {b: each["doc_count"] for b, each in bins if each["doc_count"]}
            )
        case Percentiles(percents=percents):
            numbers = _numbers(field, found)
            return PercentileValues({p: percentile(numbers, p) for p in percents})
        case Cardinality():
            return Number(len(_by_value(field, values_listed(field, found))))
        case _:
            stats = _stats_of(_numbers(field, found)) if untyped.in_extra(field) else found
            return Number(_statistic(aggregation, stats) if stats.get("count") else None)


def _bucket(
    key: Key, aggregation: Terms | DateHistogram | Filters, found: Body, selection: Selection
) -> Bucket:
    inner = results(aggregation.aggregations, found, selection)
    return Bucket(key, found.get("doc_count", 0), inner)


def _terms(aggregation: Terms, found: Body, selection: Selection) -> Buckets:
    field, _ = field_of(aggregation)
    if untyped.in_extra(field):
        return _terms_of_extra(aggregation, values_listed(field, found), selection)
    if found.get("doc_count_error_upper_bound"):
        raise too_many_values(field)
    buckets = found.get("buckets", ())
    made = [_bucket(bucket["key"], aggregation, bucket, selection) for bucket in buckets]
    return Buckets(made, found.get("sum_other_doc_count", 0))


def _terms_of_extra(aggregation: Terms, found: Sequence[Body], selection: Selection) -> Buckets:
    """Merge the buckets whose texts spell the same value."""
    by_value = _by_value(field_of(aggregation)[0], found)
    counts = {key: sum(b["doc_count"] for b in buckets) for key, buckets in by_value.items()}
    ordered = by_frequency(counts)
    first, others = ordered[: aggregation.size], ordered[aggregation.size :]
    made = []
    for key, count in first:
        bucket, *more = by_value[key]
        if more and aggregation.aggregations:
            raise QueryError(
                f"the records spell {key} of {aggregation.field} in several ways, and "
                "Elasticsearch cannot aggregate within all of them",
                f"select the value in the query instead: {aggregation.field}:{key}",
            )
        made.append(_bucket(key, aggregation, {**bucket, "doc_count": count}, selection))
    return Buckets(made, sum(count for _, count in others))


def _by_value(field: str, buckets: Iterable[Body]) -> dict[Key, list[Body]]:
    """Return the buckets by the value that their key stands for."""
    found: dict[Key, list[Body]] = {}
    for bucket in buckets:
        key = bucket["key"]
        if untyped.in_extra(field):
            value = untyped.read(key)
            key = untyped.write(value) if isinstance(value, bool) else value
        found.setdefault(key, []).append(bucket)
    return found


def _histogram(aggregation: DateHistogram, found: Body, selection: Selection) -> Buckets:
    by_time = {int(bucket["key"]): bucket for bucket in found.get("buckets", ())}
    slots = slots_of(aggregation, by_time.keys(), selection)
    return Buckets([_bucket(slot, aggregation, by_time.get(slot, {}), selection) for slot in slots])


def _of_hdr(
    aggregation: Percentiles, found: Body, stats: Body, kind: FieldKind
) -> PercentileValues:
    total = stats.get("count", 0)
    if not total:
        return PercentileValues(dict.fromkeys(aggregation.percents))
    if stats["min"] < 0:
        raise QueryError(
            f"{aggregation.field} has negative numbers, of which Elasticsearch has no percentiles",
            f"exclude them with {aggregation.field}:>=0",
        )
    by_percent = {each["key"]: each["value"] for each in found["p"]["values"]}
    values: dict[float, float | None] = {}
    for percent in aggregation.percents:
        value = by_percent[_percent_of_rank(percent, total)]
        value = min(max(value, stats["min"]), stats["max"])
        values[percent] = int(value) if kind is FieldKind.INTEGER else value
    return PercentileValues(values)


def _percent_of_rank(percent: float, total: int) -> float:
    """Return the percent whose rank is right among `total` numbers."""
    rank, percents = rank_of(percent, total), _percents(percent)
    fits = (each for each in percents if max(1, int(each / 100 * total + 0.5)) == rank)
    return next(fits, percents[0])


def _numbers(field: str, found: Body) -> dict[float, int]:
    """Return the numbers among the values of a key of `extra`, and how many records have each."""
    counts: dict[float, int] = {}
    for value, buckets in _by_value(field, values_listed(field, found)).items():
        if not isinstance(value, str):
            counts[value] = sum(bucket["doc_count"] for bucket in buckets)
    return counts


def _stats_of(counts: Mapping[float, int]) -> Body:
    """Return what the stats aggregation would return for these numbers and their counts."""
    return {
        "count": sum(counts.values()),
        "sum": sum(number * count for number, count in counts.items()),
        "min": min(counts, default=None),
        "max": max(counts, default=None),
    }


def _statistic(aggregation: Statistic, stats: Body) -> float:
    match aggregation:
        case Average():
            value: float = stats["sum"] / stats["count"]
        case Sum():
            value = stats["sum"]
        case Minimum():
            value = stats["min"]
        case Maximum():
            value = stats["max"]
    return value
