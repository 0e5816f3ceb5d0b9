"""
Compares events that Elasticsearch refused by their `_id` with what it has under it.

An event that is sent again is refused so, and is stored already. But two hosts of which one is a
copy of the other may write different records with one run and seq, and neither shipper can know.
So what is stored is asked for, only for refused events; a record that says something else is sent
under an `_id` of its own (shipper/deliver/same_origin.py).

That takes the privilege `read`. Without it every refused event counts as stored, which is logged
once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.deliver.same_origin import RecordContent, content_of, set_apart
from shipper.enrich.origin import is_run
from shipper.events import Events
from shipper.net.elastic import JSON, VERSION, BareCluster, ElasticFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.deliver.batch import Batch

log = logging.getLogger(__name__)

MOST_IDS = 500  # asked for at once
TARGET = "/_mget?_source_includes=@timestamp,level,logger,message,tags"
HEADERS = {"content-type": f"{JSON}; {VERSION}"}


class Conflict(NamedTuple):
    """An event of a batch that was refused by its `_id`, and the backing index that has it."""

    event: int
    backing: str


class _Found(msgspec.Struct):
    source: RecordContent | None = msgspec.field(default=None, name="_source")
    error: msgspec.Raw | None = None


class _Answer(msgspec.Struct):
    docs: list[_Found]


_decode = msgspec.json.Decoder(_Answer).decode


class Conflicts:
    """Asks a cluster; used by one thread."""

    def __init__(self, cluster: BareCluster) -> None:
        self._cluster = cluster
        self._most = MOST_IDS
        self._may_read = True

    def others(self, batch: Batch[Any], conflicts: Sequence[Conflict]) -> tuple[list[int], Events]:
        """
        Return the events that another record is stored in place of: their indexes, and new events.

        Raises:
            ElasticFailure: the cluster does not answer now.

        """
        indexes, others = list[int](), Events()
        if not self._may_read:
            return indexes, others
        ids = batch.ids
        asked = [each for each in conflicts if each.backing and _is_own(ids[each.event])]
        for some in self._portions(asked):
            found = self._stored(ids, some)
            events = Events()
            for part in batch.parts(each.event for each in some):
                events.extend(part)
            for at, stored in enumerate(found):
                content = content_of(events.docs[at])
                if stored is None or content is None or not content.differs_from(stored):
                    continue
                new = set_apart(events.ids[at], events.docs[at], content)
                indexes.append(some[at].event)
                others.extend(
                    Events([new.id], [new.document], [events.times[at]], [events.datasets[at]])
                )
        return indexes, others

    def _portions(self, conflicts: Sequence[Conflict]) -> Iterator[Sequence[Conflict]]:
        start = 0
        while start < len(conflicts) and self._may_read:
            some = conflicts[start : start + self._most]
            start += len(some)
            yield some

    def _stored(
        self, ids: Sequence[str], conflicts: Sequence[Conflict]
    ) -> list[RecordContent | None]:
        """Return what is stored of each; None if that is not known."""
        docs = [{"_index": each.backing, "_id": ids[each.event]} for each in conflicts]
        body = msgspec.json.encode({"docs": docs})
        try:
            content = self._cluster.ask(lambda client: client.post(TARGET, body, HEADERS))
            answer = _decode(content)
        except ElasticFailure as failure:
            if 400 <= failure.status < 500 and failure.status not in {401, 429}:
                self._cannot_read(str(failure))
                return []
            self._most = max(self._most // 8, 1)  # an answer may be too large
            raise
        except UNDECODABLE as error:
            raise ElasticFailure(f"{self._cluster.name} sent no valid answer") from error
        if any(each.error and b"security_exception" in bytes(each.error) for each in answer.docs):
            self._cannot_read("the user may not read")
        self._most = min(self._most * 2, MOST_IDS)
        return [each.source for each in answer.docs[: len(conflicts)]]

    def _cannot_read(self, reason: str) -> None:
        self._may_read = False
        log.info(
            "%s; with the privilege read, records that have the run and seq of another host's would"
            " be stored too",
            reason,
        )


def _is_own(origin: str) -> bool:
    run, _, seq = origin.partition("-")
    return is_run(run) and seq.isdigit()
