"""
The threads of the alert job besides the main one: one per alerter, and one that pings.

They live for one setup: another config ends them and starts others. Whatever an alerter does, its
thread goes on until it is stopped.
"""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from shipper.alerts.alerters.alerter import AlerterRefused, AlerterUnavailable
from shipper.alerts.alerters.http import HttpPoster
from shipper.alerts.alerters.secret import read_secret
from shipper.alerts.job_state import ThreadState, metrics_text
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.notify.dispatch import POLL_MS, Dispatcher
from shipper.config.outputs import TlsOptions
from shipper.errors import DataFolderError, ShipperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.agent.http import HttpResponse, Listener
    from shipper.alerts.job_state import JobState
    from shipper.config.alerts import EndpointOptions, PingOptions

log = logging.getLogger("shipper.alerts.job")

PAUSE_SECONDS: Final = 5.0  # after the ledger could not be used
STOP_SECONDS: Final = (
    60.0  # an alerter finishes its page within a limit of its own, that is shorter
)
PING_SECONDS: Final = 5.0
RENEW_SECONDS: Final = 1.0  # between two looks at the lease while pages are sent


def wall() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class DispatcherThread:
    """Has one alerter tell what waits, until it is stopped."""

    def __init__(
        self, dispatcher: Dispatcher, ledger: Ledger, is_standing_by: Callable[[], bool]
    ) -> None:
        """Take over the dispatcher, and the ledger that it alone uses."""
        self._ledger = ledger
        self.wake = threading.Event()
        self._dispatcher = dispatcher
        self._is_standing_by = is_standing_by
        self._is_stopping = False
        self._turned_at = wall()
        self._waits: int | None = 0  # when there is something to tell, None for nothing
        self._idle = threading.Event()
        name = f"alerter {dispatcher.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def name(self) -> str:
        """The name of the alerter."""
        return self._dispatcher.name

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def state(self) -> ThreadState:
        """Return whether the thread lives, and when it last made a turn."""
        has_begun = self._thread.ident is not None
        return ThreadState(self.name, self._thread.is_alive() or not has_begun, self._turned_at)

    def drain(self, end: float, renew: Callable[[], object] = lambda: None) -> None:
        """Wait until all that can be sent now is sent, or until this monotonic time."""
        self._idle.clear()
        self.wake.set()
        renewed = time.monotonic()
        while time.monotonic() < end and self._thread.is_alive():
            if self._idle.wait(0.05) and (self._waits is None or self._waits > self._limit(end)):
                return
            self._idle.clear()
            if time.monotonic() - renewed >= RENEW_SECONDS:
                renew()
                renewed = time.monotonic()

    def stop(self) -> None:
        """Ask it to end after the page that it is sending."""
        self._is_stopping = True
        self.wake.set()

    def join(self) -> None:
        """Wait for its end."""
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._ledger.close()

    def _limit(self, end: float) -> int:
        return wall() + round((end - time.monotonic()) * 1000)

    def _run(self) -> None:
        while not self._is_stopping:
            pause = POLL_MS / 1000
            if not self._is_standing_by():
                try:
                    self._waits = self._dispatcher.turn(wall, is_stopping=self._must_stop)
                    self._turned_at = wall()
                except DataFolderError as error:
                    log.warning("%s: %s", self.name, error)
                    pause = PAUSE_SECONDS
                except Exception:  # a fault of ours: what waits is tried again
                    log.exception("%s: a fault while pages were sent; it keeps trying", self.name)
                    pause = PAUSE_SECONDS
            else:
                self._turned_at = wall()
            self._idle.set()
            self.wake.wait(pause)
            self.wake.clear()

    def _must_stop(self) -> bool:
        return self._is_stopping or self._is_standing_by()


class Pinger:
    """Asks for an address again and again, while all is well."""

    def __init__(self, options: PingOptions, is_well: Callable[[], bool]) -> None:
        self._options = options
        self._is_well = is_well
        self._stop = threading.Event()
        self._is_failing = False
        self._poster = HttpPoster(
            "alerts.ping", "alerts.ping", TlsOptions(), PING_SECONDS, time.monotonic
        )
        self._thread = threading.Thread(target=self._run, name="ping", daemon=True)

    def start(self) -> None:
        """Begin, where there is an address."""
        if self._options.url is not None or self._options.url_file is not None:
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                is_sent = self._is_well()
                if is_sent:
                    self._ping()
            except Exception:  # a fault of ours: without requests, the service elsewhere pages
                log.exception("alerts.ping: a fault; it keeps trying")
                is_sent = False
            self._stop.wait(self._options.every_seconds if is_sent else 1.0)

    def _ping(self) -> None:
        """Ask once; a failure is logged when it begins."""
        options = self._options
        try:
            url = options.url if options.url_file is None else read_secret(options.url_file)
            assert url is not None, "started with an address only"
            self._poster.post(url, b"", method="GET")
        except (AlerterUnavailable, AlerterRefused) as error:
            if not self._is_failing:
                log.warning("%s", error)
            self._is_failing = True
        else:
            self._is_failing = False


class JobEndpoint:
    """
    Answers `/metrics`, `/-/healthy` and `/-/ready` where `alerts.metrics.listen` says, or nowhere.

    A job that stands by is healthy, and not ready.
    """

    def __init__(
        self,
        options: EndpointOptions,
        read: Callable[[], JobState],
        reasons: Callable[[], list[str]],
    ) -> None:
        self._options = options
        self._read = read
        self._reasons = reasons
        self._listener: Listener | None = None

    def open(self) -> None:
        """
        Listen and answer.

        Raises:
            ShipperError: the address cannot be used, or the token cannot be read.
        """
        if self._options.listen is None:
            return
        from shipper.agent.http import Listener, read_token  # noqa: PLC0415 - only if needed

        token = read_token(self._options.token_file)
        listener = Listener(self._options.listen, token, self._respond)
        threading.Thread(target=listener.serve_forever, name="metrics", daemon=True).start()
        self._listener = listener

    def reopen(self, options: EndpointOptions) -> None:
        """Listen where another config says; if that is impossible, log it."""
        if options == self._options:
            return
        self.close()
        self._options = options
        try:
            self.open()
        except ShipperError as error:
            log.error("%s; metrics and health are not available now", error)  # noqa: TRY400

    def close(self) -> None:
        """Close the port."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown()
            listener.server_close()

    def _respond(self, path: str) -> HttpResponse | None:
        from shipper.agent.http import HttpResponse  # noqa: PLC0415 - only if needed
        from shipper.agent.metrics import CONTENT_TYPE  # noqa: PLC0415 - only if needed

        if path == "/metrics":
            return HttpResponse(HTTPStatus.OK, metrics_text(self._read(), wall()), CONTENT_TYPE)
        if path not in {"/-/healthy", "/-/ready"}:
            return None
        reasons = self._reasons()
        if path == "/-/ready" and not self._read().is_active:
            reasons.append("another alert job is active; this one stands by")
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return HttpResponse(status, "".join(f"{reason}\n" for reason in reasons or ["ok"]))
