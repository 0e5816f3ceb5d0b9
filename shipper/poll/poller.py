"""
Polls applications, each in a thread of its own: one that hangs holds up no other.

The time between two polls is that of a clock that nobody sets; a poll that is late is left out, and
not made up for. Whatever goes wrong in a poll, the next one is tried.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Final

from shipper.config.health import HealthTargetOptions
from shipper.own_log import OwnLog
from shipper.poll.ask import STATES, PollAnswer, ask
from shipper.poll.record import message_of, records_of
from shipper.times import Clock

log = logging.getLogger("shipper")

FIRST_SECONDS: Final = 5.0  # after the start, for applications that start at the same time
Ask = Callable[[HealthTargetOptions, Callable[[], float]], PollAnswer]


class Poller:
    """Polls the targets of a config; `start_thread` starts a thread with a body and a name."""

    def __init__(
        self,
        polls: OwnLog,
        clock: Clock,
        start_thread: Callable[[Callable[[], None], str], None],
        ask: Ask = ask,
    ) -> None:
        self._polls = polls
        self._clock = clock
        self._start_thread = start_thread
        self._ask = ask
        self._targets: tuple[HealthTargetOptions, ...] = ()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], int] = {}

    def poll(self, targets: Iterable[HealthTargetOptions]) -> None:
        """Poll these targets from now on, and no others."""
        targets = tuple(targets)
        if targets == self._targets:
            return
        self._stop.set()
        self._stop = stop = threading.Event()
        self._targets = targets
        self._count_these(targets)
        for target in targets:
            body = _TargetLoop(self, target, stop)
            self._start_thread(body.run, f"poll {target.name}")

    def close(self) -> None:
        """Poll nothing more; a poll under way is not waited for, and not written."""
        self._stop.set()
        self._targets = ()
        self._polls.close()

    def once(self, target: HealthTargetOptions, stop: threading.Event) -> PollAnswer:
        """Poll a target and write its records, unless it is stopped meanwhile."""
        at = self._clock.wall()
        answer = self._ask(target, self._clock.monotonic)
        if not stop.is_set():
            self._count(target.name, answer.failure or answer.status)
            self._polls.append(records_of(target, answer, at))
        return answer

    def counts(self) -> dict[tuple[str, ...], int]:
        """Return how many polls there were by target and outcome; called by any thread."""
        with self._lock:
            return dict(self._counts)

    def _count(self, name: str, outcome: str) -> None:
        with self._lock:
            self._counts[name, outcome] = self._counts.get((name, outcome), 0) + 1

    def _count_these(self, targets: Iterable[HealthTargetOptions]) -> None:
        """Forget the counts of other targets; those of these begin at 0, and go on otherwise."""
        names = {target.name for target in targets}
        with self._lock:
            kept = {place: count for place, count in self._counts.items() if place[0] in names}
            zeros = {(name, status): 0 for name in names for status in sorted(STATES)}
            self._counts = zeros | kept

    @property
    def monotonic(self) -> Callable[[], float]:
        """The clock that nobody sets."""
        return self._clock.monotonic


class _TargetLoop:
    """The thread of one target."""

    def __init__(self, poller: Poller, target: HealthTargetOptions, stop: threading.Event) -> None:
        self._poller = poller
        self._target = target
        self._stop = stop
        self._status = ""

    def run(self) -> None:
        """Poll until it is stopped."""
        ticks, every = self._poller.monotonic, self._target.every_seconds
        due = ticks() + min(every, FIRST_SECONDS)
        while not self._stop.wait(max(0.0, due - ticks())):
            try:
                self._log(self._poller.once(self._target, self._stop))
            except Exception:
                log.exception("health.%s: a bug in a poll", self._target.name)
            due += every
            late = ticks() - due
            if late > 0:
                due += every * (late // every + 1)

    def _log(self, answer: PollAnswer) -> None:
        """Log a change of the status."""
        if answer.status != self._status:
            level = logging.INFO if answer.status == "healthy" else logging.WARNING
            log.log(level, "%s", message_of(f"health.{self._target.name}", answer))
        self._status = answer.status
