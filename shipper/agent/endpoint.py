"""What a running shipper answers over HTTP: `/metrics`, `/-/healthy` and `/-/ready`."""

from __future__ import annotations

import logging
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from shipper.agent.health import HealthInputs, not_alive, not_ready
from shipper.agent.metrics import CONTENT_TYPE, exposition
from shipper.errors import ShipperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.agent.http import HttpResponse, Listener
    from shipper.agent.metrics import MetricsSnapshot
    from shipper.config.main import MetricsOptions

log = logging.getLogger("shipper")


class Endpoint:
    """
    Listens where `metrics.listen` says, or nowhere.

    `read_metrics` and `read_health` are called by the thread that answers; `start_thread` starts
    it with a body and a name.
    """

    def __init__(
        self,
        options: MetricsOptions,
        read_metrics: Callable[[], MetricsSnapshot],
        read_health: Callable[[], HealthInputs],
        start_thread: Callable[[Callable[[], None], str], None],
    ) -> None:
        self._options = options
        self._read_metrics = read_metrics
        self._read_health = read_health
        self._start_thread = start_thread
        self._listener: Listener | None = None
        self._is_answering = False

    def listen(self) -> None:
        """
        Open the port; nothing is answered yet.

        Raises:
            ShipperError: the port cannot be opened, or the token cannot be read.

        """
        if self._options.listen is None:
            return
        from shipper.agent.http import Listener, read_token  # noqa: PLC0415 -- only if needed

        token = read_token(self._options.token_file)
        self._listener = Listener(self._options.listen, token, self._respond)

    def answer(self) -> None:
        """Start the thread that answers, if the port is open."""
        if self._listener is not None:
            self._start_thread(self._listener.serve_forever, "metrics")
            self._is_answering = True

    def reconfigure(self, options: MetricsOptions) -> None:
        """Listen where another config says; if that is impossible, log it and do not listen."""
        if options == self._options:
            return
        self.close()
        self._options = options
        try:
            self.listen()
            self.answer()
        except ShipperError as error:
            log.error("%s; metrics and health are not available now", error)  # noqa: TRY400 -- no bug

    def close(self) -> None:
        """Close the port."""
        listener, self._listener = self._listener, None
        if listener is not None:
            if self._is_answering:  # else `shutdown` would wait for ever
                listener.shutdown()
            listener.server_close()
        self._is_answering = False

    def _respond(self, path: str) -> HttpResponse | None:
        from shipper.agent.http import HttpResponse  # noqa: PLC0415 -- only if needed

        if path == "/metrics":
            text = exposition(self._read_metrics(), version("orchestrator-shipper"))
            return HttpResponse(HTTPStatus.OK, text, CONTENT_TYPE)
        if path == "/-/healthy":
            reasons = not_alive(self._read_health())
        elif path == "/-/ready":
            reasons = not_ready(self._read_health(), self._options.ready_seconds)
        else:
            return None
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return HttpResponse(status, "".join(f"{reason}\n" for reason in reasons or ["ok"]))
