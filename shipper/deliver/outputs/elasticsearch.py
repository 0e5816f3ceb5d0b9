"""
Output `elasticsearch`: `_bulk` requests to the data streams `logs-orchestrator.*`.

Every event is a `create` with an `_id` made of its origin, so an event that is sent again is
refused (409), which is a success: the stream has it, unless another host has written another record
under this `_id` (shipper/deliver/conflicts.py). An ack means that the primary shard and all
replicas in sync have it in their translog.

    201, 409 version conflict         accepted
    201 with failure_store: used      rejected: no search finds what is in the failure store
    429, 5xx, 401, 403, read-only …   again: the event is not the cause
    400 and the like                  rejected, with type and reason
    413                               the request is split; a single event: rejected
    any other answer, or none         again: the outcome is unknown

A request has at most `request_bytes`: half as many after a 413, or after a 429 of the whole
request, and more again with every batch that is accepted. `filter_path` trims the answer; if it
says that nothing failed, it is not parsed.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
https://www.elastic.co/docs/manage-data/data-store/data-streams/failure-store
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING

import msgspec

from shipper.config.outputs import ElasticsearchOutput
from shipper.decoding import UNDECODABLE
from shipper.deliver.batch import Batch
from shipper.deliver.bulk import BulkBody, BulkPreparer, bulk_chunks
from shipper.deliver.conflicts import Conflict, Conflicts
from shipper.deliver.output import WithoutCommits
from shipper.errors import OutputUnavailable
from shipper.events import Delivery, Rejection
from shipper.net.elastic import MAX_REASON, BareCluster, ElasticFailure

try:
    from isal.isal_zlib import DEFLATED, compressobj
except ModuleNotFoundError:  # slower, but with the same result
    from zlib import DEFLATED, compressobj  # type: ignore[assignment] # called alike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config

log = logging.getLogger(__name__)

# No index with guessed types is created without templates; the answer has only what is read.
TARGET = (
    "/_bulk?require_data_stream=true&filter_path=errors,items.*.status,items.*.error.type,"
    "items.*.error.reason,items.*.error.index,items.*.failure_store"
)
COMPRESSED = {"content-encoding": "gzip"}
NOTHING_FAILED = b'{"errors":false'
LEAST_REQUEST_BYTES = 64 * 1024
GZIP = 31  # the window of 32 KiB, with the head of gzip

CONFLICT = b'"version_conflict_engine_exception"'  # a document with this `_id` is stored
NO_TEMPLATE = "index_not_found_exception"
NOT_A_STREAM = "resource_not_found_exception"

TRY_AGAIN = {401, 403, 409, 429}

# Errors with a status of 4xx of which the event is not the cause: an operator can correct them.
NOT_THE_EVENT = {
    "cluster_block_exception",  # read-only index
    "index_closed_exception",
    NOT_A_STREAM,
    NO_TEMPLATE,
    "security_exception",
    "validation_exception",  # too many shards
}

REMEDIES = {
    "cluster_block_exception": "free disk space on the node, or remove the block of the index",
    "index_closed_exception": "open the index",
    NOT_A_STREAM: "delete the index or alias that has the name of the data stream",
    NO_TEMPLATE: "run `shipper setup`",
    "security_exception": "give the user or key the role that `shipper setup` creates",
    "validation_exception": "delete old indices, or raise cluster.max_shards_per_node",
}

NO_ERROR = msgspec.Raw(b"{}")


class BulkError(msgspec.Struct, gc=False):
    """Why an event was not stored."""

    type: str = ""
    reason: str | None = ""
    index: str | None = ""


class BulkItem(msgspec.Struct, gc=False):
    """What became of an event."""

    status: int
    error: msgspec.Raw = NO_ERROR  # decoded only if the status does not say enough
    failure_store: str = ""


class BulkCreated(msgspec.Struct, gc=False):
    """The result of one action."""

    create: BulkItem


class BulkAnswer(msgspec.Struct, gc=False):
    """The answer to a request, with an item for each event in their order."""

    errors: bool
    items: list[BulkCreated] = []


_decode = msgspec.json.Decoder(BulkAnswer).decode
_decode_failure = msgspec.json.Decoder(BulkError).decode


@dataclass(slots=True)
class BulkOutcome:
    """What became of the events of a batch so far, by index."""

    accepted: int = 0
    again: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)  # among the accepted
    reason: str = ""  # why the first of `again` was not accepted


class TooLargeError(Exception):
    """The server refused a request because of its size."""


class DataStreams(BulkPreparer, WithoutCommits):
    """Writes to data streams."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, ElasticsearchOutput)
        super().__init__(config.namespace)
        self._level = output.compression_level
        self._most_bytes = output.request_bytes
        self._request_bytes = output.request_bytes  # now
        self._cluster = BareCluster(output)
        self._conflicts = Conflicts(self._cluster)

    def publish(self, batch: Batch[BulkBody]) -> Delivery:
        """Send a batch in as many requests as it needs; see `Output`."""
        outcome, apart = BulkOutcome(), 0
        try:
            for start, end in self._ranges(batch):
                self._send(batch, start, end, outcome)
        except ElasticFailure as failure:
            if failure.status == 429:
                self._reduce_size(self._request_bytes)
            answered = outcome.accepted + len(outcome.again) + len(outcome.rejected)
            outcome.again.extend(range(answered, len(batch)))
            outcome.reason = outcome.reason or str(failure)
            outcome.again += [each.event for each in outcome.conflicts]  # not compared
        else:
            self._request_bytes = min(self._request_bytes * 9 // 8, self._most_bytes)
            if outcome.conflicts:
                apart = self._send_others(batch, outcome)
        if len(outcome.again) == len(batch):
            raise OutputUnavailable(outcome.reason)
        if outcome.again:
            log.debug("%d events are sent again: %s", len(outcome.again), outcome.reason)
        rejected = sorted(outcome.rejected, key=lambda each: each.index)
        return Delivery(tuple(sorted(outcome.again)), tuple(rejected), apart=apart)

    def _send_others(self, batch: Batch[BulkBody], outcome: BulkOutcome) -> int:
        """Send the events that another record has the `_id` of under another; return how many."""
        sent = BulkOutcome()
        indexes = [each.event for each in outcome.conflicts]
        try:
            indexes, others = self._conflicts.others(batch, outcome.conflicts)
            if not indexes:
                return 0
            again = Batch((self.prepare(others),))
            for start, end in self._ranges(again):
                self._send(again, start, end, sent)
        except ElasticFailure as failure:
            outcome.reason = outcome.reason or str(failure)
            outcome.again += indexes
            return 0
        outcome.again += [indexes[each] for each in sent.again]
        outcome.rejected += [
            Rejection(indexes[at.index], at.reason, others.part([at.index])) for at in sent.rejected
        ]
        return sent.accepted - len(sent.conflicts)

    def _ranges(self, batch: Batch[BulkBody]) -> Iterator[tuple[int, int]]:
        """Yield ranges of indexes whose requests are within the allowed size."""
        units = [*self._units(batch)]
        total = sum(size for _count, size in units)
        most = total // max(-(-total // self._request_bytes), 1)  # of about one size each
        start = end = taken = 0
        for count, size in units:
            if end > start and (taken >= most or taken + size > self._request_bytes):
                yield start, end
                start, taken = end, 0
            end += count
            taken += size
        yield start, end

    def _units(self, batch: Batch[BulkBody]) -> Iterator[tuple[int, int]]:
        """Yield (events, bytes) of what is not split: a block, or one event of a large block."""
        for content in batch.contents:
            if len(content.body) * 4 <= self._request_bytes:
                yield len(content), len(content.body)
            else:
                sizes = [len(line) + 1 for line in content.lines()]
                yield from ((1, size) for size in map(add, sizes[0::2], sizes[1::2]))

    def _send(self, batch: Batch[BulkBody], start: int, end: int, outcome: BulkOutcome) -> None:
        """Send the events from `start` up to `end`, in halves if the request is too large."""
        try:
            answer = self._post(bulk_chunks(batch, start, end))
        except TooLargeError as error:
            if end - start == 1:
                outcome.rejected.append(Rejection(start, str(error)))
                return
            self._reduce_size(sum(map(len, bulk_chunks(batch, start, end))))
            middle = (start + end) // 2
            self._send(batch, start, middle, outcome)
            self._send(batch, middle, end, outcome)
        else:
            self._record(answer, start, end, outcome)

    def _reduce_size(self, refused_bytes: int) -> None:
        self._request_bytes = max(refused_bytes // 2, LEAST_REQUEST_BYTES)

    def _post(self, pieces: Iterator[bytes | memoryview]) -> bytes:
        """
        Make one request; return the answer.

        Raises:
            TooLargeError: the request has to be split.
            ElasticFailure: the outcome of its events is unknown.
        """
        if self._level:
            packer = compressobj(self._level, DEFLATED, GZIP)
            packed = [packer.compress(piece) for piece in pieces]
            body, headers = b"".join((*packed, packer.flush())), COMPRESSED
        else:
            body, headers = b"".join(pieces), {}
        try:
            return self._cluster.ask(lambda client: client.post(TARGET, body, headers))
        except ElasticFailure as failure:
            if failure.status != 413:
                raise
            raise TooLargeError(str(failure)) from None

    def _record(self, content: bytes, start: int, end: int, outcome: BulkOutcome) -> None:
        """Record what became of each event."""
        if content.startswith(NOTHING_FAILED) and b'"failure_store":"used"' not in content:
            outcome.accepted += end - start
            return
        try:
            answer = _decode(content)
            if len(answer.items) != end - start:
                counts = f"{len(answer.items)} of {end - start} events"
                raise ElasticFailure(f"{self._cluster.name} answered for {counts}")
            for index, each in enumerate(answer.items, start):
                self._record_item(index, each.create, outcome)
        except UNDECODABLE as error:
            raise ElasticFailure(f"{self._cluster.name} sent no valid bulk answer") from error

    def _record_item(self, index: int, item: BulkItem, outcome: BulkOutcome) -> None:
        if item.failure_store == "used":
            reason = "failure_store: stored there, where no search finds it; the cause is there too"
            outcome.rejected.append(Rejection(index, reason))
        elif 200 <= item.status < 300:
            outcome.accepted += 1
        elif item.status == 409 and CONFLICT in bytes(item.error):
            outcome.accepted += 1
            outcome.conflicts.append(Conflict(index, _decode_failure(item.error).index or ""))
        else:
            error = _decode_failure(item.error)
            is_refused = 400 <= item.status < 500 and item.status not in TRY_AGAIN
            if not is_refused or error.type in NOT_THE_EVENT:
                outcome.again.append(index)
                outcome.reason = outcome.reason or self._why(item.status, error)
            else:
                outcome.rejected.append(Rejection(index, _reason_of(error)))

    def _why(self, status: int, error: BulkError) -> str:
        message = f"{self._cluster.name} answered {status}"
        message += f" ({_reason_of(error)})"
        return "; ".join(filter(None, [message, REMEDIES.get(error.type)]))

    def close(self) -> None:
        """Close the connections."""
        self._cluster.close()


def _reason_of(error: BulkError) -> str:
    return f"{error.type[:MAX_REASON]}: {(error.reason or '')[:MAX_REASON]}"
