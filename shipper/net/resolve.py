"""
Looks names up in bounded time.

`getaddrinfo` has no time limit: a name server that does not answer holds its caller for a minute
and more, past every deadline. Here it runs in a helper thread, which is left behind when the time
is up. At most `MOST_THREADS` of them wait at a time: further callers wait for one of these, and no
longer than they may. An address in digits is not looked up.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Final, TypeVar

MOST_THREADS: Final = 16

T = TypeVar("T")

_free = threading.BoundedSemaphore(MOST_THREADS)


def in_time(call: Callable[[], T], seconds: float | None) -> T:
    """
    Return what a call returns, or raise what it raises; None: without a limit.

    Raises:
        TimeoutError: it took longer; its thread ends with it.

    """
    if seconds is None:
        return call()
    end = time.monotonic() + seconds
    free = _free
    if not free.acquire(timeout=max(seconds, 0)):
        raise TimeoutError
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 -- raised by the caller
            outcome.set_exception(error)
        finally:
            free.release()

    try:
        threading.Thread(target=run, name="resolver", daemon=True).start()
    except RuntimeError as error:  # no thread can be made now
        free.release()
        raise TimeoutError from error
    return outcome.result(max(end - time.monotonic(), 0))


def addresses_of(host: str, port: int, seconds: float | None) -> list[str]:
    """
    Return the addresses of a host, in digits, in the order in which they are to be tried.

    Raises:
        OSError: the name cannot be resolved; TimeoutError: not within this time.
        UnicodeError: it is no host name.

    """
    if _is_address(host):
        return [host]
    found = in_time(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    return [*dict.fromkeys(_address(place) for *_, place in found)]


def _address(place: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    """Return an address in digits, with the zone of a local one."""
    host = str(place[0])
    scope = place[3] if len(place) == 4 else 0
    return f"{host}%{scope}" if scope and "%" not in host else host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def open_connection(host: str, port: int, left: Callable[[], float]) -> socket.socket:
    """
    Return a connection to the first address of a host that takes it.

    `left` returns how many seconds a step may take, or raises TimeoutError.

    Raises:
        OSError: as `socket.create_connection` does; UnicodeError: it is no host name.

    """
    failed: OSError = OSError("the name has no address")
    for address in addresses_of(host, port, left()):
        try:
            return socket.create_connection((address, port), left())
        except OSError as error:
            failed = error
    raise failed
