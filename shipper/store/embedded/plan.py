"""
Plans the requests to each part, so that the results can be combined exactly.

Every aggregation becomes one that adds up over parts: counts per value, sums, and counts per
magnitude (number_order.py) in place of percentiles. tantivy has no named filters for our queries,
so each path through named filters is a run of its own, with its queries added to the selection:

    {a: Terms(aggregations={f: Filters({x: qx}), p: Average})}
      run 1  no filter     a > p
      run 2  qx            a > (f.x)          gives counts to f.x, not to a
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as default

from shipper.fields import FieldKind
from shipper.store.api import Aggregation, Filters
from shipper.store.questions import field_of, nested

Children = Mapping[str, "Node"]

_HERE = ""  # name of a node until its parent gives it the right one


@dataclass(frozen=True, slots=True)
class Node:
    """
    One aggregation in a run, under the name that the question gave it.

    If `aggregation` is Filters, `chosen` is the name of the filter of this run. A node that is not
    `counted` only leads to its children: its counts come from another run.
    """

    aggregation: Aggregation
    chosen: str | None = None
    counted: bool = True
    children: Children = default(default_factory=dict)
    field: tuple[str, FieldKind] = default(init=False)  # that the aggregation looks at

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", field_of(self.aggregation))  # once, not per bucket


@dataclass(frozen=True, slots=True)
class Run:
    """One request to every part: queries that narrow the selection, and what to ask."""

    filters: tuple[str, ...]
    nodes: Children


def runs(aggregations: Mapping[str, Aggregation]) -> Iterator[Run]:
    """Return the runs that answer these aggregations; the first has no filter."""
    yield Run((), _unfiltered(aggregations))
    for name, aggregation in aggregations.items():
        for run in _filtered(aggregation):
            yield Run(run.filters, {name: run.nodes[_HERE]})


def _unfiltered(aggregations: Mapping[str, Aggregation]) -> Children:
    return {
        name: Node(aggregation, children=_unfiltered(nested(aggregation)))
        for name, aggregation in aggregations.items()
        if not isinstance(aggregation, Filters)
    }


def _filtered(aggregation: Aggregation) -> Iterator[Run]:
    """Return the runs through the named filters at and below an aggregation."""
    if isinstance(aggregation, Filters):
        for chosen, query in aggregation.queries.items():
            for run in runs(aggregation.aggregations):
                node = Node(aggregation, chosen, not run.filters, run.nodes)
                yield Run((query, *run.filters), {_HERE: node})
        return
    for run in runs(nested(aggregation)):
        if run.filters:
            yield Run(run.filters, {_HERE: Node(aggregation, counted=False, children=run.nodes)})
