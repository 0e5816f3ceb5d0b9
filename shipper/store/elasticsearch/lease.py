"""
A lease in Elasticsearch: of several processes on several machines, one does a job at a time.

The lease is one document, {holder, until}, in the index `orchestrator-lease`. A process that finds
none creates it (`_create`: one of many succeeds); a process that finds its own or an expired one
replaces exactly that version (`if_seq_no`, `if_primary_term`: one of many succeeds). The holder
renews the lease after a third of its time and releases it at the end.

Times are those of the machines' clocks. A lease is acquired from another holder only `SKEW_MS`
after it expired, and its holder relies on it for two thirds of its time; so clocks may differ by a
third of that time plus `SKEW_MS`. No lease can prevent this: a process that is suspended (SIGSTOP,
a frozen machine) in the middle of a request finishes that request when it resumes.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.errors import StoreUnavailable
from shipper.net.elastic import Cluster, ElasticFailure

INDEX: Final = "orchestrator-lease"
SKEW_MS: Final = 2_000
_CONFLICT, _NOT_FOUND = 409, 404


class _Content(msgspec.Struct, gc=False):
    holder: str = ""
    until: int = 0


class _Document(msgspec.Struct, gc=False):
    """The document, or the response to a write of it."""

    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    term: int = msgspec.field(name="_primary_term", default=0)
    source: _Content = msgspec.field(name="_source", default_factory=_Content)


class Lease:
    """The lease `name` as one process sees it; times in epoch milliseconds."""

    def __init__(self, cluster: Cluster, name: str, holder: str, lasts_ms: int) -> None:
        self._cluster = cluster
        self._name = name
        self._holder = holder
        self._lasts_ms = lasts_ms
        self._version: _Document | None = None
        self._until = 0

    def hold(self, now: int) -> bool:
        """
        Acquire or renew the lease; return whether this process holds it.

        Raises:
            StoreUnavailable: the cluster does not answer.
        """
        renewed = self._until - self._lasts_ms
        if renewed <= now < renewed + self._lasts_ms // 3:  # before it: the clock was set back
            return True
        if self._version is not None and self._write(now + self._lasts_ms):
            return True
        self._version = self._find(now)
        return self._version is not None and self._write(now + self._lasts_ms)

    def is_held(self, now: int) -> bool:
        """Return whether the lease is surely this process's at a time, without a request."""
        renewed = self._until - self._lasts_ms
        return renewed <= now < self._until - self._lasts_ms // 3

    def release(self) -> None:
        """Let another process acquire the lease at once, if this one holds it; close."""
        if self._until and self._version is not None:
            self._write(0)
        self.close()

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._until = 0
        self._cluster.close()

    def _find(self, now: int) -> _Document | None:
        """Return the version to replace, empty to create one; None: another process holds it."""
        try:
            answer = self._cluster.request("GET", f"/{INDEX}/_doc/{self._name}")
        except ElasticFailure as failure:
            if failure.status != _NOT_FOUND:
                raise StoreUnavailable(failure.fault, failure.remedy) from None
            return _Document()
        found = _read(answer)
        is_free = found.source.holder == self._holder or found.source.until + SKEW_MS <= now
        return found if is_free else None

    def _write(self, until: int) -> bool:
        """Replace the known version or create the document; return False if another process did."""
        known = self._version
        assert known is not None, "_find returned it"
        target = f"/{INDEX}/_create/{self._name}"
        if known.seq_no >= 0:
            version = f"if_seq_no={known.seq_no}&if_primary_term={known.term}"
            target = f"/{INDEX}/_doc/{self._name}?{version}"
        body = msgspec.json.encode({"holder": self._holder, "until": until})
        try:
            self._version = _read(self._cluster.request("PUT", target, body))
        except ElasticFailure as failure:
            self._version = None
            if failure.status != _CONFLICT:  # what was held is held until its time is over
                raise StoreUnavailable(failure.fault, failure.remedy) from None
            self._until = 0
            return False
        self._until = until
        return True


def _read(body: bytes) -> _Document:
    try:
        return msgspec.json.decode(body, type=_Document)
    except UNDECODABLE as error:
        raise StoreUnavailable(
            f"the document of the lease in the index {INDEX} cannot be read",
            "check that output.elasticsearch.hosts is Elasticsearch",
        ) from error
