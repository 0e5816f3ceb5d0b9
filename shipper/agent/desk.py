"""
Carries out the requests of other processes to the running shipper (shipper/agent/requests.py).

Requests that change positions wait until all that was read is acked; reading waits meanwhile. Dead
letters are replayed while reading goes on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from shipper.agent import requests
from shipper.agent.requests import RequestAnswer, RequestOutcome
from shipper.deliver.replay import Replay
from shipper.errors import DataFolderError, OutputUnavailable
from shipper.tail import positions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shipper.deliver.batch import QueuedBlock
    from shipper.deliver.deadletters import DeadLetters
    from shipper.deliver.dedupe import Dedupe
    from shipper.deliver.output import Output
    from shipper.deliver.publisher import Publisher
    from shipper.deliver.replay import Replayed
    from shipper.events import Events
    from shipper.splice import AnyEvents
    from shipper.tail.tailer import Tailer

log = logging.getLogger("shipper")


class Desk:
    """Takes requests from a folder and answers them; used by the reading thread."""

    def __init__(
        self,
        folder: Path,
        tailer: Tailer,
        dedupe: Dedupe,
        letters: DeadLetters,
    ) -> None:
        self._folder = folder
        self._tailer = tailer
        self._dedupe = dedupe
        self._letters = letters
        self._on_positions: list[tuple[Path, requests.Request]] = []
        self._replays: list[tuple[Path, requests.ReplayRequest]] = []
        self._current: tuple[Path, Replay] | None = None
        self._block: QueuedBlock[Any] | None = None  # of the replay, waiting for room in the queue
        self._last_error = ""
        self._refused: set[str] = set()  # names of what is no request

    def look(self) -> None:
        """Read the requests that wait in the folder."""
        self._on_positions, self._replays = [], []
        for path, request in requests.waiting(self._folder, self._refused):
            if isinstance(request, requests.ReplayRequest):
                self._replays.append((path, request))
            else:
                self._on_positions.append((path, request))

    def begin_again(self) -> None:
        """Continue after the queue was discarded."""
        self._current = self._block = None

    @property
    def wants_quiet(self) -> bool:
        """Whether a request waits until all that was read is acked."""
        return bool(self._on_positions)

    def change_positions(self, save: Callable[[], bool]) -> None:
        """Carry out requests that change positions; the queue is empty. `save` makes it durable."""
        done = []
        for path, request in self._on_positions:
            if isinstance(request, requests.RereadRequest):
                name = "reread"
                found = [*positions.reread(self._tailer, request.files)]
                self._dedupe.forget_sent_again()
            else:
                assert isinstance(request, requests.ForgetRequest)
                name = "forget"
                found = [*positions.forget(self._tailer, request.patterns)]
            outcomes = tuple(RequestOutcome(*each) for each in found)
            log.info("%s request carried out: %s", name, _summary(outcomes))
            done.append((path, RequestAnswer(outcomes)))
        self._on_positions = []
        if save():  # else they are carried out once more
            for path, answer in done:
                self._answer(path, answer)

    @property
    def is_replaying(self) -> bool:
        """Whether dead letters are to be sent again."""
        return bool(self._replays) or self._current is not None

    def replay(
        self,
        output: Output[Any],
        publisher: Publisher,
        redact: Callable[[Events], AnyEvents] = lambda events: events,
    ) -> None:
        """Continue to send dead letters again, as far as the queue has room."""
        try:
            if self._current is None:
                if not self._replays:
                    return
                path, request = self._replays[0]
                self._current = path, Replay(self._letters, request.ids, output, redact)
            path, replay = self._current
            self._block = self._block or replay.next_block()
            if self._block is not None and publisher.put(self._block, 0):
                self._block = None
            if replay.is_over:
                self._answer(path, RequestAnswer(_outcomes(replay.finish())))
                self._current, self._replays = None, []  # until the next look
            self._last_error = ""
        except (OutputUnavailable, DataFolderError) as error:
            if self._last_error != str(error):
                log.warning("%s; the replay of dead letters waits and continues by itself", error)
            self._last_error = str(error)

    def ack(self, block: QueuedBlock[Any]) -> None:
        """Record the ack of a block that belongs to no file."""
        if self._current is not None:
            self._current[1].ack(block)

    def _answer(self, path: Path, answer: RequestAnswer) -> None:
        try:
            requests.answer(path, answer)
        except OSError as error:
            log.warning("cannot answer %s: %s; the shipper tries again", path, error.strerror)


def _summary(outcomes: tuple[RequestOutcome, ...]) -> str:
    return "; ".join(f"{each.subject}: {each.fault or f'{each.count} bytes'}" for each in outcomes)


def _outcomes(found: Replayed) -> tuple[RequestOutcome, ...]:
    counts = {"stored": found.stored, "before": found.before, "refused": found.refused}
    log.info(
        "dead letters replayed: %d stored, %d already stored, %d refused again",
        *counts.values(),
    )
    return tuple(RequestOutcome(name, count) for name, count in counts.items())
