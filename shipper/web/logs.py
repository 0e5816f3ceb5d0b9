"""The log page: histogram, facets and the newest records of a query, in one round."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shipper.errors import QueryError
from shipper.store.api import (
    AggregateAnswer,
    Buckets,
    Question,
    Sort,
    Terms,
    buckets_of,
)
from shipper.store.elasticsearch.curl import curl_of
from shipper.store.hit_text import hit_json
from shipper.store.query.parser import parse
from shipper.text import plain, safe
from shipper.times import iso
from shipper.view.records import CSV_COLUMNS, cell_of
from shipper.web import histogram
from shipper.web.rows import RecordRow, condition, row_of

if TYPE_CHECKING:
    from shipper.store.api import Hit, Store
    from shipper.store.elasticsearch.curl import CurlPlace
    from shipper.web.place import PagePlace

SHOWN: Final = 50
MOST_DOWNLOADED: Final = 10_000
MOST_SHOWN: Final = 500  # of one trace
FACET_VALUES: Final = 6
CHOSEN: Final = "chosen "  # before the name of a field, which could be that of another count
MOST_NAMES: Final = 150  # of fields that complete a query
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NAME: Final = re.compile(r"[A-Za-z_@][\w.@-]{0,99}", re.ASCII)
FACETS: Final = (
    "level",
    "event.dataset",
    "service.name",
    "host.name",
    "error_type",
    "status_code",
    "route",
)


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a field, its count, and the addresses that filter for it and against it."""

    text: str
    count: int
    only: str
    without: str


@dataclass(frozen=True, slots=True)
class Facet:
    """
    The most frequent values of a field; `others` counts the records with other values.

    A field of choice has the address `gone` without it, and where it has no values the `fault`.
    """

    field: str
    values: Sequence[FacetValue]
    others: int = 0
    gone: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class LogsPage:
    """What the log page shows."""

    total: int
    histogram: str
    facets: Sequence[Facet]
    rows: Sequence[RecordRow]
    command: str  # for a terminal
    curl: str  # for one, too; empty where there is none
    completions: Sequence[str]


def logs_page(store: Store, place: PagePlace, curl: CurlPlace | None = None) -> LogsPage:
    """
    Ask for the page; `curl` is where Elasticsearch can be asked for it.

    Raises:
        QueryError: the query is wrong.
        StoreUnavailable: the store cannot be read now.
    """
    parse(place.query)
    usual = {field: Terms(field, FACET_VALUES) for field in FACETS}
    chosen = {
        f"{CHOSEN}{field}": Terms(field, FACET_VALUES)
        for field in place.facets
        if field not in FACETS
    }
    asked = {**histogram.aggregations(place.slot_ms), **usual}
    found: list[tuple[str, Buckets | str]]
    try:
        (answer,) = store.ask([Question(place.selection, {**asked, **chosen})])
        found = [(each.field, buckets_of(answer, name)) for name, each in chosen.items()]
    except QueryError:
        if not chosen:
            raise
        (answer,) = store.ask([Question(place.selection, asked)])
        found = [(each.field, _count(store, place, each)) for each in chosen.values()]
    counted = [(field, buckets_of(answer, field)) for field in FACETS]
    rows = rows_of(store, place, SHOWN, curl) if answer.total else []
    return LogsPage(
        answer.total,
        histogram.draw(answer, place),
        [*_facets([*counted, *found], place)],
        rows,
        safe(command_of(place)),
        curl_of(curl, place.selection, limit=SHOWN, sort=_sort_of(place)) if curl else "",
        _completions(rows, answer, place),
    )


def _sort_of(place: PagePlace) -> Sort:
    return Sort.ASC if place.ascending else Sort.DESC


def rows_of(
    store: Store, place: PagePlace, most: int, curl: CurlPlace | None = None
) -> list[RecordRow]:
    """Return the first records of a page in its order; `curl` as for the page."""
    return [
        row_of(hit, place, curl)
        for hit in store.search(
            place.selection, limit=most, sort=_sort_of(place), counted=False
        ).hits
    ]


def _to_download(store: Store, place: PagePlace) -> Sequence[Hit]:
    return store.search(
        place.selection, limit=MOST_DOWNLOADED, sort=_sort_of(place), counted=False
    ).hits


def lines_of(store: Store, place: PagePlace) -> str:
    """Return the first records of a page in its order as JSON lines."""
    hits = _to_download(store, place)
    return "".join(f"{hit_json(hit)}\n" for hit in hits)


def csv_of(store: Store, place: PagePlace) -> str:
    """
    Return the first records of a page in its order as CSV, with the usual columns.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    hits = _to_download(store, place)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    writer.writerows([_cell(cell_of(hit, name)) for name in CSV_COLUMNS] for hit in hits)
    return text.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else plain(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _completions(rows: Sequence[RecordRow], answer: AggregateAnswer, place: PagePlace) -> list[str]:
    """Return the query of the page with one more field, and with one more frequent value."""
    names = {*FACETS, *(field.name for row in rows for field in row.fields)}
    known = sorted(name for name in names if _NAME.fullmatch(name))[:MOST_NAMES]
    found = (
        condition(field, each.key) for field in FACETS for each in buckets_of(answer, field).buckets
    )
    return [place.adding(each) for each in (*(f"{name}:" for name in known), *filter(None, found))]


def command_of(place: PagePlace) -> str:
    """Return the command that asks for the same records in a terminal."""
    words = ["--since", iso(place.since), "--until", iso(place.until)]
    if place.range:
        words = ["--since", place.range]
    if place.query.startswith("-"):  # it is no option
        words += ["--", place.query]
    elif place.query:
        words.insert(0, place.query)
    return shlex.join(["shipper", "search", *words])


def _count(store: Store, place: PagePlace, terms: Terms) -> Buckets | str:
    """Return the counts of one field, or why there are none."""
    try:
        (answer,) = store.ask([Question(place.selection, {CHOSEN: terms})])
    except QueryError as error:
        return str(error)
    return buckets_of(answer, CHOSEN)


def _facets(counted: Iterable[tuple[str, Buckets | str]], place: PagePlace) -> Iterator[Facet]:
    for field, found in counted:
        gone = "" if field in FACETS else place.without_facet(field)
        if isinstance(found, str):
            yield Facet(safe(field), (), gone=gone, fault=safe(found))
            continue
        values = []
        for bucket in found.buckets:
            only = condition(field, bucket.key)
            values.append(
                FacetValue(
                    safe(str(bucket.key))[:120],
                    bucket.count,
                    place.link(q=place.adding(only)) if only else "",
                    place.link(q=place.adding(f"NOT {only}")) if only else "",
                )
            )
        if values:
            yield Facet(safe(field), values, found.others, gone)
        elif gone:
            yield Facet(safe(field), (), gone=gone, fault="none of these records has this field")
