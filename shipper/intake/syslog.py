"""
Receives syslog over TCP, UDP and unix sockets, and writes it to the spool as JSON.

Plain syslog has no acknowledgements: what the kernel took from a sender, and what was received and
is not in the spool yet, is lost when the process is killed. While the spool or the disk is full,
nothing is received: a sender by TCP or a unix socket waits, a datagram of UDP is dropped by the
kernel when its buffer is full, and counted (`lost`) as far as the kernel says so.

Everything that a sender decides has a bound: the length of a message, the number of connections,
how long one may say nothing. A round reads at most `READ_BYTES` of each connection and then goes on
with the next one, so a fast sender delays the others by no more than that.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import socket
import stat
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shipper.config.intake import ListenAddress, SyslogOptions
from shipper.errors import ConfigError
from shipper.intake.framing import Framing, FramingError
from shipper.intake.spool import Spool
from shipper.intake.stopping import StopRequest
from shipper.intake.syslog_message import SyslogReader

log = logging.getLogger("shipper")

READ_BYTES: Final = 64 << 10
DATAGRAM_BYTES: Final = 64 << 10
MOST_DATAGRAMS: Final = 1000  # of one socket in a round
BATCH_BYTES: Final = 1 << 20  # after which lines are written to the spool
BUFFER_BYTES: Final = 4 << 20  # that the kernel keeps of a socket of datagrams, if it may
ROOM_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.05  # after a connection that could not be accepted
LOOK_SECONDS: Final = 1.0  # between two looks for connections that say nothing
_RXQ_OVFL: Final = 40  # Linux: with each datagram, how many were dropped before it
_CREDENTIALS: Final = struct.Struct("3i")
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True, eq=False)
class _Connection:
    sock: socket.socket
    peer: str
    framing: Framing
    heard_at: float


class SyslogIntake:
    """
    Listens where the options say; `zone` is that of times without one, `wall` in epoch ms.

    Raises:
        ConfigError: it cannot listen there.

    """

    def __init__(
        self, spool: Spool, options: SyslogOptions, zone: str, wall: Callable[[], int]
    ) -> None:
        self._spool = spool
        self._wall = wall
        self._options = options
        self._reader = SyslogReader(zone)
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._listening: list[tuple[socket.socket, ListenAddress]] = []
        self._drops: dict[int, int] = {}  # by socket, as the kernel counts
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._looked_at = 0.0
        try:
            for address in options.listen:
                self._listening.append((_listen(address, options), address))
        except ConfigError:
            self.close()
            raise

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, as the sockets say."""
        return [sock.getsockname() for sock, _address in self._listening]

    def run(self, stop: StopRequest) -> None:
        """Receive until it is stopped; then take what has arrived, and close all."""
        self._selector.register(stop.fileno(), selectors.EVENT_READ)
        for sock, address in self._listening:
            act = self._receive if address.is_datagram else self._accept
            self._selector.register(sock, selectors.EVENT_READ, (act, (sock, address)))
        try:
            while not stop.is_set():
                if self._spool.wait_for_room(ROOM_SECONDS):
                    self._round(stop, LOOK_SECONDS)
            for sock, address in self._listening:
                if not address.is_datagram:
                    self._selector.unregister(sock)
            if self._spool.has_room():
                self._round(stop, 0)
        finally:
            for connection in tuple(self._connections):
                self._drop(connection)
            self._flush(stop)
            self.close()
            self._spool.end_file()

    def _round(self, stop: StopRequest, seconds: float) -> None:
        """Read once from every socket that has something, and write it to the spool."""
        for key, _events in self._selector.select(seconds):
            if key.data is not None:
                act, arguments = key.data
                act(*arguments)
            if self._batch_bytes >= BATCH_BYTES:
                self._flush(stop)
        self._flush(stop)
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            for connection in tuple(self._connections):
                if now - connection.heard_at > self._options.idle_seconds:
                    log.info("syslog: %s said nothing for long and is closed", connection.peer)
                    self._drop(connection)

    def _accept(self, listener: socket.socket, address: ListenAddress) -> None:
        try:
            sock, place = listener.accept()
        except OSError as error:  # it went away, or there are no more descriptors
            log.debug("syslog: nothing accepted: %s", error)
            time.sleep(PAUSE_SECONDS)
            return
        counters = self._spool.counters
        if len(self._connections) >= self._options.max_connections:
            counters.refused += 1
            sock.close()
            return
        sock.settimeout(0)
        if address.kind == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            peer = _shown(place)
        else:
            peer = _peer_of_unix(sock)
        framing = Framing(self._options.max_message_bytes)
        connection = _Connection(sock, peer, framing, time.monotonic())
        self._connections.add(connection)
        counters.connections = len(self._connections)
        self._selector.register(sock, selectors.EVENT_READ, (self._read, (connection,)))

    def _read(self, connection: _Connection) -> None:
        framing = connection.framing
        before = framing.cut
        try:
            data = connection.sock.recv(READ_BYTES)
            messages = framing.feed(data) if data else framing.end()
        except BlockingIOError:
            return
        except (OSError, FramingError) as error:
            log.info("syslog: %s is closed: %s", connection.peer, error)
            data, messages = b"", framing.end()
        self._spool.counters.cut += framing.cut - before
        connection.heard_at = time.monotonic()
        for message in messages:
            self._take(message, connection.peer)
        if not data:
            self._drop(connection)

    def _receive(self, sock: socket.socket, address: ListenAddress) -> None:
        counters, limit = self._spool.counters, self._options.max_message_bytes
        for _ in range(MOST_DATAGRAMS):
            try:
                data, extra, _flags, place = sock.recvmsg(DATAGRAM_BYTES, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return
            except OSError as error:  # such as an answer to nothing that was sent
                log.debug("syslog: %s: %s", address.text, error)
                return
            for level, kind, value in extra:
                if (level, kind) == (socket.SOL_SOCKET, _RXQ_OVFL) and len(value) >= 4:
                    dropped = struct.unpack_from("@I", value)[0]
                    counters.lost += (dropped - self._drops.get(sock.fileno(), 0)) % (1 << 32)
                    self._drops[sock.fileno()] = dropped
            counters.cut += len(data) > limit
            self._take(data[:limit], _shown(place) if address.kind == "udp" else "local")
            if self._batch_bytes >= BATCH_BYTES:
                return

    def _take(self, message: bytes, peer: str) -> None:
        """Add a message to what is written at the end of the round."""
        found = self._reader.read(message, peer, self._wall())
        if found is not None:
            line = _encode(found) + b"\n"
            self._batch.append(line)
            self._batch_bytes += len(line)

    def _flush(self, stop: StopRequest) -> None:
        if self._batch:
            lines, count = b"".join(self._batch), len(self._batch)
            self._batch, self._batch_bytes = [], 0
            if self._spool.write(lines, stop.event):
                self._spool.counters.messages += count
            else:
                log.error("syslog: %d messages are lost, as the spool cannot be written", count)

    def _drop(self, connection: _Connection) -> None:
        """Close a connection; what it began to say is taken."""
        for message in connection.framing.end():
            self._take(message, connection.peer)
        self._selector.unregister(connection.sock)
        connection.sock.close()
        self._connections.discard(connection)
        self._spool.counters.connections = len(self._connections)

    def close(self) -> None:
        """Close all sockets, and remove those in the file system."""
        for sock, address in self._listening:
            sock.close()
            if not address.port:
                with contextlib.suppress(OSError):
                    os.unlink(address.host)
        self._listening.clear()
        self._selector.close()


def _listen(address: ListenAddress, options: SyslogOptions) -> socket.socket:
    kind = socket.SOCK_DGRAM if address.is_datagram else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(socket.AF_UNIX if address.is_unix else family, kind)
    try:
        if address.is_unix:
            _bind_unix(sock, address.host, options.socket_mode)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(not address.is_datagram))
            sock.bind((address.host, address.port))
        if not address.is_datagram:
            sock.listen(128)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"cannot listen on {address.text}: {error.strerror}",
            "use another address, or stop what listens there",
        ) from error
    if address.is_datagram:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, _RXQ_OVFL, 1)
    sock.settimeout(0)
    return sock


def _bind_unix(sock: socket.socket, path: str, mode: int) -> None:
    """Bind a socket in the file system; one that nobody listens on any more makes room."""
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise
        with socket.socket(socket.AF_UNIX, sock.type) as probe:
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                raise
        os.unlink(path)
        sock.bind(path)
    os.chmod(path, mode)


def _shown(place: Any) -> str:
    """Return the address and port of a sender."""
    host, port = place[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer_of_unix(sock: socket.socket) -> str:
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(data)
    return f"pid {pid}, uid {uid}"
