"""
The whole of it at work: a real application under load, its log files shipped, what arrives.

    load ──HTTP──► application ──► logs/*.log ──► shipper run ──► index ──► this process shows it
                                                                    └─────► shipper alerts run

Each of the four is a process of its own, in a session of its own, so that Ctrl-C reaches this one
alone and the rest is stopped in the order of the flow: the alert job, the load, the application,
and the shipper only when it has delivered what they wrote. Whatever happens here, none of them is
left behind.
"""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shipper.agent.status import status
from shipper.config.main import Config, load
from shipper.config.outputs import ConsoleOutput, LogstashOutput
from shipper.demo import alerts
from shipper.demo.picture import Picture
from shipper.errors import ConfigError, DataFolderError, ShipperError, StoreUnavailable
from shipper.store.api import DateHistogram, Question, Selection, Terms, buckets_of
from shipper.store.opening import store_of
from shipper.tail.discovery import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipper.store.api import AggregateAnswer, Store

ROOT = Path(__file__).parents[2]  # of the checkout, where `examples` is
LOGS = Path("logs")
DATA = Path("var/orchestrator")
OUTPUT = Path("var/demo")  # what the processes print
RULES = OUTPUT / "rules"
ALERTERS = OUTPUT / "alerters.yml"
USUAL_PORT = 8000
TAKEN = os.strerror(errno.EADDRINUSE)  # what the application says of a port
START_SECONDS = 30.0  # a cold start of the application on a slow machine
ONLY_WRITTEN = (ConsoleOutput, LogstashOutput)  # there is nothing to ask
STOP_SECONDS = 5.0
PICTURE_SECONDS = 0.5
GRAPH_MS = 60_000
LATE_MS = 1000  # the last second is still arriving; its count would always look low
ENDLESS_SECONDS = 10 * 365 * 86_400

ERRORS = "level:ERROR OR level:CRITICAL"

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to start: with this config, this many requests a second, for so long (None: no end)."""

    config: Path
    rate: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the demo; what it prints is in a file."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path

    def check(self) -> None:
        """Raise ShipperError if it has ended."""
        code = self.process.poll()
        if code is not None:
            last = self.output.read_text(errors="replace").strip().splitlines()[-1:]
            told = f": {last[0]}" if last else ""
            raise ShipperError(f"the {self.name} ended with {code}{told}; see {self.output}")

    def stop(self) -> None:
        """End it in good order, or else by force; a second call does nothing."""
        try:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # by force, then
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@dataclass(frozen=True, slots=True)
class Demo:
    """
    A demo at work since `started` (epoch ms); the application answers at `url`.

    Without a store (the config only says where records go), the pictures show what was acked.
    """

    plan: DemoPlan
    config: Config
    store: Store | None
    load: Child
    application: Child
    shipper: Child
    alerts: Child | None
    url: str
    started: int
    interruptions: Interruptions

    def pictures(self) -> Iterator[Picture]:
        """Look twice a second until the time is over; raise ShipperError if a process ends."""
        end = time.monotonic() + (self.plan.seconds or math.inf)
        while time.monotonic() < end:
            self.interruptions.check()
            for child in (self.load, self.application, self.shipper, self.alerts):
                if child is not None:
                    child.check()
            yield self.look()
            time.sleep(PICTURE_SECONDS)

    def finish(self) -> Picture:
        """Stop what writes, wait until the shipper has delivered all of it, and look once more."""
        if self.alerts is not None:
            self.alerts.stop()
        self.load.stop()
        self.application.stop()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(f.behind for f in status(self.config).files):
            self.shipper.check()
            time.sleep(0.05)
        return self.look()

    def look(self) -> Picture:
        """Ask the store what has arrived, and the shipper how far it is."""
        now = _now()
        if self.store is None:
            seen = status(self.config)
            elapsed = (now - self.started) / 1000
            return Picture(elapsed, now, seen.counters.acked, [], {}, {}, {}, [], seen)
        return self._ask(self.store, now)

    def _ask(self, store: Store, now: int) -> Picture:
        second = 1000
        end = (now - LATE_MS) // second * second
        recent = Selection(since=max(end - GRAPH_MS, self.started), until=end)
        so_far = Selection(since=self.started)
        graph, counts, errors = store.ask(
            [
                Question(recent, {"seconds": DateHistogram(second)}),
                Question(so_far, {"datasets": Terms("event.dataset"), "levels": Terms("level")}),
                Question(Selection(ERRORS, self.started), {"types": Terms("error_type")}),
            ]
        )
        return Picture(
            elapsed=(now - self.started) / 1000,
            now=now,
            total=counts.total,
            per_second=[bucket.count for bucket in buckets_of(graph, "seconds").buckets],
            datasets={
                name.removeprefix("orchestrator."): count
                for name, count in _counts(counts, "datasets").items()
            },
            levels=_counts(counts, "levels"),
            error_types=_counts(errors, "types"),
            errors=list(store.search(Selection(ERRORS, self.started), limit=5).hits),
            status=status(self.config),
            incidents=alerts.firing(self.config),
        )


@contextmanager
def demo(plan: DemoPlan) -> Iterator[Demo]:
    """
    Start the application, the shipper and the load in the working directory; stop them at the end.

    Raises:
        ConfigError: the config does not read the application's log files.
        DataFolderError: a shipper runs there already.
        ShipperError: the example application is not installed, or a process does not start.
    """
    config = load(plan.config)
    found = status(config)
    if found.running:
        raise DataFolderError(
            f"a shipper works on {config.data_dir} already (process {found.pid}); stop it first"
        )
    _check_example()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    started = _now()
    interruptions = Interruptions()
    with interruptions.handled(), ExitStack() as stack:
        start = Starter(stack, interruptions).start
        shipper = start("shipper", ["shipper", "--config", str(plan.config), "run"], Path.cwd())
        application, url = _start_application(start, interruptions)
        _check_inputs(config)
        visits = ["--url", url, "--rate", str(plan.rate), "--seconds", str(ENDLESS_SECONDS)]
        clients = start("load", ["examples.orchestrator.load", *visits], ROOT)
        store, alerts = None, None
        if not isinstance(config.search or config.output, ONLY_WRITTEN):
            ready = partial(_store, config)
            store = stack.enter_context(closing(_until(shipper, ready, interruptions)))
            alerts = start("alerts", _alerts(plan.config), Path.cwd())
        children = (clients, application, shipper, alerts)
        yield Demo(plan, config, store, *children, url, started, interruptions)


def _check_example() -> None:
    """Look for what the application needs; an installed wheel does not have it."""
    if not (ROOT / "examples/orchestrator/__main__.py").is_file():
        raise ShipperError("the demo needs the example application; run it in a checkout (git)")
    missing = [name for name in ("fastapi", "uvicorn", "httpx") if find_spec(name) is None]
    if missing:
        raise ShipperError(f"the demo needs {', '.join(missing)}; pip install -e '.[demo]'")


def _start_application(
    start: Callable[[str, list[str], Path], Child], interruptions: Interruptions
) -> tuple[Child, str]:
    """Start the application, on any port where another program has the usual one."""
    application = start("application", _application(USUAL_PORT), ROOT)
    try:
        return application, _until(application, partial(_address, application), interruptions)
    except ShipperError:
        if TAKEN not in application.output.read_text(errors="replace"):
            raise
    application = start("application", _application(0), ROOT)
    return application, _until(application, partial(_address, application), interruptions)


def _application(port: int) -> list[str]:
    logs, data = LOGS.absolute(), DATA.absolute()
    folders = ["--logs", str(logs), "--data", str(data)]
    # Its health often enough for short windows; well by itself, and slow when it is made slow.
    told = ["--health-seconds", "5", "--faults", "demo,timeout=0.003", "--slow-query-ms", "300"]
    return ["examples.orchestrator", "--port", str(port), *folders, *told]


def _alerts(config: Path) -> list[str]:
    alerts.write_rules(ROOT / "config/rules", RULES)
    alerts.write_alerters(ALERTERS)
    job = ["alerts", "run", "--rules", str(RULES), "--alerters", str(ALERTERS)]
    return ["shipper", "--config", str(config), *job]


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts processes that are stopped when the stack is left, the last one first."""

    stack: ExitStack
    interruptions: Interruptions

    def start(self, name: str, module: list[str], directory: Path) -> Child:
        """Run a Python module in a session of its own, where no Ctrl-C reaches it."""
        output = OUTPUT / f"{name}.out"
        with output.open("wb") as file, self.interruptions.held():
            process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", *module],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            child = Child(name, process, output)
            self.stack.callback(child.stop)
        return child


def _until(child: Child, ready: Callable[[], Found | None], interruptions: Interruptions) -> Found:
    """Wait until a process that starts has brought forth what `ready` looks for."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        interruptions.check()
        child.check()
        found = ready()
        if found is not None:
            return found
        time.sleep(0.05)
    raise ShipperError(f"the {child.name} did not start in {START_SECONDS:g} s; see {child.output}")


def _address(application: Child) -> str | None:
    """Return the address when the application has told it and has begun to log."""
    found = re.search(r"http://[^\s,]+", application.output.read_text(errors="replace"))
    return found[0] if found and any(LOGS.glob("*.log")) else None


def _store(config: Config) -> Store | None:
    try:
        store = store_of(config)
        store.count(Selection())
    except StoreUnavailable:
        return None  # the shipper has not made it yet
    return store


def _check_inputs(config: Config) -> None:
    """Refuse a config that would never see the application's files."""
    found = (f for one in config.inputs for f in Patterns(one.paths, one.exclude).find())
    read = {Path(one.path).resolve().parent for one in found}
    if LOGS.resolve() not in read:
        raise ConfigError(
            f"no input of the config reads the demo's files in {LOGS}; add the path {LOGS}/*.log"
        )


class Interruptions:
    """
    Ctrl-C, SIGTERM and SIGHUP (the terminal was closed), all as KeyboardInterrupt.

    None of them comes between the start of a process and the note that it has to be stopped.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals, until the block ends."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._interrupt) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Interrupt after the block, not in it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.check()

    def check(self) -> None:
        """
        Raise the interruption that came, if one did.

        Python swallows one that is raised in a destructor or in a callback of the import system.
        """
        if self._pending:
            raise KeyboardInterrupt

    def _interrupt(self, _number: int, _frame: object) -> None:
        self._pending = True
        if not self._held:
            raise KeyboardInterrupt


def _now() -> int:
    return int(time.time() * 1000)


def _counts(answer: AggregateAnswer, name: str) -> dict[str, int]:
    return {str(bucket.key): bucket.count for bucket in buckets_of(answer, name).buckets}
