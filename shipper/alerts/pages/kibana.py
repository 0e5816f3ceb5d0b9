"""
The address that shows the records of a breach in Kibana's Discover.

The question goes along as a filter of Elasticsearch's own form, made by the same compiler that asks
the store; so Kibana shows the records that were counted, and reads no query of its own. The data
view is that of kibana/data-view.ndjson. Values are written in rison, Kibana's form of JSON for
addresses, and then escaped as addresses are.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from shipper.errors import QueryError
from shipper.store.api import Selection
from shipper.store.elasticsearch.compile import compile_node, keys_to_list
from shipper.store.query.parser import parse
from shipper.text import instant

DATA_VIEW: Final = "logs-orchestrator"
_SAFE: Final = "!*'(),:$"  # what rison is made of, and addresses may hold after the #


def discover(kibana_url: str, selection: Selection, name: str) -> str | None:
    """
    Return the address; None where only the store could say what the question means.

    Keys that the mapping does not know are compared as texts there, so a range or wildcard of them
    is no filter that Kibana could apply.
    """
    try:
        node = parse(selection.query)
        if any(keys_to_list(node)):
            return None
        query = compile_node(node, {})
    except QueryError:
        return None
    meta = {
        "alias": name,
        "disabled": False,
        "index": DATA_VIEW,
        "key": "query",
        "negate": False,
        "type": "custom",
    }
    chosen = {"$state": {"store": "appState"}, "meta": meta, "query": query}
    times = {
        "from": "now-15m" if selection.since is None else instant(selection.since),
        "to": "now" if selection.until is None else instant(selection.until),
    }
    state = {
        "index": DATA_VIEW,
        "filters": [chosen],
        "query": {"language": "kuery", "query": ""},
        "sort": [["@timestamp", "desc"]],
    }
    place = f"{kibana_url}/app/discover#/"
    return f"{place}?_g={_escaped({'time': times})}&_a={_escaped(state)}"


def _escaped(value: Any) -> str:
    return quote(rison(value), safe=_SAFE)


def rison(value: Any) -> str:
    """Write a value as rison; every text in quotes."""
    match value:
        case None:
            return "!n"
        case bool():
            return "!t" if value else "!f"
        case dict():
            return f"({','.join(f'{rison(key)}:{rison(each)}' for key, each in value.items())})"
        case list() | tuple():
            return f"!({','.join(map(rison, value))})"
        case str():
            text = value.replace("!", "!!").replace("'", "!'")
            return f"'{text}'"
    return str(value).replace("+", "")
