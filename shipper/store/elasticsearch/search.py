"""
Elasticsearch as a store.

A record is found once its shard has refreshed, about a second after it was sent. Hits of equal time
are in the order in which they were stored in their data stream (`_seq_no`), or its reverse. Up to
10,000 hits are one request; more are read page by page from a point in time, so that they do not
change meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from shipper.errors import StoreUnavailable
from shipper.net.elastic import Cluster
from shipper.store.answers import check_limit
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Filters,
    Hit,
    Hits,
    Question,
    Selection,
    Sort,
)
from shipper.store.elasticsearch import aggregate, evidence
from shipper.store.elasticsearch.compile import (
    Body,
    Values,
    bounds,
    compile_node,
    compile_selection,
    keys_to_list,
)
from shipper.store.elasticsearch.follow import Follower
from shipper.store.elasticsearch.hits import LazyHits
from shipper.store.elasticsearch.requests import RawHit, Requests
from shipper.store.origins import OriginRange
from shipper.store.query.parser import parse
from shipper.store.questions import check, nested

PAGE: Final = 10_000  # hits of one request: the default of `index.max_result_window`
KEEP_ALIVE: Final = "2m"  # of the point in time, between two pages


class ElasticsearchStore:
    """The data streams of a namespace, `*` for all of them."""

    def __init__(self, cluster: Cluster, namespace: str = "*") -> None:
        self._requests = Requests(cluster, namespace)

    def search(
        self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC, counted: bool = True
    ) -> Hits:
        """Return the first `limit` records of the selection in that order; at most a million."""
        check_limit(limit)
        body: Body = {
            "query": self._query(selection),
            "sort": [{key: sort.value} for key in ("@timestamp", "_index", "_seq_no")],
        }
        counted = counted or limit > PAGE
        first = {**body, "size": min(limit, PAGE), "track_total_hits": counted}
        (response,) = self._requests.search([first])
        if not counted:
            return Hits(LazyHits(response.hits.hits), len(response.hits.hits))
        if min(limit, response.total) > PAGE:
            return self._pages(body, limit)
        return Hits(LazyHits(response.hits.hits), response.total)

    def count(self, selection: Selection) -> int:
        """Return the number of records in the selection."""
        body: Body = {"query": self._query(selection), "size": 0, "track_total_hits": True}
        return self._requests.search([body])[0].total

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Answer many questions in one request, after one for the values that queries need."""
        for question in questions:
            check(question.aggregations)
        if not questions:
            return []
        listed = self._list_values(questions)
        bodies = [
            _question_body(question, values)
            for question, values in zip(questions, listed, strict=True)
        ]
        responses = self._requests.search(bodies)
        return [
            AggregateAnswer(
                response.total,
                aggregate.results(question.aggregations, response.aggregations, question.selection),
            )
            for question, response in zip(questions, responses, strict=True)
        ]

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        """Yield the records that become searchable from now on; see `Store`."""
        self._query(selection)  # raises for a faulty query at once
        follower = Follower(self._requests, lambda: self._query(selection))
        return follower.steps()

    def positions(self, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
        """Yield the stored positions of each range; see `OriginStore`."""
        return evidence.positions(self._requests, ranges)

    def retained_after(self) -> int:
        """Return 0: records deleted by a lifecycle policy look like lost ones."""
        return 0

    def remove_doubles(self, ids: Sequence[str]) -> int:
        """Keep one copy of each of these records; return how many copies were removed."""
        return evidence.remove_doubles(self._requests, ids)

    def cancel(self) -> None:
        """End what another thread is asking, and answer nothing from now on; see `Store`."""
        self._requests.cancel()

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._requests.close()

    def _query(self, selection: Selection) -> Body:
        (values,) = self._list_values([Question(selection)])
        return compile_selection(selection, values)

    def _list_values(self, questions: Sequence[Question]) -> list[Values]:
        """Return per question the values of the keys of `extra` that its queries need."""
        keys = [sorted(set(_keys_of(question))) for question in questions]
        wanted = [(i, key) for i, found in enumerate(keys) for key in found]
        values: list[dict[str, list[str]]] = [{} for _ in questions]
        if wanted:
            asked = [_values_body(questions[index].selection, key) for index, key in wanted]
            for (index, key), response in zip(wanted, self._requests.search(asked), strict=True):
                listed = aggregate.values_listed(key, response.aggregations.get("v", {}))
                values[index][key] = [bucket["key"] for bucket in listed]
        return [*values]

    def _pages(self, body: Body, limit: int) -> Hits:
        opened = self._requests.request(
            "POST", f"/{quote(self._requests.pattern, safe='*')}/_pit?keep_alive={KEEP_ALIVE}"
        )
        pit = json.loads(opened)["id"]
        found: list[RawHit] = []
        total = 0
        try:
            while len(found) < limit:
                page: Body = {
                    **body,
                    "target": {},
                    "pit": {"id": pit, "keep_alive": KEEP_ALIVE},
                    "size": min(PAGE, limit - len(found)),
                    "track_total_hits": not found,
                }
                if found:
                    page["search_after"] = found[-1].sort
                (response,) = self._requests.search([page])
                pit = response.pit_id or pit
                total = total if found else response.total
                found += response.hits.hits
                if len(response.hits.hits) < PAGE:
                    break
        finally:
            with suppress(StoreUnavailable):  # else it expires
                self._requests.request("DELETE", "/_pit", json.dumps({"id": pit}).encode())
        return Hits(LazyHits(found), total)


def _question_body(question: Question, values: Values) -> Body:
    body: Body = {
        "query": compile_selection(question.selection, values),
        "size": 0,
        "track_total_hits": True,
    }
    if question.aggregations:
        body["aggs"] = aggregate.bodies(
            question.aggregations, lambda text: compile_node(parse(text), values)
        )
    return body


def _values_body(selection: Selection, key: str) -> Body:
    query = {"bool": {"filter": [{"exists": {"field": key}}, *bounds(selection)]}}
    return {"query": query, "size": 0, "aggs": {"v": aggregate.list_values(key)}}


def _keys_of(question: Question) -> Iterator[str]:
    for text in (question.selection.query, *_filters_of(question.aggregations.values())):
        yield from keys_to_list(parse(text))


def _filters_of(aggregations: Iterable[Aggregation]) -> Iterator[str]:
    for aggregation in aggregations:
        if isinstance(aggregation, Filters):
            yield from aggregation.queries.values()
        yield from _filters_of(nested(aggregation).values())
