"""
One HTTP request to a service: bounded in time and size, verified, with errors without secrets.

Each request has a connection of its own, so nothing can be half closed by the time of the next one.
It goes below httpx.Client, which would write every address to the log, and the address of a webhook
is its secret; so no proxy of the environment is used either, no cookie kept, and no redirect
followed: that would carry a secret elsewhere. All of it, from the connection to the last byte of
the answer, has one deadline: a server that sends a byte now and then holds nobody up.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import httpcore
import msgspec

from shipper.alerts.alerters.alerter import AlerterRefused, AlerterUnavailable
from shipper.alerts.alerters.secret import Scrub, Secret, read_secret
from shipper.alerts.alerters.settings import address_of
from shipper.config.options import InvalidValueError
from shipper.config.outputs import TlsOptions
from shipper.decoding import UNDECODABLE
from shipper.net.connect import ConnectionFailed, client_context
from shipper.net.deadline import Deadline
from shipper.net.http_bounds import BoundedBackend
from shipper.text import safe

LATER: Final = frozenset({408, 425, 429})
CORRECTABLE: Final = frozenset({401, 403, 404, 410})
LONGEST_ANSWER: Final = 64 * 1024  # a service that says more has nothing to say to us
LONGEST_QUOTE: Final = 300


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a service said: its status, headers in lower case, and the beginning of its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body read as JSON, None if it is not."""
        try:
            return msgspec.json.decode(self.body)
        except UNDECODABLE:
            return None


@dataclass(frozen=True, slots=True)
class HttpPoster:
    """
    Asks one service.

    `who` names it in messages, as `alerters.ops: Slack`; `section` is its place in the config.
    """

    who: str
    section: str
    tls: TlsOptions
    seconds: float
    ticks: Callable[[], float] = field(repr=False)

    def post(  # noqa: PLR0913 -- what a request consists of
        self,
        url: Secret | str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[Secret] = (),
        method: str = "POST",
        good: Callable[[HttpAnswer], bool] = lambda _: False,
    ) -> HttpAnswer:
        """
        Send one request; `body` is made into JSON unless it is bytes.

        `good` tells whether an answer means success although its status does not.

        Raises:
            AlerterUnavailable: no answer, or one that says to try again.
            AlerterRefused: any other answer that is no success.
        """
        address = url.reveal() if isinstance(url, Secret) else url
        scrub = Scrub([*secrets, *([url] if isinstance(url, Secret) else ())])
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json", "User-Agent": "shipper"}
        sent.update(headers or {})
        try:
            answer = self._ask(method, address, sent, content)
        except ConnectionFailed as failed:
            raise AlerterUnavailable(f"{self.who} {failed.fault}", failed.remedy) from None
        except (httpcore.TimeoutException, TimeoutError):
            fault = f"{self.who} did not answer within {self.seconds:g} s"
            raise AlerterUnavailable(fault, "check that it is up") from None
        except (httpcore.ConnectError, httpcore.NetworkError) as error:
            raise self._unreached(error) from None
        except httpcore.ProtocolError:
            fault = f"{self.who} does not answer with HTTP"
            raise AlerterUnavailable(fault, "correct its address") from None
        except (httpcore.UnsupportedProtocol, UnicodeError):
            fault = f"the address of {self.who} is not valid"
            raise AlerterRefused(fault, "correct it", correctable=True) from None
        if 200 <= answer.status < 300 or good(answer):
            return answer
        raise refusal(self.who, answer, scrub)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> HttpAnswer:
        deadline = Deadline(self.ticks, self.seconds)
        context = client_context(self.tls, self.section) if url.startswith("https") else None
        with (
            httpcore.ConnectionPool(context, network_backend=BoundedBackend(deadline)) as pool,
            pool.stream(method, url, headers=[*_encoded(headers)], content=content) as response,
        ):
            received = bytearray()
            for piece in response.iter_stream():
                received += piece
                if len(received) >= LONGEST_ANSWER:
                    break
            names = {
                name.lower().decode(): value.decode("latin-1") for name, value in response.headers
            }
            return HttpAnswer(response.status, names, bytes(received[:LONGEST_ANSWER]))

    def _unreached(self, error: Exception) -> AlerterUnavailable | AlerterRefused:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                fault = f"{self.who} has a certificate that is not trusted ({cause.verify_message})"
                return AlerterRefused(fault, f"see {self.section}.tls.ca", correctable=True)
            cause = cause.__cause__ or cause.__context__
        what = "cannot be reached" if isinstance(error, httpcore.ConnectError) else "broke off"
        return AlerterUnavailable(f"{self.who} {what}", "check that it is up and can be reached")


def read_url(path: Path, who: str) -> Secret:
    """
    Read a URL that is a secret.

    Raises:
        AlerterUnavailable: the file cannot be read.
        AlerterRefused: it does not hold a URL that a secret may be sent to.
    """
    url = read_secret(path)
    try:
        address_of(url.reveal())
    except InvalidValueError as error:
        fault = f"{who}: the URL in {path} {error.fault}"
        raise AlerterRefused(fault, error.remedy, correctable=True) from None
    return url


def refusal(who: str, answer: HttpAnswer, scrub: Scrub) -> AlerterUnavailable | AlerterRefused:
    """Say what an answer that is no success means."""
    body = answer.body if len(answer.body) < LONGEST_ANSWER else b""  # what is cut may hold half
    quoted = safe(scrub(body.decode("utf-8", "replace")).strip())[:LONGEST_QUOTE]
    fault = f"{who} answers {answer.status}" + (f": {quoted}" if quoted else "")
    if answer.status in LATER or answer.status >= 500:
        return AlerterUnavailable(
            fault, "it is tried again", retry_after_seconds=retry_after(answer.headers)
        )
    if 300 <= answer.status < 400:
        fault = f"{who} redirects to another address ({answer.status})"
        return AlerterRefused(fault, "correct its address", correctable=True)
    is_login = answer.status in (401, 403)
    remedy = "check its key and what the key allows" if is_login else "correct its settings"
    return AlerterRefused(fault, remedy, correctable=answer.status in CORRECTABLE)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`; a date counts from the date of the answer itself."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        seconds = (at - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None
    return max(0.0, seconds)


def _encoded(headers: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items())
