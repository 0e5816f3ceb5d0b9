"""
Output `logstash`: windows over Lumberjack to the `beats` input of one or more Logstash.

A batch goes out window by window, each to the next host that works. An event is accepted when its
ack came; without one it is sent again, perhaps to another host, and the `_id` absorbs the double.

    cut after a window of many   half the window, at once, on a new connection: if one event is
                                 to blame, it stands alone in a dozen steps
    cut twice after a window     is it the event or the host? The witness, an event that was
    of one                       accepted before, goes to the same host. If it passes, the event
                                 has a strike and is left for the next publish; if not, the host
                                 is down
    the third strike             the event is rejected, and the rest goes on
    alive, but no ack            the host is blocked and keeps the window: the next one, at once;
                                 later it is asked what became of it, not sent another
    anything else                the host is down: the next one, at once

So no outage condemns an event, whatever it looks like. A strike is for an event that was cut off
alone, twice in a row, on connections of its own, by a host that then takes another; and there are
pauses of the publisher between strikes. A host that failed rests, each time longer, but for the
case that all of them do.
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

CUTS = 2  # in a row; a server that cuts every second connection makes none
STRIKES = 3
REST_SECONDS = 1.0  # of a host after its first failure; doubles with each
LONGEST_REST_SECONDS = 60.0
ASK_SECONDS = 0.5  # that a publish waits for a blocked host, and
LOOK_SECONDS = 0.05  # where there are others
WINDOW_BYTES = 4 << 20  # of frames, unless one event has more: Logstash unpacks them at once
ALONE_EVENTS = 256  # a block with as many is a window as it is; smaller ones share a window


@dataclass(frozen=True, slots=True)
class LumberjackWindow:
    """Events of a batch that go out together."""

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
    """One Logstash: its connection, if any, and how it has been of late."""

    address: str
    connection: Connection | None = None
    held: LumberjackWindow | None = None  # what it has while it is blocked
    failures: int = 0
    rests_until: float = 0.0

    def works(self) -> None:
        """Note that it took something."""
        self.held = None
        self.failures = 0
        self.rests_until = 0.0

    def fails(self, now: float) -> None:
        """Let it rest, twice as long as the last time."""
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

    Everything before `start` is accepted, but for what is `aside` (it has a strike) or `rejected`.
    `cuts` counts by host how often the event at `start` was cut off alone; `down` are the hosts
    that cannot take it; `reasons` says by host what was wrong.
    """

    start: int = 0
    aside: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)

    def advance(self, events: int) -> None:
        """Go on behind so many events."""
        self.start += events
        self.cuts.clear()
        self.down.clear()


class Logstash(FramePreparer, WithoutCommits):
    """Ships to the hosts of the config; nothing is opened before the first publish."""

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
            owed = set(batch.ids)
            self._strikes = {id_: count for id_, count in self._strikes.items() if id_ in owed}
        course = PublishProgress()
        blocked = [host for host in self._hosts if host.held is not None]
        for each in blocked:
            self._ask(each, batch, course, ASK_SECONDS if blocked == self._hosts else LOOK_SECONDS)
        while course.start < len(batch) and (host := self._choose(course)) is not None:
            self._go_on(host, batch, course)
        again = (*course.aside, *range(course.start, len(batch)))
        if again and len(again) == len(batch):
            raise OutputUnavailable("; ".join(course.reasons.values()) or "the output is closed")
        return Delivery(again=again, rejected=tuple(course.rejected))

    def _choose(self, course: PublishProgress) -> LogstashHost | None:
        """Return the next host in turn; a resting one only where there is no other."""
        able = [
            host for host in self._hosts if host.held is None and host.address not in course.down
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
        self, host: LogstashHost, batch: Batch[Frames], course: PublishProgress, seconds: float
    ) -> None:
        """Wait so long for the ack of what a blocked host holds."""
        held = host.held
        assert held is not None
        assert host.connection is not None
        answer = self._judge(host, host.connection.wait(seconds))
        if answer.outcome is WindowOutcome.BLOCKED:
            course.reasons[host.address] = f"{host.address} {answer.reason}"
        elif held.ids == batch.ids[course.start : course.start + len(held)]:
            course.advance(answer.acked)  # and if it is none of this batch, others took it over

    def _go_on(self, host: LogstashHost, batch: Batch[Frames], course: PublishProgress) -> None:
        """Send the next window to this host, and draw the conclusions."""
        window = self._next_window(batch, course.start)
        answer = self._send(host, window)
        if answer.acked:
            course.advance(answer.acked)
            content, index, _last = next(batch.ranges(course.start - 1, course.start))
            self._witness = content, index
        if answer.outcome is WindowOutcome.ACKED:
            self._size = min(2 * self._size, self._settings.window_events)
        elif answer.outcome is not WindowOutcome.STALE:
            course.reasons[host.address] = f"{host.address} {answer.reason}"
            if answer.outcome is not WindowOutcome.BLOCKED:
                self._size = max(len(window) // 2, 1)
            if answer.outcome is WindowOutcome.DOWN:
                course.down.add(host.address)
            elif answer.outcome is WindowOutcome.CUT and len(window) == 1:
                self._suspect(host, batch, course)

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
        """Send one window to a host, and remember how it went."""
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
        """Remember of a host how it took a window."""
        if answer.outcome is WindowOutcome.ACKED:
            host.works()
        elif answer.outcome is WindowOutcome.STALE:
            host.drop()
        elif answer.outcome is not WindowOutcome.BLOCKED:
            host.fails(time.monotonic())
            if host.failures == 1 and len(self._hosts) > 1:
                log.warning("%s %s; other hosts take its turn", host.address, answer.reason)
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

    def _suspect(self, host: LogstashHost, batch: Batch[Frames], course: PublishProgress) -> None:
        """Find out who is to blame that the next event was cut off alone: the event or the host."""
        index, id_ = course.start, batch.ids[course.start]
        course.cuts[host.address] += 1
        if course.cuts[host.address] < CUTS:
            return
        if not self._takes_another(host, batch, index):
            course.down.add(host.address)
            return
        strikes = self._strikes.pop(id_, 0) + 1
        told = f"{host.address} ended the connection at this event alone, and takes others"
        if strikes == STRIKES:
            course.rejected.append(Rejection(index, f"{told}; {strikes} times"))
        else:
            self._strikes[id_] = strikes
            course.aside.append(index)
            course.reasons[host.address] = f"{told}: {id_}; it is tried {STRIKES} times"
        course.advance(1)

    def _takes_another(self, host: LogstashHost, batch: Batch[Frames], index: int) -> bool:
        """
        Send the witness to a host, on a connection of its own.

        Before anything was accepted, any other event of the batch has to do. It is sent once more
        in its turn, as any event after a lost ack.
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
        """Close all connections; nothing is sent any more."""
        hosts, self._hosts = self._hosts, []
        for host in hosts:
            host.drop()


def _bytes_of(batch: Batch[Frames], start: int, end: int) -> int:
    return sum(
        len(content.cut(first, last, 0)) for content, first, last in batch.ranges(start, end)
    )
