"""
The columns of a piece, and how DuckDB makes them of the lines of commits.

    known fields      typed, by their own names; `tags` is a list
    objects           the keys that enrichment adds, typed, by their dotted names
    _leaves           the values of `extra`, and of objects of another shape: key, type, text,
                      number
    _doc              the document as it was stored; without what enrichment added, if that is in
    _tail             what enrichment added, up to the digits of `log.offset`; many records share it
    _order            number of the commit << 32 | index in it: the order of storing
    _ms               `@timestamp` in epoch milliseconds
    _stream           } origin of a record whose `_id` is not `<run>-<seq>`
    _position         }

A line of a commit has nine texts, separated by the character 1, which no JSON contains: order,
stream, position, ms, leaves, fields, document, and offset and number of its tail, or the character
2 and -1. `fields` is the JSON of the known fields where they are not to be read from the document
itself. The tails that a commit uses come first, a line each of the same form: the order is -1, `ms`
the number, and the document the tail. So they are not written and read again for each record.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Final

from shipper.fields import FIELDS, FieldKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SEPARATOR: Final = "\x01"
NULL: Final = "\x02"
NO_TAIL: Final = -1
TAIL_LINE: Final = b"-1\x01"  # how the line of a tail begins
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
    "_tail": "VARCHAR",
}

# The whole document of a record, as it was stored.
DOCUMENT: Final = (
    "CASE WHEN _tail IS NULL THEN _doc "
    "ELSE _doc[:-2] || _tail || \"log.offset\" || '}}' END AS _doc"
)

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


def read_commits(paths: Sequence[Path]) -> str:
    """
    Return the SQL that reads commits as records, in the order they were stored.

    Raises:
        OSError: a commit cannot be opened, or has a damaged tail.
    """
    known = ", ".join(_column(name) for name in COLUMNS)
    text = "CASE WHEN _fields = '' THEN _doc ELSE _fields END"
    own = f"CASE WHEN _number = {NO_TAIL} THEN try(from_json({text}, {literal(_OBJECTS)})) END"
    return (
        f"SELECT {known} FROM (SELECT *, coalesce(_objects, {own}) AS o, "
        f"try(from_json({text}, {literal(_FIELDS)})) AS f "
        f"FROM {_lines(paths)} LEFT JOIN {_tails(paths)} USING (_number) WHERE _order >= 0)"
    )


def tails_of(path: Path) -> dict[int, str]:
    """Return the tails of a commit by their numbers; raise OSError if one is damaged."""
    found = {}
    with path.open("rb") as file:
        for line in file:
            if not line.startswith(TAIL_LINE):
                break
            try:
                texts = line.decode().split(SEPARATOR)
                found[int(texts[3])] = texts[6]
            except (ValueError, IndexError):
                raise OSError(errno.EBADMSG, "the commit is damaged", str(path)) from None
    return found


def _tails(paths: Sequence[Path]) -> str:
    tails: dict[int, str] = {}
    for path in paths:
        tails |= tails_of(path)
    rows = [f"({number}, {literal(tail)})" for number, tail in tails.items()]
    # Every record finds one: a join puts those that do not behind the others.
    rows.append(f"({NO_TAIL}, NULL)")
    objects = f"from_json('{{' || _tail[2:] || '0}}}}', {literal(_OBJECTS)})"
    return (
        f"(SELECT _number, _tail, {objects} AS _objects "
        f"FROM (VALUES {', '.join(rows)}) AS tails (_number, _tail))"
    )


def _lines(paths: Iterable[Path]) -> str:
    texts = dict.fromkeys(("_stream", "_position", "_leaves", "_fields", "_doc"), "VARCHAR")
    columns = {"_order": "BIGINT", "_stream": "", "_position": "", "_ms": "BIGINT", **texts}
    columns |= {"_offset": "BIGINT", "_number": "BIGINT"}
    shape = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    return (
        f"read_csv({paths_list(paths)}, delim = '{SEPARATOR}', quote = '', escape = '', "
        f"header = false, auto_detect = false, new_line = '\\n', nullstr = '{NULL}', "
        f"max_line_size = {MAX_LINE_BYTES}, parallel = false, columns = {{{shape}}})"
    )


def _shape(columns: Mapping[str, str]) -> str:
    """Return the shape of columns in a document, as `from_json` takes it."""
    shape: dict[str, object] = {}
    for path, kind in columns.items():
        *heads, last = path.split(".")
        at = shape
        for head in heads:
            at = at.setdefault(head, {})  # type: ignore[assignment]  # made as objects only
        at[last] = ["VARCHAR"] if kind == "VARCHAR[]" else kind
    return json.dumps(shape)


_FIELDS: Final = _shape(KNOWN)
_OBJECTS: Final = _shape(OBJECT_KEYS)


def _column(name: str) -> str:
    if name in KNOWN:
        found = f"f.{quoted(name)}"
    elif name in OBJECT_KEYS:
        found = _OWN_FORM.get(name) or f"o.{'.'.join(map(quoted, name.split('.')))}"
    elif name in ("_stream", "_position"):
        found = f"CAST(nullif({name}, '') AS {COLUMNS[name]})"
    else:
        found = _OWN_FORM.get(name, name)
    return f"{found} AS {quoted(name)}"


_OWN_FORM: Final = {
    "event.created": "epoch_ms(o.event.created)",
    "log.offset": 'coalesce(_offset, o.log."offset")',
    "_leaves": "from_json(nullif(_leaves, ''), "
    """'[{"k":"VARCHAR","t":"VARCHAR","v":"VARCHAR","n":"DOUBLE"}]')""",
}
