"""
Checks that every store can answer a query, without asking any.

A rule may run over the embedded store today and over Elasticsearch tomorrow, so a query that only
one of them answers is a fault of the rule. The query is compiled for Elasticsearch, which answers
less; nothing is sent.
"""

from __future__ import annotations

from collections import defaultdict

from shipper.store.api import Aggregation, Sum, Terms
from shipper.store.elasticsearch import aggregate
from shipper.store.elasticsearch.compile import Body, compile_node
from shipper.store.query.parser import parse
from shipper.store.questions import check


def check_query(text: str) -> None:
    """Raise `QueryError` for a query that some store cannot answer."""
    _compile(text)


def check_field(field: str) -> None:
    """Raise `QueryError` for a field whose values some store cannot count."""
    _check({"values": Terms(field)})


def check_number(field: str) -> None:
    """Raise `QueryError` for a field that has no numbers in some store."""
    _check({"numbers": Sum(field)})


def _check(aggregations: dict[str, Aggregation]) -> None:
    check(aggregations)
    aggregate.bodies(aggregations, _compile)


def _compile(text: str) -> Body:
    return compile_node(parse(text), defaultdict(list))
