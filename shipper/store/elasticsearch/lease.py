"""
A lease in Elasticsearch: of several processes on several machines, one does a job at a time.

It is one document, {holder, until}, in the index `orchestrator-lease`. Whoever finds none creates
it (`_create`: one of many succeeds); whoever finds one that has run out, or its own, replaces just
that version of it (`if_seq_no`, `if_primary_term`: one of many succeeds). The holder renews it when
a third of its time has passed, and gives it back at the end.

The times are those of the machines' clocks. A lease is taken from another holder only `SKEW_MS`
after it has run out, and its holder takes it for lost that much before; clocks may differ by twice
that. What no lease can promise: a process that is stopped (SIGSTOP, a frozen machine) in the middle
of a request finishes that request when it goes on.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shipper.errors import StoreUnavailable
from shipper.net.elastic import Cluster, ElasticFailure

INDEX: Final = "orchestrator-lease"
SKEW_MS: Final = 2_000
_HEADERS: Final = {"accept": "application/json", "content-type": "application/json"}
_CONFLICT, _NOT_FOUND = 409, 404


class _Content(msgspec.Struct, gc=False):
    holder: str = ""
    until: int = 0


class _Document(msgspec.Struct, gc=False):
    """The document, or the answer to a write of it."""

    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=0)
    source: _Content = msgspec.field(name="_source", default_factory=_Content)


class Lease:
    """One holder's hold on the lease `name`; times in epoch milliseconds."""

    def __init__(self, cluster: Cluster, name: str, holder: str, lasts_ms: int) -> None:
        self._cluster = cluster
        self._name = name
        self._holder = holder
        self._lasts_ms = lasts_ms
        self._version: _Document | None = None
        self._until = 0

    def hold(self, now: int) -> bool:
        """
        Take or renew the lease; tell whether it is ours.

        Raises:
            StoreUnavailable: nobody can say.
        """
        renewed = self._until - self._lasts_ms
        if renewed <= now < renewed + self._lasts_ms // 3:  # before it: the clock was set back
            return True
        if self._version is not None and self._write(now + self._lasts_ms):
            return True
        self._version = self._find(now)
        return self._version is not None and self._write(now + self._lasts_ms)

    def is_held(self, now: int) -> bool:
        """Tell whether nobody else can hold it at this time."""
        return now < self._until - SKEW_MS

    def release(self) -> None:
        """Let another one take it at once, if it is ours."""
        if self._until and self._version is not None:
            self._write(0)
        self.close()

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._until = 0
        self._cluster.close()

    def _find(self, now: int) -> _Document | None:
        """Give the version that may be replaced, one that is to be created, or None."""
        try:
            answer = self._ask("GET", f"/{INDEX}/_doc/{self._name}")
        except ElasticFailure as failure:
            if failure.status != _NOT_FOUND:
                raise StoreUnavailable(str(failure)) from None
            return _Document()
        found = _read(answer)
        is_free = found.source.holder == self._holder or found.source.until + SKEW_MS <= now
        return found if is_free else None

    def _write(self, until: int) -> bool:
        """Replace the version that we know, or create the document; False if another one did."""
        known = self._version
        assert known is not None, "found before"
        target = f"/{INDEX}/_create/{self._name}"
        if known.seq_no >= 0:
            version = f"if_seq_no={known.seq_no}&if_primary_term={known.term}"
            target = f"/{INDEX}/_doc/{self._name}?{version}"
        body = msgspec.json.encode({"holder": self._holder, "until": until})
        try:
            self._version = _read(self._ask("PUT", target, body))
        except ElasticFailure as failure:
            self._until, self._version = 0, None
            if failure.status != _CONFLICT:
                raise StoreUnavailable(str(failure)) from None
            return False
        self._until = until
        return True

    def _ask(self, method: str, target: str, body: bytes | None = None) -> bytes:
        answered: Any = self._cluster.ask(
            lambda client: client.perform_request(method, target, headers=_HEADERS, body=body)
        )
        found: bytes = answered.body
        return found


def _read(body: bytes) -> _Document:
    try:
        return msgspec.json.decode(body, type=_Document)
    except msgspec.DecodeError as error:
        raise StoreUnavailable(
            "what holds the lease cannot be read; is it Elasticsearch?"
        ) from error
