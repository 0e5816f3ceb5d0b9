"""Tests of queries in memory: they mean what the stores say."""

from __future__ import annotations

import pytest

from shipper.processors.match import matcher
from shipper.store.api import Selection
from shipper.times import iso
from tests.store.store_meanings import MEANINGS
from tests.store.store_records import HOSTILE, ORDINARY
from tests.store.store_reference import Reference

ALL = [*ORDINARY, *HOSTILE]
REFERENCE = Reference(ALL, MEANINGS)


@pytest.mark.parametrize("query", MEANINGS)
def test_a_query_matches_what_a_store_finds(query: str) -> None:
    """Every documented form of a query matches exactly the records that plain Python finds."""
    holds = matcher(query)
    documents = [(each, {**each.fields, "@timestamp": iso(each.time)}) for each in ALL]

    found = {record.id for record, document in documents if holds(document)}
    wanted = {record.id for record in REFERENCE.select(Selection(query))}
    heartbeats = {
        each.id
        for each in ALL
        if each.fields.get("event", {}).get("dataset") == "orchestrator.heartbeat"
    }

    assert found - heartbeats == wanted - heartbeats
