"""
Requests to Elasticsearch, and what is wrong when they fail.

Everything is asked by `_msearch`, many bodies in one request, on the data streams
`logs-orchestrator.*` of a namespace or of all. An answer is given only if all shards gave theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import msgspec

from shipper.errors import QueryError, StoreUnavailable
from shipper.net.elastic import MAX_REASON, Cluster, ElasticFailure
from shipper.store.elasticsearch.compile import Body

_HEADERS: Final = {"accept": "application/json", "content-type": "application/json"}
LINES: Final = {"accept": "application/json", "content-type": "application/x-ndjson"}
_NO_INDEX: Final = "index_not_found_exception"
_OUT_OF_BOUNDS: Final = "array_index_out_of_bounds_exception"  # of the histogram
_BAD_REQUEST: Final = 400
_UNAVAILABLE: Final = 503
_UNTIL_READY: Final = "wait_for_events=languid&wait_for_no_initializing_shards=true&timeout=2s"


class RawHit(msgspec.Struct, gc=False):
    """One hit; its fields stay text until they are looked at."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    sort: list[Any] = []
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class HitTotal(msgspec.Struct, gc=False):
    """How many records there are."""

    value: int


class RawHits(msgspec.Struct, gc=False):
    """The hits of a response."""

    hits: list[RawHit] = []
    total: HitTotal | None = None


class FailedShards(msgspec.Struct, gc=False):
    """How many shards were asked, and gave no answer."""

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
        """How many records there are."""
        assert self.hits.total is not None, "every body asks for it"
        return self.hits.total.value


class _Responses(msgspec.Struct, gc=False):
    responses: list[Response]


class Requests:
    """Ask the data streams of a namespace, `*` for all of them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self.pattern = f"logs-orchestrator.*-{namespace}"
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Responses).decode

    def search(self, bodies: Sequence[Body]) -> list[Response]:
        """
        Ask all bodies in one request.

        A body may name a `target` of its own: the header that stands before it.

        Raises:
            QueryError: one of them can't be answered.
            StoreUnavailable: there is no answer, or none of all shards.
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
            # Perhaps a shard is being made this moment, as in a rollover: that takes no time.
            with suppress(StoreUnavailable):
                self.request("GET", f"/_cluster/health/{self.pattern}?{_UNTIL_READY}")
            responses = self._ask(bytes(lines))
        for response in responses:
            self._check(response)
        return responses

    def _ask(self, lines: bytes) -> list[Response]:
        answered = self.request("POST", "/_msearch", lines, LINES)
        try:
            return self._decode(answered).responses
        except msgspec.DecodeError as error:
            raise StoreUnavailable(
                f"{self._cluster.name} answered with what cannot be read; is it Elasticsearch?"
            ) from error

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: Any = _HEADERS
    ) -> bytes:
        """
        Make a request.

        Raises:
            StoreUnavailable: there is no answer, or it says no.
        """
        try:
            answered = self._cluster.ask(
                lambda client: client.perform_request(method, target, headers=headers, body=body)
            )
        except ElasticFailure as failure:
            self._refuse(failure.status, failure.kind, str(failure))
        found: bytes = answered.body
        return found

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._cluster.close()

    def _check(self, response: Response) -> None:
        if response.error is not None:
            kind, reason = _cause(response.error)
            told = f"{self._cluster.name} answered {response.status} ({kind}: {reason})"
            self._refuse(response.status, kind, told, reason)
        if response.timed_out or response.shards.failed:
            raise StoreUnavailable(
                f"{self._cluster.name} answered for a part of the records only; "
                "see its cluster health, and try again"
            )

    def _refuse(self, status: int, kind: str, told: str, reason: str = "") -> NoReturn:
        if kind == _NO_INDEX:
            raise StoreUnavailable(
                f"{self._cluster.name} has nothing that is called {self.pattern}, or does not show "
                "it to this user; check the namespace, and that a shipper has sent records there"
            ) from None
        if kind == _OUT_OF_BOUNDS:
            raise QueryError(
                "the numbers are too far apart for a percentile of Elasticsearch (by 2^54); bound "
                "them in the query, as duration_ms:[0.001 TO 1000000]"
            )
        if status == _BAD_REQUEST and reason:
            raise QueryError(f"Elasticsearch cannot answer this: {reason}")
        raise StoreUnavailable(told) from None


def _cause(error: Any) -> tuple[str, str]:
    """Give kind and reason of an error, the innermost that says more than that shards failed."""
    if not isinstance(error, dict):
        return "error", str(error)[:MAX_REASON]
    causes = error.get("root_cause") or [error]
    kind, reason = causes[0].get("type", "error"), causes[0].get("reason", "")
    if error.get("caused_by") and not error.get("root_cause"):
        return _cause(error["caused_by"])
    return str(kind), str(reason)[:MAX_REASON]
