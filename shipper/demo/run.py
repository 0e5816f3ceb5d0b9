"""
Runs the demo: a real application under load, the shipper and the alert job.

    load ──HTTP──► application ──► logs/*.log ──► shipper run ──► index ──► this process shows it
                                                                    └─────► shipper alerts run

Load, application, shipper and alert job are processes with sessions of their own, so Ctrl-C reaches
only this one. It stops them in this order: the alert job, the load, the application, and the
shipper last, when it has delivered what they wrote. However the demo ends, no process is left
behind.
"""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import socket
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
POLLED = OUTPUT / "shipper.yml"  # the config of the demo's shipper
ALERTERS = OUTPUT / "alerters.yml"
USUAL_PORT = 8000
PORT_IN_USE = os.strerror(errno.EADDRINUSE)  # in the output of the application
START_SECONDS = 30.0  # enough for a cold start of the application on a slow machine
NOT_SEARCHABLE = (ConsoleOutput, LogstashOutput)
STOP_SECONDS = 5.0
PICTURE_SECONDS = 0.5
GRAPH_MS = 60_000
LATE_MS = 1000  # the last second is incomplete; its count would always look low
ENDLESS_SECONDS = 10 * 365 * 86_400

# Frequent enough for short windows of rules.
POLLS = """\
health:
  - {{name: demo, url: "http://127.0.0.1:{port}/health", every: 5s}}
  - {{name: demo-metrics, url: "http://127.0.0.1:{port}/api/metrics", every: 15s, expect: metrics}}
"""

ERRORS = "level:ERROR OR level:CRITICAL"
MAX_RESTARTS = 20

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """The config, requests per second, and how long to run in seconds (None: until stopped)."""

    config: Path
    rate: float
    seconds: float | None


@dataclass(slots=True)
class Child:
    """
    A process of the demo; its output is in a file.

    It is started again when it is killed with `kill -9`, as people try on a demo; not for ever, as
    the kernel may kill it for its memory.
    """

    name: str
    run: Callable[[str], subprocess.Popen[bytes]]  # takes the mode in which its output is opened
    process: subprocess.Popen[bytes]
    output: Path
    restarts: int = 0

    def check(self) -> None:
        """Raise ShipperError if the process has ended by itself."""
        code = self.process.poll()
        if code == -signal.SIGKILL and self.restarts < MAX_RESTARTS:
            self.restarts += 1
            self.process = self.run("ab")
        elif code is not None:
            last = self.output.read_text(errors="replace").strip().splitlines()[-1:]
            reason = f": {last[0]}" if last else ""
            raise ShipperError(f"the {self.name} exited with {code}{reason}", f"see {self.output}")

    def stop(self) -> None:
        """Terminate the process, or kill it if that takes too long; a second call does nothing."""
        try:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # killed below
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


@dataclass(frozen=True, slots=True)
class Demo:
    """
    A running demo, started at `started` (epoch ms); the application listens at `url`.

    `store` is None if the output cannot be searched; pictures then show what it acknowledged.
    """

    plan: DemoPlan
    config: Config
    store: Store | None
    load: Child
    application: Child
    shipper: Child
    alerts: Child | None
    dashboard: Child | None
    url: str
    started: int
    interruptions: Interruptions

    @property
    def page(self) -> str:
        """The link that opens the dashboard in the next browser; empty without a dashboard."""
        return (self.dashboard and _link(self.dashboard)) or ""

    def pictures(self) -> Iterator[Picture]:
        """Yield two pictures a second until the end; raise ShipperError if a process ends."""
        end = time.monotonic() + (self.plan.seconds or math.inf)
        while time.monotonic() < end:
            self.interruptions.check()
            for child in (self.load, self.application, self.shipper, self.alerts, self.dashboard):
                if child is not None:
                    child.check()
            yield self.look()
            time.sleep(PICTURE_SECONDS)

    def finish(self) -> Picture:
        """Stop the writers, wait until everything is delivered, and return the last picture."""
        if self.alerts is not None:
            self.alerts.stop()
        self.load.stop()
        self._end_polls()
        self.application.stop()
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(f.behind for f in status(self.config).files):
            self.shipper.check()
            time.sleep(0.05)
        return self.look()

    def _end_polls(self) -> None:
        """Have the application not polled any more: it is not down, it is stopped."""
        if POLLED.exists():
            POLLED.write_text(self.plan.config.read_text())
            self.shipper.process.send_signal(signal.SIGHUP)

    def look(self) -> Picture:
        """Return what has arrived in the store, and how far the shipper is."""
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
    Run all processes in the working directory for the length of a `with`.

    Raises:
        ConfigError: no input of the config reads the application's log files.
        DataFolderError: a shipper is already running on the data folder.
        ShipperError: the example application is not installed, or a process does not start.
    """
    config = load(plan.config)
    found = status(config)
    if found.running:
        raise DataFolderError(
            f"a shipper (process {found.pid}) is already running on {config.data_dir}",
            "stop it first",
        )
    _check_example()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    started = _now()
    interruptions = Interruptions()
    with interruptions.handled(), ExitStack() as stack:
        start = Starter(stack, interruptions).start
        port = _free_port()
        polling = _write_config(plan.config, port)
        shipper = start("shipper", ["shipper", "--config", str(polling), "run"], Path.cwd())
        application, url = _start_application(start, interruptions, port)
        _check_inputs(config)
        visits = ["--url", url, "--rate", str(plan.rate), "--seconds", str(ENDLESS_SECONDS)]
        clients = start("load", ["examples.orchestrator.load", *visits], ROOT)
        store, alerts, dashboard = None, None, None
        if not isinstance(config.search or config.output, NOT_SEARCHABLE):
            ready = partial(_store, config)
            store = stack.enter_context(closing(_until(shipper, ready, interruptions)))
            alerts = start("alerts", _alerts(plan.config), Path.cwd())
            serve = ["shipper", "--config", str(plan.config), "serve", "--listen", "127.0.0.1:0"]
            dashboard = start("dashboard", serve, Path.cwd())
            _until(dashboard, partial(_link, dashboard), interruptions)
        children = (clients, application, shipper, alerts, dashboard)
        yield Demo(plan, config, store, *children, url, started, interruptions)


def _check_example() -> None:
    """Check for the example application and its packages; an installed wheel has neither."""
    if not (ROOT / "examples/orchestrator/__main__.py").is_file():
        raise ShipperError("the demo needs the example application", "run it in a git checkout")
    missing = [name for name in ("fastapi", "uvicorn", "httpx") if find_spec(name) is None]
    if missing:
        raise ShipperError(f"the demo needs {', '.join(missing)}", "pip install -e '.[demo]'")


def _free_port() -> int:
    """Return the usual port, or another if it is in use."""
    for port in (USUAL_PORT, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    return USUAL_PORT


def _write_config(path: Path, port: int) -> Path:
    """Write the config of the demo's shipper: the user's, and polls of the application."""
    POLLED.write_text(f"{path.read_text().rstrip()}\n{POLLS.format(port=port)}")
    try:
        load(POLLED)
    except ConfigError:
        POLLED.unlink()
        return path  # it has polls of its own, or is written on one line
    return POLLED


def _start_application(
    start: Callable[[str, list[str], Path], Child], interruptions: Interruptions, port: int
) -> tuple[Child, str]:
    """Start the application; on another port if this one has come into use."""
    application = start("application", _application(port), ROOT)
    try:
        return application, _until(application, partial(_address, application), interruptions)
    except ShipperError:
        if PORT_IN_USE not in application.output.read_text(errors="replace"):
            raise
    application = start("application", _application(0), ROOT)
    return application, _until(application, partial(_address, application), interruptions)


def _application(port: int) -> list[str]:
    logs, data = LOGS.absolute(), DATA.absolute()
    folders = ["--logs", str(logs), "--data", str(data)]
    # Few faults, so that the demo starts healthy.
    behaviour = ["--faults", "demo,timeout=0.003", "--slow-query-ms", "300"]
    return ["examples.orchestrator", "--port", str(port), *folders, *behaviour]


def _alerts(config: Path) -> list[str]:
    alerts.write_rules(ROOT / "config/rules", RULES)
    alerts.write_alerters(ALERTERS)
    job = ["alerts", "run", "--rules", str(RULES), "--alerters", str(ALERTERS)]
    return ["shipper", "--config", str(config), *job]


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts processes that are stopped when the stack is closed, last one first."""

    stack: ExitStack
    interruptions: Interruptions

    def start(self, name: str, module: list[str], directory: Path) -> Child:
        """Run a Python module in a session of its own, which Ctrl-C does not reach."""
        output = OUTPUT / f"{name}.out"

        def run(mode: str) -> subprocess.Popen[bytes]:
            with output.open(mode) as file:
                return subprocess.Popen(  # noqa: S603 - our own modules
                    [sys.executable, "-m", *module],
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

        with self.interruptions.held():
            child = Child(name, run, run("wb"), output)
            self.stack.callback(child.stop)
        return child


def _until(child: Child, ready: Callable[[], Found | None], interruptions: Interruptions) -> Found:
    """Return what `ready` finds once it finds something, while the process runs."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        interruptions.check()
        child.check()
        found = ready()
        if found is not None:
            return found
        time.sleep(0.05)
    fault = f"the {child.name} did not start within {START_SECONDS:g} s"
    raise ShipperError(fault, f"see {child.output}")


def _address(application: Child) -> str | None:
    """Return the address once the application has printed it and has written logs."""
    found = re.search(r"http://[^\s,]+", application.output.read_text(errors="replace"))
    return found[0] if found and any(LOGS.glob("*.log")) else None


def _link(dashboard: Child) -> str | None:
    """Return the last link that the dashboard has printed; each opens it once."""
    found = re.findall(r"http://\S+", dashboard.output.read_text(errors="replace"))
    return found[-1] if found else None


def _store(config: Config) -> Store | None:
    try:
        store = store_of(config)
        store.count(Selection())
    except StoreUnavailable:
        return None  # the shipper has not created it yet
    return store


def _check_inputs(config: Config) -> None:
    """Raise ConfigError if no input of the config reads the application's files."""
    found = (f for one in config.inputs for f in Patterns(one.paths, one.exclude).find())
    read = {Path(one.path).resolve().parent for one in found}
    if LOGS.resolve() not in read:
        raise ConfigError(
            f"no input of the config reads the files of the demo in {LOGS}",
            f"add the path {LOGS}/*.log",
        )


class Interruptions:
    """
    Turns Ctrl-C, SIGTERM and SIGHUP (the terminal was closed) into KeyboardInterrupt.

    None is raised between the start of a process and its registration for being stopped.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals for the length of the block."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self._interrupt) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Defer an interruption to the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        self.check()

    def check(self) -> None:
        """
        Raise KeyboardInterrupt if a signal came.

        Python swallows an exception that is raised in a destructor or in an import callback.
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
