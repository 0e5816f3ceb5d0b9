"""
Requests to Elasticsearch, and their failures as errors of the store.

Searches are `_msearch`, many bodies in one request, on the data streams `logs-orchestrator.*` of a
namespace or of all. A response counts only if all shards answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.errors import QueryError, StoreUnavailable
from shipper.net.elastic import MAX_REASON, Cluster, ElasticFailure
from shipper.store.answers import cancelled
from shipper.store.elasticsearch.compile import Body

JSON_LINES: Final = "application/x-ndjson"
_NO_INDEX: Final = "index_not_found_exception"
_OUT_OF_BOUNDS: Final = "array_index_out_of_bounds_exception"  # of the histogram
_BAD_REQUEST: Final = 400
_UNAVAILABLE: Final = 503
_UNTIL_READY: Final = "wait_for_events=languid&wait_for_no_initializing_shards=true&timeout=2s"


class RawHit(msgspec.Struct, gc=False):
    """One hit; `source` stays undecoded until its fields are read."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    sort: list[Any] = []
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class HitTotal(msgspec.Struct, gc=False):
    """The number of records that match."""

    value: int


class RawHits(msgspec.Struct, gc=False):
    """The hits of a response."""

    hits: list[RawHit] = []
    total: HitTotal | None = None


class FailedShards(msgspec.Struct, gc=False):
    """The number of shards that did not answer."""

    failed: int = 0


class Response(msgspec.Struct, gc=False):
    """The response to one body."""

    status: int = 200
    error: Any = None
    timed_out: bool = False
    shards: FailedShards = msgspec.field(name="_shards", default_factory=FailedShards)
    hits: RawHits = msgspec.field(default_factory=RawHits)
    aggregations: dict[str, Any] = {}
    pit_id: str | None = None

    @property
    def total(self) -> int:
        """The number of records that match."""
        assert self.hits.total is not None, "the body asked for it"
        return self.hits.total.value


class _Responses(msgspec.Struct, gc=False):
    responses: list[Response]


class Requests:
    """Requests to the data streams of a namespace, `*` for all of them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._is_cancelled = False
        self.pattern = f"logs-orchestrator.*-{namespace}"
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Responses).decode

    def search(self, bodies: Sequence[Body]) -> list[Response]:
        """
        Send all bodies as one request; return the response to each.

        A body may have a `target`: the header of its search, without which the data streams are
        searched.

        Raises:
            QueryError: a body cannot be answered.
            StoreUnavailable: the cluster or a shard did not answer.
        """
        lines = bytearray()
        for body in bodies:
            target = body.get("target", {"index": self.pattern, "allow_no_indices": False})
            lines += self._encode({"allow_partial_search_results": False, **target})
            lines += b"\n"
            lines += self._encode({name: value for name, value in body.items() if name != "target"})
            lines += b"\n"
        responses = self._ask(bytes(lines))
        if any(response.status == _UNAVAILABLE for response in responses):
            # A shard may be starting, as after a rollover; that takes a moment only.
            with suppress(StoreUnavailable):
                self.request("GET", f"/_cluster/health/{self.pattern}?{_UNTIL_READY}")
            responses = self._ask(bytes(lines))
        for response in responses:
            self._check(response)
        return responses

    def _ask(self, lines: bytes) -> list[Response]:
        answered = self.request("POST", "/_msearch", lines, content_type=JSON_LINES)
        try:
            return self._decode(answered).responses
        except UNDECODABLE as error:
            raise StoreUnavailable(
                f"{self._cluster.name} sent an answer that cannot be read",
                "check that it is Elasticsearch",
            ) from error

    def request(self, method: str, target: str, body: bytes | None = None, **options: str) -> bytes:
        """
        Send a request; return the body of the response.

        Raises:
            StoreUnavailable: there is no response, or it is an error.
        """
        if self._is_cancelled:
            raise cancelled()
        try:
            answer: bytes = self._cluster.request(method, target, body, **options)
        except ElasticFailure as failure:
            if self._is_cancelled:
                raise cancelled() from None
            self._refuse(failure)
        return answer

    def cancel(self) -> None:
        """End the request of another thread; a search ends in the cluster with its connection."""
        self._is_cancelled = True
        self._cluster.interrupt()

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._cluster.close()

    def _check(self, response: Response) -> None:
        if response.error is not None:
            kind, reason = _cause(response.error)
            fault = f"{self._cluster.name} answered {response.status} ({kind}: {reason})"
            self._refuse(ElasticFailure(fault, "", response.status, kind), reason)
        if response.timed_out or response.shards.failed:
            raise StoreUnavailable(
                f"{self._cluster.name} could not search all shards",
                "check its cluster health, and try again",
            )

    def _refuse(self, failure: ElasticFailure, reason: str = "") -> NoReturn:
        """Raise the error of the store for a failure; `reason` of a body that was refused."""
        if failure.kind == _NO_INDEX:
            raise StoreUnavailable(
                f"{self._cluster.name} has no data stream {self.pattern} that this user may read",
                "check the namespace, the role of the user, and that a shipper has sent records",
            ) from None
        if failure.kind == _OUT_OF_BOUNDS:
            raise QueryError(
                "the numbers are too far apart for percentiles in Elasticsearch (a factor of 2^54)",
                "bound them in the query, such as duration_ms:[0.001 TO 1000000]",
            )
        if failure.status == _BAD_REQUEST and reason:
            raise QueryError(f"Elasticsearch cannot answer this query: {reason}")
        raise StoreUnavailable(failure.fault, failure.remedy) from None


def _cause(error: Any) -> tuple[str, str]:
    """Return kind and reason of an error, of its innermost cause if it has one."""
    if not isinstance(error, dict):
        return "error", str(error)[:MAX_REASON]
    causes = error.get("root_cause") or [error]
    kind, reason = causes[0].get("type", "error"), causes[0].get("reason", "")
    if error.get("caused_by") and not error.get("root_cause"):
        return _cause(error["caused_by"])
    return str(kind), str(reason)[:MAX_REASON]
