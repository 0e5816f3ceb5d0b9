"""
The columns of a piece, and how DuckDB makes them of the lines of commits.

    known fields      typed, by their own names; `tags` is a list
    objects           the keys that enrichment adds, typed, by their dotted names
    _leaves           the values of `extra`, and of objects of another shape: key, type, text,
                      number
    _doc              the whole document as it was stored
    _order            number of the commit << 32 | index in it: the order of storing
    _ms               `@timestamp` in epoch milliseconds
    _stream           } origin of a record whose `_id` is not `<run>-<seq>`
    _position         }

A line of a commit has seven texts, separated by the character 1, which no JSON contains:
order, stream, position, ms, leaves, fields, document. `fields` is the JSON of the known fields
where they are not to be read from the document itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from shipper.fields import FIELDS, FieldKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SEPARATOR: Final = "\x01"
ORDER_BITS: Final = 32
LEAVES: Final = "STRUCT(k VARCHAR, t VARCHAR, v VARCHAR, n DOUBLE)[]"
MAX_LINE_BYTES: Final = 80 << 20  # a document of 16 MiB, its fields and leaves

_TYPES: Final = {
    FieldKind.KEYWORD: "VARCHAR",
    FieldKind.TEXT: "VARCHAR",
    FieldKind.INTEGER: "BIGINT",
    FieldKind.FLOAT: "DOUBLE",
}

# The keys of objects that have a column.
OBJECT_KEYS: Final = {
    "host.name": "VARCHAR",
    "service.name": "VARCHAR",
    "service.environment": "VARCHAR",
    "service.version": "VARCHAR",
    "event.dataset": "VARCHAR",
    "event.kind": "VARCHAR",
    "event.category": "VARCHAR[]",
    "event.created": "TIMESTAMP",
    "error.category": "VARCHAR",
    "log.file.path": "VARCHAR",
    "log.stream": "VARCHAR",
    "log.offset": "BIGINT",
    "data_stream.type": "VARCHAR",
    "data_stream.dataset": "VARCHAR",
    "data_stream.namespace": "VARCHAR",
}
KNOWN: Final = {
    f.name: "VARCHAR[]" if f.name == "tags" else _TYPES[f.kind]
    for f in FIELDS.values()
    if f.kind in _TYPES
}
COLUMNS: Final = {
    "_order": "BIGINT",
    "_ms": "BIGINT",
    "_stream": "VARCHAR",
    "_position": "BIGINT",
    **KNOWN,
    **OBJECT_KEYS,
    "_leaves": LEAVES,
    "_doc": "VARCHAR",
}

# As it is stored: times are epoch milliseconds.
STORED: Final = {n: "BIGINT" if kind == "TIMESTAMP" else kind for n, kind in COLUMNS.items()}

# Whether a record has leaves beside those of `extra`: objects of a shape that has no columns.
IS_ODD: Final = "len(list_filter(_leaves, lambda x: NOT starts_with(x.k, 'extra.'))) > 0"


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """Return a text as SQL writes it."""
    return "'" + str(text).replace("'", "''") + "'"


def paths_list(paths: Iterable[Path]) -> str:
    """Return paths as a list of SQL, which takes no pattern for one."""
    return "[" + ", ".join(literal(_escaped(str(path))) for path in paths) + "]"


def read_pieces(paths: Iterable[Path]) -> str:
    """Return the SQL that reads pieces with just the columns of this version."""
    return f"SELECT {', '.join(map(quoted, COLUMNS))} FROM read_parquet({paths_list(paths)})"


def read_any_pieces(paths: Iterable[Path]) -> str:
    """
    Return the SQL that reads pieces of any version; it takes 20 ms longer on a million records.

    A column that a piece of another version lacks is NULL; one that this version lacks is left out.
    """
    none = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in STORED.items())
    chosen = ", ".join(map(quoted, COLUMNS))
    return (
        f"SELECT {chosen} FROM (SELECT * FROM (SELECT {none}) WHERE FALSE UNION ALL BY NAME "
        f"SELECT * FROM read_parquet({paths_list(paths)}, union_by_name = true))"
    )


def _escaped(path: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def read_commits(paths: Iterable[Path]) -> str:
    """Return the SQL that reads commits as records, in the order they were stored."""
    known = ", ".join(_column(name) for name in COLUMNS)
    return (
        f"SELECT {known} FROM (SELECT *, try(from_json(CASE WHEN _fields = '' THEN _doc "
        f"ELSE _fields END, {literal(_shape())})) AS f FROM {_lines(paths)})"
    )


def _lines(paths: Iterable[Path]) -> str:
    texts = dict.fromkeys(("_stream", "_position", "_leaves", "_fields", "_doc"), "VARCHAR")
    columns = {"_order": "BIGINT", "_stream": "", "_position": "", "_ms": "BIGINT", **texts}
    shape = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    return (
        f"read_csv({paths_list(paths)}, delim = '{SEPARATOR}', quote = '', escape = '', "
        "header = false, auto_detect = false, new_line = '\\n', nullstr = '\x02', "
        f"max_line_size = {MAX_LINE_BYTES}, parallel = false, columns = {{{shape}}})"
    )


def _shape() -> str:
    """Return the shape of the known fields in a document, as `from_json` takes it."""
    shape: dict[str, object] = {
        name: ["VARCHAR"] if kind == "VARCHAR[]" else kind for name, kind in KNOWN.items()
    }
    for path, kind in OBJECT_KEYS.items():
        *heads, last = path.split(".")
        at = shape
        for head in heads:
            at = at.setdefault(head, {})  # type: ignore[assignment]  # made as objects only
        at[last] = ["VARCHAR"] if kind == "VARCHAR[]" else kind
    return json.dumps(shape)


def _column(name: str) -> str:
    if name in KNOWN:
        return f"f.{quoted(name)} AS {quoted(name)}"
    if name == "event.created":
        return f"epoch_ms(f.event.created) AS {quoted(name)}"
    if name in OBJECT_KEYS:
        return f"f.{'.'.join(map(quoted, name.split('.')))} AS {quoted(name)}"
    if name == "_leaves":
        shape = '[{"k":"VARCHAR","t":"VARCHAR","v":"VARCHAR","n":"DOUBLE"}]'
        return f"from_json(nullif(_leaves, ''), {literal(shape)}) AS _leaves"
    if name in ("_stream", "_position"):
        return f"CAST(nullif({name}, '') AS {COLUMNS[name]}) AS {name}"
    return name
