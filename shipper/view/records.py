"""Records and answers as tables and CSV, with chosen columns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from shipper.fields import resolve
from shipper.store.inventory import value_at
from shipper.text import Paint, instant, plain, safe, safe_json, safe_lines, table

if TYPE_CHECKING:
    from shipper.store.api import Hit
    from shipper.store.inventory import Inventory
    from shipper.store.patterns import MessagePattern

CSV_COLUMNS = (
    *("timestamp", "level", "host.name", "service.name", "event.dataset", "logger", "message"),
    "_id",
)
_LONGEST_CELL = 80


def cell_of(hit: Hit, column: str, zone: tzinfo = UTC) -> Any:
    """Return the value of a column, by the name that a query has for the field."""
    if column == "_id":
        return hit.id
    path, _ = resolve(column)
    return instant(hit.time, zone=zone) if path == "@timestamp" else value_at(hit.source, path)


def columns_text(
    hits: Iterable[Hit], columns: Sequence[str], paint: Paint, zone: tzinfo
) -> list[str]:
    """Return records as a table."""
    rows = [[_short(cell_of(hit, name, zone)) for name in columns] for hit in hits]
    heading, *lines = table([[safe(name) for name in columns], *rows])
    return [paint.strong(heading), *lines]


def columns_json(hit: Hit, columns: Sequence[str]) -> str:
    """Return the chosen fields of a record, without those it does not have."""
    found = {name: cell_of(hit, name) for name in columns}
    return safe_json({name: value for name, value in found.items() if value is not None})


def hits_csv(hits: Iterable[Hit], columns: Sequence[str], zone: tzinfo) -> list[str]:
    """Return records as CSV with a heading."""
    rows = [[_csv_cell(cell_of(hit, name, zone)) for name in columns] for hit in hits]
    return _csv([columns, *rows])


def objects_csv(lines: Iterable[str]) -> list[str]:
    """Return JSON objects, one a line, as CSV; the keys of an object in them are columns, too."""
    rows = [_flat(json.loads(line)) for line in lines]
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_csv_cell(row.get(name)) for name in names] for row in rows]
    return _csv([names, *cells])


def fields_text(found: Inventory, paint: Paint) -> list[str]:
    """Return a table of the fields of records."""
    whole = found.sample == found.total
    rows = [
        [
            safe(each.name),
            each.kind,
            _share(each.count, found.total),
            f"{'' if whole else '≥ '}{each.distinct:,}",
            ", ".join(_short(example) for example in each.examples),
        ]
        for each in found.fields
    ]
    heading, *lines = table([["field", "type", "records", "distinct", "examples"], *rows])
    return [paint.strong(heading), *lines]


def fields_json(found: Inventory) -> list[str]:
    """Return an object per field."""
    return [
        safe_json(
            {
                "field": each.name,
                "type": each.kind,
                "count": each.count,
                "share": None if each.count is None else round(each.count / found.total, 6),
                "distinct": each.distinct,
                "exact": found.sample == found.total,
                "examples": list(each.examples),
            }
        )
        for each in found.fields
    ]


def patterns_text(found: Sequence[MessagePattern], total: int, paint: Paint) -> list[str]:
    """Return a table of patterns of messages."""
    rows = [
        [f"{each.count:,}", f"{100 * each.count / total:.1f} %", safe(each.template)]
        for each in found
    ]
    heading, *lines = table([["count", "share", "pattern"], *rows], right={0, 1})
    return [paint.strong(heading), *lines]


def patterns_json(found: Sequence[MessagePattern], total: int) -> list[str]:
    """Return an object per pattern."""
    return [
        safe_json(
            {
                "pattern": each.template,
                "count": each.count,
                "share": round(each.count / total, 6),
                "example": each.example,
            }
        )
        for each in found
    ]


def numbers_text(rows: Sequence[Mapping[str, Any]], paint: Paint) -> list[str]:
    """Return a table of statistics; every row has the same keys."""
    names = list(rows[0])
    cells = [["-" if row[name] is None else _number(row[name]) for name in names] for row in rows]
    heading, *lines = table([[safe(name) for name in names], *cells], right=range(1, len(names)))
    return [paint.strong(heading), *lines]


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else plain(value)


def _share(count: int | None, total: int) -> str:
    return "?" if count is None else f"{100 * count / total:5.1f} %"


def _short(value: Any) -> str:
    text = "-" if value is None else plain(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= value if isinstance(value, Mapping) else {name: value}
    return flat


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return safe_json(value)
    return safe_lines(value)  # a file may be shown in a terminal, too


def _csv(rows: Iterable[Sequence[str]]) -> list[str]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return [text.getvalue().removesuffix("\n")]
