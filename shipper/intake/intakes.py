"""
All ways in of a shipper that are no files, each in a thread of its own.

A bug in one is logged, and the others go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import Final, Protocol

from shipper.config.inputs import InputOptions
from shipper.config.intake import IntakeOptions, JournaldOptions, StdinOptions, SyslogOptions
from shipper.errors import ShipperError, bug_of
from shipper.intake.spool import Spool
from shipper.intake.spools import Spools
from shipper.intake.stdin import StdinIntake
from shipper.intake.stopping import StopRequest

log = logging.getLogger("shipper")

STDIN: Final = "standard input"
STOP_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 5.0  # after a bug


class Intake(Protocol):
    """Receives lines and writes them to a spool."""

    def run(self, stop: StopRequest) -> None:
        """Receive until it is stopped, or until there is no more."""


class _Running:
    """An input that is read by a thread of its own; a bug in it is logged, and it goes on."""

    def __init__(self, name: str, make: Callable[[], Intake], on_end: Callable[[], None]) -> None:
        self._intake: Intake | None = make()
        self._make = make
        self._name = name
        self._on_end = on_end
        self._stop = StopRequest()
        self._ended = threading.Event()

    def run(self) -> None:
        """Receive; the body of the thread."""
        try:
            while not self._stop.is_set():
                try:
                    self._intake = self._intake or self._make()
                    self._intake.run(self._stop)
                except ShipperError as error:
                    log.error("input %s: %s", self._name, error)  # noqa: TRY400 -- no bug
                except Exception as error:  # noqa: BLE001 -- any bug; the other inputs go on
                    log.error("input %s: a bug: %s", self._name, bug_of(error))  # noqa: TRY400
                else:
                    return
                self._intake = None
                self._stop.event.wait(AGAIN_SECONDS)
        finally:
            self._ended.set()
            self._on_end()

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def wait(self, deadline: float) -> None:
        """Wait for the end of the thread."""
        if self._ended.wait(max(deadline - time.monotonic(), 0)):
            self._stop.close()
        else:
            log.warning("input %s does not stop; what it did not write is lost", self._name)


class Intakes:
    """
    The threads that receive; `start_thread` starts one with a body and a name.

    `on_end` is called by a thread that has ended; `wall` is in epoch milliseconds.
    """

    def __init__(
        self,
        spools: Spools,
        start_thread: Callable[[Callable[[], None], str], None],
        on_end: Callable[[], None],
        wall: Callable[[], int],
    ) -> None:
        self._spools = spools
        self._wall = wall
        self._on_end = on_end
        self._start_thread = start_thread
        self._running: dict[str, _Running] = {}
        self._options: dict[str, tuple[IntakeOptions, str]] = {}

    def read_stdin(self, inputs: Iterable[InputOptions]) -> StdinReading:
        """Read standard input into the spool of the first input that is `stdin`."""
        source = next(each for each in inputs if each.stdin is not None)
        spool = self._spools[(source.stdin or StdinOptions()).name]
        intake = StdinIntake(spool, source.max_line_bytes)
        running = self._run(STDIN, lambda: intake)
        return StdinReading(spool, intake, running)

    def receive(self, inputs: Iterable[InputOptions]) -> None:
        """
        Receive what these inputs say from now on, and nothing else but standard input.

        Raises:
            ShipperError: one of them cannot be received; the others are.

        """
        wanted = {
            each.intake.name: (each.intake, each.time.zone or "")
            for each in inputs
            if each.intake is not None and each.stdin is None
        }
        ended = [
            self._running.pop(name)
            for name in self._running.keys() - {STDIN}
            if self._options.pop(name, None) != wanted.get(name)
        ]
        _end(ended)
        failures = []
        for name, (options, zone) in wanted.items():
            if name not in self._running:
                try:
                    self._run(name, self._maker(options, zone))
                except ShipperError as error:
                    failures.append(error)
            self._options[name] = options, zone
        if failures:
            raise failures[0]

    def _maker(self, options: IntakeOptions, zone: str) -> Callable[[], Intake]:
        spool = self._spools[options.name]
        if isinstance(options, SyslogOptions):
            syslog = import_module("shipper.intake.syslog")  # not needed by most
            return lambda: syslog.SyslogIntake(spool, options, zone, self._wall)
        if isinstance(options, JournaldOptions):
            journald = import_module("shipper.intake.journald")
            return lambda: journald.JournaldIntake(spool, options, self._wall)
        raise TypeError(options)

    def _run(self, name: str, make: Callable[[], Intake]) -> _Running:
        running = self._running[name] = _Running(name, make, self._on_end)
        self._start_thread(running.run, f"input {name}")
        return running

    def close(self) -> None:
        """Stop receiving; what was received is written to the spools."""
        _end(self._running.values())
        self._running.clear()
        self._options.clear()


def _end(ended: Collection[_Running]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    for running in ended:
        running.ask_to_stop()
    for running in ended:
        running.wait(deadline)


class StdinReading:
    """Standard input on its way to the output."""

    def __init__(self, spool: Spool, intake: StdinIntake, running: _Running) -> None:
        self._spool = spool
        self._intake = intake
        self._running = running

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is read."""
        return self._running.has_ended

    @property
    def is_complete(self) -> bool:
        """Whether all of it is in the spool, or was."""
        return self._intake.has_ended and not self._intake.is_lost

    def is_delivered(self, acked: Mapping[str, int]) -> bool:
        """Return whether all that was read is acked, by the acked bytes of each path."""
        return self.has_ended and self._spool.is_delivered(acked)
