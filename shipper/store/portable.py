"""
Tells before anything is asked whether every store can answer.

A rule is written once and may run over the embedded index today and Elasticsearch tomorrow, so what
only one of them knows is a fault of the rule. Nothing is sent: the question is only put into the
form that each store would be asked in.
"""

from __future__ import annotations

from collections import defaultdict

from shipper.store.api import Aggregation, Sum, Terms
from shipper.store.elasticsearch import aggregate
from shipper.store.elasticsearch.compile import Body, compile_node
from shipper.store.query.parser import parse
from shipper.store.questions import check


def check_query(text: str) -> None:
    """Raise `QueryError` where a query can't be asked of every store."""
    _compile(text)


def check_field(field: str) -> None:
    """Raise `QueryError` where the values of a field can't be counted in every store."""
    _check({"values": Terms(field)})


def check_number(field: str) -> None:
    """Raise `QueryError` where a field has no numbers in some store."""
    _check({"numbers": Sum(field)})


def _check(aggregations: dict[str, Aggregation]) -> None:
    check(aggregations)
    aggregate.bodies(aggregations, _compile)


def _compile(text: str) -> Body:
    return compile_node(parse(text), defaultdict(list))
