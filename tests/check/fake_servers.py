"""Servers for a connection or two, in threads of the test."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

SECONDS = 5.0  # any wait of a test ends by then


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on a free port and hand every connection to `handle`; return the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    connection.settimeout(SECONDS)
                    with connection, suppress(OSError):
                        handle(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield port
        finally:
            stopped.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), SECONDS):
                pass
            thread.join(SECONDS)


def silent(connection: socket.socket) -> None:
    """Behave as Logstash before it is sent anything."""
    connection.recv(1)


def silent_for_long(connection: socket.socket) -> None:
    """Behave as a server that waits for a line in clear text, until the client leaves."""
    while connection.recv(4096):
        pass


class Authority:
    """A temporary CA, with its files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._authority = trustme.CA()
        self.path = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.path)

    def issue(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """Return the paths of a certificate for the names, and of its key."""
        issued = self._authority.issue_cert(*names)
        certificate, key = folder / f"{names[0]}.pem", folder / f"{names[0]}.key"
        issued.private_key_pem.write_to_path(key)
        with certificate.open("wb") as file:
            for blob in issued.cert_chain_pems:
                file.write(blob.bytes())
        return certificate, key

    def server(
        self, *names: str, ends: float | None = None, demands: bool = False
    ) -> ssl.SSLContext:
        """Make the server's side of TLS; it may demand a certificate of this CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        when = None if ends is None else datetime.fromtimestamp(ends, UTC)
        began = None if when is None else when - timedelta(days=900)
        issued = self._authority.issue_cert(*names, not_before=began, not_after=when)
        issued.configure_cert(context)
        if demands:
            context.verify_mode = ssl.CERT_REQUIRED
            self._authority.configure_trust(context)
        return context


def over_tls(
    context: ssl.SSLContext, handle: Callable[[socket.socket], None]
) -> Callable[[socket.socket], None]:
    """Return the handler, behind TLS."""

    def handled(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            handle(secured)

    return handled
