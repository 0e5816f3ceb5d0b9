"""A search as a curl command, which has no password or key: whoever runs it gives their own."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shipper.store.elasticsearch.compile import compile_selection, keys_to_list
from shipper.store.query.parser import parse

if TYPE_CHECKING:
    from shipper.store.api import Selection, Sort


@dataclass(frozen=True, slots=True)
class CurlPlace:
    """Where the records of a namespace are: the address of a node, as the config has it."""

    url: str
    namespace: str


def curl_of_record(place: CurlPlace, record: str) -> str:
    """Return the command that gets the record with this id."""
    return _curl(place, {"query": {"ids": {"values": [record]}}})


def curl_of(place: CurlPlace, selection: Selection, *, limit: int, sort: Sort) -> str:
    """
    Return the command that searches for the same records in the same order.

    It is empty where the query of Elasticsearch would have values that the store has to list first.

    Raises:
        QueryError: the query is wrong.
    """
    if any(keys_to_list(parse(selection.query))):
        return ""
    body = {
        "query": compile_selection(selection, {}),
        "sort": [{key: sort.value} for key in ("@timestamp", "_index", "_seq_no")],
        "size": limit,
        "track_total_hits": True,
    }
    return _curl(place, body)


def _curl(place: CurlPlace, body: dict[str, Any]) -> str:
    address = f"{place.url}/logs-orchestrator.*-{place.namespace}/_search"
    text = json.dumps(body).replace("\x7f", "\\u007f")  # the rest is ASCII that can be seen
    return shlex.join(["curl", "-H", "content-type: application/json", address, "-d", text])
