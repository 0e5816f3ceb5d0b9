"""
Writes a query of ours in KQL, the language of Kibana's search bar.

One source for both: what a panel asks is a query of docs/search.md, and the KQL is written from its
tree, so nobody writes KQL by hand. Every operand has its own brackets, so nothing depends on which
operator binds tighter, and every text is quoted, so no word of it is an operator.

Kibana knows nothing of heartbeats, which our stores leave out unless a query names them; so they
are left out in the KQL too. Wildcards are refused: in KQL they mean something else in a text.
"""

from __future__ import annotations

from typing import Final

from shipper.errors import QueryError
from shipper.fields import HEARTBEAT, FieldKind
from shipper.kibana.runtime import RUNTIME
from shipper.store import untyped
from shipper.store.query import tree
from shipper.store.query.parser import parse
from shipper.times import iso

NO_HEARTBEATS: Final = f'not event.dataset: "{HEARTBEAT}"'
EVERYTHING: Final = "@timestamp: *"


def kql_of(query: str, *, whole: bool = True) -> str:
    """
    Return a query in KQL; `whole` leaves heartbeats out, as for what is no part of another query.

    Raises:
        QueryError: the text is not a query, or KQL cannot ask the same.
    """
    node = parse(query)
    asked = [] if isinstance(node, tree.All) else [_written(node)]
    if whole and not tree.names_heartbeats(node):
        asked.append(NO_HEARTBEATS)
    return " and ".join(f"({each})" for each in asked) if len(asked) > 1 else "".join(asked)


def _written(node: tree.Node) -> str:  # noqa: C901, PLR0911 -- one per node
    match node:
        case tree.All():
            return EVERYTHING
        case tree.And(items):
            return " and ".join(f"({_written(item)})" for item in items)
        case tree.Or(items):
            return " or ".join(f"({_written(item)})" for item in items)
        case tree.Not(item):
            return f"not ({_written(item)})"
        case tree.Match(field=field) | tree.Range(field=field) if _is_untyped(field):
            raise QueryError(f"Kibana compares {field} as text", "query it with shipper search")
        case tree.Match(field=field, value=value):
            return f"{field}: {_value(value)}"
        case tree.Exists(field=field, kind=kind):
            if kind is FieldKind.OBJECT and "." not in field:
                raise QueryError(f"KQL cannot ask for any key of {field}", "name one of its keys")
            return f"{field}: *"
        case tree.Range():
            return _range(node)
        case tree.Wildcard(field=field):
            raise QueryError(f"a wildcard in {field} means something else in KQL", "name values")


def _is_untyped(field: str) -> bool:
    return untyped.in_extra(field) and field not in RUNTIME


def _range(node: tree.Range) -> str:
    def bound(value: float) -> str:
        return f'"{iso(int(value))}"' if node.kind is FieldKind.DATE else _value(value)

    limits = []
    if node.lower is not None:
        limits.append(f"{node.field} {'>=' if node.lower_included else '>'} {bound(node.lower)}")
    if node.upper is not None:
        limits.append(f"{node.field} {'<=' if node.upper_included else '<'} {bound(node.upper)}")
    return " and ".join(limits) if limits else f"{node.field}: *"


def _value(value: tree.Value) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
