"""
Requests to Kibana: bounded in time and size, verified, with errors without secrets.

No redirect is followed and no proxy of the environment used, as either would carry the login
elsewhere. What is only in the way for now (429, 502, 503, 504, a connection that breaks) is tried
again a few times; a write whose answer got lost does no
harm the second time (shipper/kibana/setup.py).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpcore
import msgspec

from shipper.config.kibana import KibanaServer
from shipper.decoding import UNDECODABLE
from shipper.errors import ShipperError
from shipper.kibana.place import KibanaPlace
from shipper.net.connect import ConnectionFailed, client_context, explain
from shipper.net.deadline import Deadline
from shipper.net.http_bounds import BoundedBackend
from shipper.net.login import login_of
from shipper.text import safe

OPTIONS: Final = "kibana"
MOST_BYTES: Final = 16 * 2**20  # of an answer
TRIES: Final = 5
LATER: Final = frozenset({429, 502, 503, 504})
LONGEST_WAIT: Final = 30.0
LONGEST_QUOTE: Final = 500


class KibanaError(ShipperError):
    """
    Kibana answered with an error; `status` is its HTTP status, 0 without an answer.

    `passes`: a connection that was there broke off, and may not the next time.
    """

    def __init__(
        self, fault: str, remedy: str = "", status: int = 0, *, passes: bool = False
    ) -> None:
        super().__init__(fault, remedy)
        self.status = status
        self.passes = passes


@dataclass(frozen=True, slots=True)
class KibanaAnswer:
    """What Kibana said: the status, and its body."""

    status: int
    body: bytes
    wait_seconds: float

    def json(self) -> Any:
        """Return the body read as JSON; None if it is not."""
        try:
            return msgspec.json.decode(self.body)
        except UNDECODABLE:
            return None


@dataclass(frozen=True, slots=True)
class KibanaClient:
    """Asks one Kibana, in one space."""

    server: KibanaServer
    place: KibanaPlace
    pause: Callable[[float], None] = field(default=time.sleep)

    def get(self, path: str, *, anywhere: bool = False) -> dict[str, Any] | None:
        """Return what is there; None if it is not. `anywhere`: a path outside of spaces."""
        try:
            found = self.send("GET", path, anywhere=anywhere)
        except KibanaError as refused:
            if refused.status != 404:
                raise
            return None
        if not isinstance(found, dict):
            fault = f"{self.server.url} answers GET {path} with something that is no object"
            raise KibanaError(fault, "check the address: it is that of something else than Kibana")
        return found

    def send(self, method: str, path: str, body: Any = None, *, anywhere: bool = False) -> Any:
        """
        Send a request with JSON; return the body of the answer, None if it has none.

        Raises:
            KibanaError: there is no answer, or an error.
            ShipperError: a file of the config cannot be used.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json"} if content else {}
        base = self.server.url if anywhere else self.place.base
        return self._ask(method, f"{base}{path}", headers, content).json()

    def upload(self, path: str, name: str, text: str) -> Any:
        """Send a file as a form does; return the body of the answer."""
        mark = uuid.uuid4().hex
        head = (
            f"--{mark}\r\ncontent-disposition: form-data; "
            f'name="file"; filename="{name}"\r\ncontent-type: application/ndjson\r\n\r\n'
        )
        content = f"{head}{text}\r\n--{mark}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={mark}"}
        return self._ask("POST", f"{self.place.base}{path}", headers, content).json()

    def _ask(self, method: str, url: str, headers: dict[str, str], content: bytes) -> KibanaAnswer:
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._ask_once(method, url, headers, content)
            except KibanaError as refused:
                if attempt == TRIES or not refused.passes:
                    raise
                self.pause(min(2.0**attempt, LONGEST_WAIT))
                continue
            if answer.status not in LATER or attempt == TRIES:
                break
            self.pause(min(answer.wait_seconds or 2.0**attempt, LONGEST_WAIT))
        if 200 <= answer.status < 300:
            return answer
        raise self._refusal(method, url, answer)

    def _ask_once(
        self, method: str, url: str, headers: dict[str, str], content: bytes
    ) -> KibanaAnswer:
        login = login_of(self.server, OPTIONS)
        sent = {"kbn-xsrf": "true", "user-agent": "shipper", **headers}
        if login:
            sent["authorization"] = login
        try:
            return self._exchange(method, url, sent, content)
        except ConnectionFailed as failed:
            raise KibanaError(f"{self.server.url} {failed.fault}", failed.remedy) from None
        except (httpcore.TimeoutException, TimeoutError):
            fault = f"{self.server.url} did not answer within {self.server.request_seconds:g} s"
            raise KibanaError(fault, "check that it is up", passes=True) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            why = explain(_cause(error), OPTIONS)
            passes = not isinstance(error, httpcore.ConnectError)
            fault = f"{self.server.url} {why.fault}"
            raise KibanaError(fault, why.remedy, passes=passes) from None

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], content: bytes
    ) -> KibanaAnswer:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        deadline = Deadline(time.monotonic, self.server.request_seconds)
        context = client_context(self.server.tls, OPTIONS) if url.startswith("https:") else None
        with (
            httpcore.ConnectionPool(context, network_backend=BoundedBackend(deadline)) as pool,
            pool.stream(method, url, headers=sent, content=content) as response,
        ):
            received = bytearray()
            for piece in response.iter_stream():
                received += piece
                if len(received) > MOST_BYTES:
                    raise KibanaError(f"{self.server.url} answers with too much", "see its log")
            said = {name.lower(): value for name, value in response.headers}
            wait = said.get(b"retry-after", b"").decode("latin-1").strip()
            seconds = float(wait[:4]) if wait.isascii() and wait.isdigit() else 0.0
            return KibanaAnswer(response.status, bytes(received), seconds)

    def _refusal(self, method: str, url: str, answer: KibanaAnswer) -> KibanaError:
        body = answer.json()
        said = str(body.get("message", "")) if isinstance(body, dict) else ""
        path = url.removeprefix(self.server.url)
        fault = f"{self.server.url} answered {answer.status} to {method} {path}"
        if said:
            fault += f": {safe(said)[:LONGEST_QUOTE]}"
        remedy = _REMEDIES.get(answer.status, "see the log of Kibana")
        return KibanaError(fault, remedy, answer.status)


_REMEDIES: Final = {
    301: f"correct {OPTIONS}.url",
    302: f"correct {OPTIONS}.url, or set {OPTIONS}.api_key_file or {OPTIONS}.username",
    400: "this version of Kibana takes another form: use the shipper that belongs to it",
    401: f"correct {OPTIONS}.api_key_file, or {OPTIONS}.username and its password",
    403: "give the user or key the role logs-orchestrator-kibana, which `shipper setup` creates",
    404: "check the address and the space; dashboards need Kibana 9.4 or newer",
    409: "the id belongs to another space: use the option --space with the name of this one",
}


def _cause(error: Exception) -> OSError:
    """Return the error of the system behind one of the client."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return ConnectionResetError()
