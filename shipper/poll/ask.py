"""
One request to an application, bounded in time and size; it raises nothing.

No redirect is followed and no proxy of the environment used: what is asked for is what answers. The
token goes to the configured address only. Neither it nor the query of the address is in any text.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpcore
import msgspec

from shipper.config.health import EXPECT_HEALTH, EXPECT_METRICS, HealthTargetOptions
from shipper.decoding import UNDECODABLE
from shipper.net.connect import ConnectionFailed, client_context
from shipper.net.deadline import Deadline
from shipper.net.http_bounds import BoundedBackend

MOST_BYTES: Final = 1 << 20  # of an answer
MOST_TOKEN_BYTES: Final = 4096
HEALTHY: Final = "healthy"
UNHEALTHY: Final = "unhealthy"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,49}")
STATES: Final = frozenset({HEALTHY, "degraded", UNHEALTHY})


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """
    What came of a poll.

    `failure` is a word for why there is no usable answer, and None if there is one; `reason` says
    the same for people. `http_status` is 0 without an answer.
    """

    status: str
    latency_ms: float
    http_status: int = 0
    failure: str | None = None
    reason: str | None = None
    body: Any = None


class _PollFailed(Exception):  # noqa: N818 -- it is an answer
    """There is no usable answer; `failure` is a word, `reason` a sentence."""

    def __init__(self, failure: str, reason: str, http_status: int = 0) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason
        self.http_status = http_status


def ask(target: HealthTargetOptions, ticks: Callable[[], float]) -> PollAnswer:
    """Ask an application; `ticks` are seconds that only go forward."""
    began = ticks()
    try:
        http_status, content = _request(target, Deadline(ticks, target.timeout_seconds))
        latency_ms = _since(began, ticks)
        return _judged(target, http_status, content, latency_ms)
    except _PollFailed as failed:
        return PollAnswer(
            UNHEALTHY, _since(began, ticks), failed.http_status, failed.failure, failed.reason
        )


def _since(began: float, ticks: Callable[[], float]) -> float:
    return round((ticks() - began) * 1000, 1)


def _request(target: HealthTargetOptions, deadline: Deadline) -> tuple[int, bytes]:
    try:
        return _exchange(target, deadline)
    except ConnectionFailed as error:
        raise _PollFailed("tls", error.fault) from None
    except (httpcore.TimeoutException, TimeoutError):
        reason = f"no answer within {target.timeout_seconds:g} s"
        raise _PollFailed("timeout", reason) from None
    except (httpcore.ConnectError, httpcore.NetworkError) as error:
        raise _unreached(error) from None
    except httpcore.ProtocolError:
        raise _PollFailed("unreachable", "it does not answer with HTTP") from None
    except (httpcore.UnsupportedProtocol, UnicodeError, OSError, ValueError) as error:
        raise _PollFailed("unreachable", f"cannot be asked ({type(error).__name__})") from None


def _exchange(target: HealthTargetOptions, deadline: Deadline) -> tuple[int, bytes]:
    headers = [(b"Accept", b"application/json"), (b"User-Agent", b"shipper")]
    if target.token_file is not None:
        headers.append((b"Authorization", b"Bearer " + _token(target.token_file)))
    is_encrypted = target.url.startswith("https")
    context = client_context(target.tls, f"health.{target.name}") if is_encrypted else None
    with (
        httpcore.ConnectionPool(context, network_backend=BoundedBackend(deadline)) as pool,
        pool.stream("GET", target.url, headers=headers) as response,
    ):
        if 300 <= response.status < 400:
            reason = f"it redirects to another address ({response.status})"
            raise _PollFailed("redirect", reason, response.status)
        received = bytearray()
        for piece in response.iter_stream():
            received += piece
            if len(received) > MOST_BYTES:
                reason = f"the answer has more than {MOST_BYTES} bytes"
                raise _PollFailed("too_large", reason, response.status)
        return response.status, bytes(received)


def _token(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            token = file.read(MOST_TOKEN_BYTES + 1).strip()
    except OSError as error:
        raise _PollFailed("token", f"token_file cannot be read: {error.strerror}") from None
    if not token or len(token) > MOST_TOKEN_BYTES or not all(32 < byte < 127 for byte in token):
        raise _PollFailed("token", "token_file does not hold one line of printable ASCII")
    return token


def _unreached(error: Exception) -> _PollFailed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _PollFailed("tls", f"its certificate is not trusted ({cause.verify_message})")
        if isinstance(cause, ssl.SSLError):
            return _PollFailed("tls", "it cannot agree on TLS with us")
        if isinstance(cause, ConnectionRefusedError):
            return _PollFailed("refused", "it refuses connections")
        if isinstance(cause, socket.gaierror):
            return _PollFailed("unreachable", "its name cannot be resolved")
        cause = cause.__cause__ or cause.__context__
    return _PollFailed("unreachable", "it cannot be reached, or broke off")


def _judged(
    target: HealthTargetOptions, http_status: int, content: bytes, latency_ms: float
) -> PollAnswer:
    is_success = 200 <= http_status < 300
    if target.expect == EXPECT_HEALTH:
        found = _json(content, http_status)
        status = found.get("status")
        if not isinstance(status, str) or status not in STATES:
            fault = "the answer has no status of healthy, degraded or unhealthy"
            raise _PollFailed("not_health", fault, http_status)
        reason = _said(found) if status == UNHEALTHY else None
        return PollAnswer(status, latency_ms, http_status, reason=reason, body=found)
    if not is_success:
        raise _PollFailed("http_status", f"it answers {http_status}", http_status)
    body = _json(content, http_status) if target.expect == EXPECT_METRICS else None
    return PollAnswer(HEALTHY, latency_ms, http_status, body=body)


def _json(content: bytes, http_status: int) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except UNDECODABLE:
        found = None
    if not isinstance(found, dict):
        if not 200 <= http_status < 300:
            raise _PollFailed("http_status", f"it answers {http_status}", http_status)
        raise _PollFailed("not_json", "the answer is not a JSON object", http_status)
    return found


def _said(found: dict[str, Any]) -> str:
    """Return which parts of an unhealthy answer say so; odd names stay out."""
    bad = sorted(
        name
        for name, part in found.items()
        if isinstance(part, dict)
        and str(part.get("status")) in {UNHEALTHY, "disconnected", "timeout", "error"}
        and _NAME.fullmatch(name)
    )
    return f"it says so ({', '.join(bad[:5])})" if bad else "it says so"
