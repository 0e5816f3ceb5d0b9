"""
Output `logstash`: windows over Lumberjack to the `beats` input of one or more Logstash.

A batch is sent window by window, each to the next working host. An event is accepted when it is
acked. An event that is not acked is sent again, perhaps to another host, and duplicates are dropped
by `_id`.

    connection cut after a       send half the window at once on a new connection: if one event is
    window of many events        the cause, it stands alone after a dozen steps
    connection cut twice after   is the event or the host the cause? The witness, an event that was
    a window of one event        accepted before, is sent to the same host. If it is accepted, the
                                 event gets a strike and waits for the next publish; if not, the
                                 host is down
    third strike                 the event is rejected, and the rest is sent
    alive, but no ack            the host is blocked and keeps the window; the window is sent to the
                                 next host at once. A blocked host gets no other window until its
                                 ack has come
    anything else                the host is down; the window is sent to the next host at once

So no outage makes an event rejected. A strike needs an event that was cut off alone, twice in a
row, on connections of its own, by a host that then accepts another event; and the publisher pauses
between strikes. A host that failed rests, longer each time, unless all of them do.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipper.config.outputs import LogstashOutput
from shipper.deliver.batch import Batch
from shipper.deliver.lumberjack import FramePreparer, Frames, encode_window
from shipper.deliver.lumberjack_connection import SECTION, Connection, WindowAnswer, WindowOutcome
from shipper.deliver.output import WithoutCommits
from shipper.errors import OutputUnavailable
from shipper.events import Delivery, Rejection
from shipper.net.connect import ConnectionFailed, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.config.main import Config

log = logging.getLogger(__name__)

CUTS = 2  # in a row; so a server that cuts every second connection never leads to a strike
STRIKES = 3
REST_SECONDS = 1.0  # of a host after its first failure; doubles with each further one
LONGEST_REST_SECONDS = 60.0
BLOCKED_WAIT_SECONDS = 0.5  # that a publish waits for the ack of a blocked host
SHORT_WAIT_SECONDS = 0.05  # the same, where other hosts are not blocked
WINDOW_BYTES = 4 << 20  # of frames, unless one event has more: Logstash unpacks them at once
ALONE_EVENTS = 256  # a block with as many is a window as it is; smaller ones share a window


@dataclass(frozen=True, slots=True)
class LumberjackWindow:
    """Events of a batch that are sent together."""

    batch: Batch[Frames]
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def ids(self) -> Sequence[str]:
        """The `_id` of each event."""
        return self.batch.ids[self.start : self.end]

    def encode(self, level: int) -> bytes:
        """Return the bytes to send."""
        return encode_window(self.batch.ranges(self.start, self.end), level)


@dataclass(slots=True)
class LogstashHost:
    """One Logstash: its connection, if any, and whether it has worked lately."""

    address: str
    connection: Connection | None = None
    held: LumberjackWindow | None = None  # the window that it keeps while it is blocked
    failures: int = 0
    rests_until: float = 0.0

    def succeeded(self) -> None:
        """Record that it accepted something."""
        self.held = None
        self.failures = 0
        self.rests_until = 0.0

    def failed(self, now: float) -> None:
        """Close its connection and let it rest, twice as long as the last time."""
        self.drop()
        rest = min(REST_SECONDS * 2 ** min(self.failures, 30), LONGEST_REST_SECONDS)
        self.failures += 1
        self.rests_until = now + rest

    def drop(self) -> None:
        """Close its connection."""
        self.held = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@dataclass(slots=True)
class PublishProgress:
    """
    How far one publish has come.

    Everything before `start` is accepted, except the events `aside` (they have a strike) and
    `rejected`. `cuts` counts by host how often the event at `start` was cut off alone; `down` are
    the hosts that cannot accept it; `reasons` says by host what failed.
    """

    start: int = 0
    aside: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)

    def advance(self, events: int) -> None:
        """Continue after so many events."""
        self.start += events
        self.cuts.clear()
        self.down.clear()


class Logstash(FramePreparer, WithoutCommits):
    """Sends to the hosts of the config; nothing is opened before the first publish."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, LogstashOutput)
        self._settings = output
        self._hosts = [LogstashHost(address) for address in output.hosts]
        self._turn = 0
        self._size = output.window_events
        self._witness: tuple[Frames, int] | None = None  # the block of the event, its index
        self._strikes: dict[str, int] = {}

    def publish(self, batch: Batch[Frames]) -> Delivery:
        """Send a batch window by window; see `Output`."""
        if self._strikes:
            sent = set(batch.ids)
            self._strikes = {id_: count for id_, count in self._strikes.items() if id_ in sent}
        progress = PublishProgress()
        blocked = [host for host in self._hosts if host.held is not None]
        seconds = BLOCKED_WAIT_SECONDS if blocked == self._hosts else SHORT_WAIT_SECONDS
        for each in blocked:
            self._ask(each, batch, progress, seconds)
        while progress.start < len(batch) and (host := self._choose(progress)) is not None:
            self._go_on(host, batch, progress)
        again = (*progress.aside, *range(progress.start, len(batch)))
        if again and len(again) == len(batch):
            raise OutputUnavailable("; ".join(progress.reasons.values()) or "the output is closed")
        return Delivery(again=again, rejected=tuple(progress.rejected))

    def _choose(self, progress: PublishProgress) -> LogstashHost | None:
        """Return the next host in turn; a resting one only if there is no other."""
        able = [
            host for host in self._hosts if host.held is None and host.address not in progress.down
        ]
        if not able:
            return None
        now = time.monotonic()
        awake = [host for host in able if host.rests_until <= now]
        self._turn += 1
        if awake:
            return awake[self._turn % len(awake)]
        return min(able, key=lambda host: host.rests_until)

    def _ask(
        self, host: LogstashHost, batch: Batch[Frames], progress: PublishProgress, seconds: float
    ) -> None:
        """Wait for the ack of the window that a blocked host keeps."""
        held = host.held
        assert held is not None
        assert host.connection is not None
        answer = self._judge(host, host.connection.wait(seconds))
        if answer.outcome is WindowOutcome.BLOCKED:
            progress.reasons[host.address] = f"{host.address} {answer.reason}"
        elif held.ids == batch.ids[progress.start : progress.start + len(held)]:
            progress.advance(answer.acked)  # else another host has accepted that window meanwhile

    def _go_on(self, host: LogstashHost, batch: Batch[Frames], progress: PublishProgress) -> None:
        """Send the next window to this host; act on the answer."""
        window = self._next_window(batch, progress.start)
        answer = self._send(host, window)
        if answer.acked:
            progress.advance(answer.acked)
            content, index, _last = next(batch.ranges(progress.start - 1, progress.start))
            self._witness = content, index
        if answer.outcome is WindowOutcome.ACKED:
            self._size = min(2 * self._size, self._settings.window_events)
        elif answer.outcome is not WindowOutcome.STALE:
            progress.reasons[host.address] = f"{host.address} {answer.reason}"
            if answer.outcome is not WindowOutcome.BLOCKED:
                self._size = max(len(window) // 2, 1)
            if answer.outcome is WindowOutcome.DOWN:
                progress.down.add(host.address)
            elif answer.outcome is WindowOutcome.CUT and len(window) == 1:
                self._examine(host, batch, progress)

    def _next_window(self, batch: Batch[Frames], start: int) -> LumberjackWindow:
        """Return the block that begins here if it makes a window, or as many events as fit."""
        content, first, last = next(batch.ranges(start, len(batch)))
        fits = not first and last <= self._size and len(content.frames) <= WINDOW_BYTES
        if fits and last >= ALONE_EVENTS:
            return LumberjackWindow(batch, start, start + last)
        end = min(start + self._size, len(batch))
        while end - start > 1 and _bytes_of(batch, start, end) > WINDOW_BYTES:
            end = start + (end - start) // 2
        return LumberjackWindow(batch, start, end)

    def _send(self, host: LogstashHost, window: LumberjackWindow) -> WindowAnswer:
        """Send one window to a host; record how it went."""
        try:
            connection = self._connection_to(host)
        except ConnectionFailed as error:
            return self._judge(host, WindowAnswer(WindowOutcome.DOWN, reason=str(error)))
        data = window.encode(self._settings.compression_level)
        answer = self._judge(host, connection.send(data, len(window)))
        if answer.outcome is WindowOutcome.BLOCKED:
            host.held = window
        return answer

    def _judge(self, host: LogstashHost, answer: WindowAnswer) -> WindowAnswer:
        """Record in the host what became of a window."""
        if answer.outcome is WindowOutcome.ACKED:
            host.succeeded()
        elif answer.outcome is WindowOutcome.STALE:
            host.drop()
        elif answer.outcome is not WindowOutcome.BLOCKED:
            host.failed(time.monotonic())
            if host.failures == 1 and len(self._hosts) > 1:
                log.warning(
                    "%s %s; the other hosts are used meanwhile", host.address, answer.reason
                )
        return answer

    def _connection_to(self, host: LogstashHost) -> Connection:
        connection = host.connection
        if connection is not None and not connection.is_usable():
            host.drop()
            connection = None
        if connection is None:
            settings = self._settings
            connected = connect(host.address, settings.tls, settings.connect_seconds, SECTION)
            connection = Connection(connected, settings.ack_seconds)
            host.connection = connection
        return connection

    def _examine(self, host: LogstashHost, batch: Batch[Frames], progress: PublishProgress) -> None:
        """Find out whether the event that was cut off alone is the cause, or the host."""
        index, id_ = progress.start, batch.ids[progress.start]
        progress.cuts[host.address] += 1
        if progress.cuts[host.address] < CUTS:
            return
        if not self._accepts_another(host, batch, index):
            progress.down.add(host.address)
            return
        strikes = self._strikes.pop(id_, 0) + 1
        reason = f"{host.address} ended the connection at this event alone, and accepts others"
        if strikes == STRIKES:
            progress.rejected.append(Rejection(index, f"{reason}; {strikes} times"))
        else:
            self._strikes[id_] = strikes
            progress.aside.append(index)
            progress.reasons[host.address] = f"{reason}: {id_}; it is tried {STRIKES} times"
        progress.advance(1)

    def _accepts_another(self, host: LogstashHost, batch: Batch[Frames], index: int) -> bool:
        """
        Send the witness to a host on a new connection; return whether it is accepted.

        Before anything was accepted, any other event of the batch is the witness. That event is
        sent again in its turn, like any event after a lost ack.
        """
        witness = self._witness
        if witness is None:
            if len(batch) == 1:
                return False
            other = random.choice([i for i in range(len(batch)) if i != index])  # noqa: S311
            content, other, _last = next(batch.ranges(other, other + 1))
            witness = content, other
        content, other = witness
        alone = Batch((content,)).part([other], self)
        if self._send(host, LumberjackWindow(alone, 0, 1)).outcome is not WindowOutcome.ACKED:
            return False
        self._witness = witness
        return True

    def close(self) -> None:
        """Close all connections; nothing is sent afterwards."""
        hosts, self._hosts = self._hosts, []
        for host in hosts:
            host.drop()


def _bytes_of(batch: Batch[Frames], start: int, end: int) -> int:
    return sum(
        len(content.cut(first, last, 0)) for content, first, last in batch.ranges(start, end)
    )
