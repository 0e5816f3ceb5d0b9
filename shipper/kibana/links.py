"""
Links to Discover and to dashboards, in the locator form.

That is plain JSON with the version of its form, which later versions of Kibana read as well.
A question goes along as KQL where KQL can ask it, so that it can be read and changed there; else as
a filter of Elasticsearch's own form, made by the compiler that asks the store. Where only the store
could say what a question means, there is no link to Discover rather than one to other records.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from shipper.errors import QueryError
from shipper.kibana.kql import kql_of
from shipper.kibana.place import KibanaPlace
from shipper.store.api import Selection
from shipper.store.elasticsearch.compile import compile_selection, keys_to_list
from shipper.store.query.parser import parse
from shipper.text import instant

VERSION: Final = "9.4.0"  # of the form of the parameters
DISCOVER: Final = "DISCOVER_APP_LOCATOR"
DASHBOARD: Final = "DASHBOARD_APP_LOCATOR"
DEFAULT_FROM: Final = "now-24h"

Json = dict[str, Any]


def discover_link(  # noqa: PLR0913 -- what a view of records consists of
    place: KibanaPlace,
    query: str = "",
    since: int | None = None,
    until: int | None = None,
    *,
    columns: Sequence[str] = (),
    ascending: bool = False,
    name: str = "",
) -> str | None:
    """
    Return the address that shows the records of a query in Discover, `until` excluded.

    None: Kibana could not ask what the query asks. `name` is that of the filter, if there is one.
    """
    parameters: Json = {
        "dataViewId": place.data_view,
        "timeRange": _times(since, until),
        "query": {"language": "kuery", "query": ""},
        "sort": [["@timestamp", "asc" if ascending else "desc"]],
    }
    try:
        asked = _filter(query, name, place)
        if asked is None:
            parameters["query"]["query"] = kql_of(query)
        else:
            parameters["filters"] = [asked]
    except QueryError:
        return None
    if columns:
        parameters["columns"] = list(columns)
    return _address(place, DISCOVER, parameters)


def dashboard_link(
    place: KibanaPlace,
    key: str,
    since: int | None = None,
    until: int | None = None,
    query: str = "",
) -> str:
    """
    Return the address of a dashboard at a time, for the records of a query.

    Raises:
        QueryError: the text is not a query, or KQL cannot ask the same.
    """
    parameters: Json = {
        "dashboardId": place.dashboard(key),
        "timeRange": _times(since, until),
    }
    if query:
        parameters["query"] = {"language": "kuery", "query": kql_of(query, whole=False)}
    return _address(place, DASHBOARD, parameters)


def _times(since: int | None, until: int | None) -> Json:
    """Return the time range; Kibana's includes its last millisecond."""
    return {
        "from": DEFAULT_FROM if since is None else instant(since),
        "to": "now" if until is None else instant(until - 1),
    }


def _filter(query: str, name: str, place: KibanaPlace) -> Json | None:
    """Return a filter for a query that KQL cannot ask; None if it can."""
    try:
        kql_of(query)
    except QueryError:
        if any(keys_to_list(parse(query))):
            raise
        return {
            "$state": {"store": "appState"},
            "meta": {
                "alias": name or query,
                "disabled": False,
                "index": place.data_view,
                "key": "query",
                "negate": False,
                "type": "custom",
            },
            "query": compile_selection(Selection(query), {}),
        }
    return None


def _address(place: KibanaPlace, locator: str, parameters: Json) -> str:
    text = json.dumps(parameters, ensure_ascii=False, separators=(",", ":"))
    return f"{place.base}/app/r?l={locator}&v={VERSION}&p={quote(text, safe='')}"
