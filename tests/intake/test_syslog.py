"""Syslog over real sockets, and from the real `logger`: what is received is in the spool."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipper.config.intake import ListenAddress, SyslogOptions
from shipper.errors import ConfigError
from shipper.intake import syslog
from shipper.intake.spool import Spool
from shipper.intake.stopping import StopRequest
from shipper.intake.syslog import SyslogIntake


class Receiver:
    """A listening input, its spool, and what has come in."""

    def __init__(self, folder: Path, options: SyslogOptions, spool_bytes: int = 1 << 20) -> None:
        self.spool = Spool(folder / "spool", spool_bytes, file_bytes=4096)
        self.intake = SyslogIntake(self.spool, options, "UTC", lambda: 1_770_302_000_000)
        self.place: Any = self.intake.addresses[0]

    def records(self) -> list[dict[str, Any]]:
        lines = b"".join(Path(path).read_bytes() for path in sorted(self.spool.paths()))
        return [msgspec.json.decode(line) for line in lines.splitlines() if line.strip()]

    def messages(self) -> list[str]:
        return [record["message"] for record in self.records()]

    def until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < deadline, self.messages()
            time.sleep(0.01)


@contextmanager
def receiving(
    folder: Path, kind: str = "tcp", *, spool_bytes: int = 1 << 20, **options: Any
) -> Iterator[Receiver]:
    """Receive on a port of the kernel's choice, or a socket in the folder."""
    host = str(folder / "log.sock") if kind.startswith("unix") else "127.0.0.1"
    chosen = replace(SyslogOptions((ListenAddress(kind, host),)), **options)
    receiver, stop = Receiver(folder, chosen, spool_bytes), StopRequest()
    thread = threading.Thread(target=receiver.intake.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def connected(receiver: Receiver) -> socket.socket:
    return socket.create_connection(receiver.place, timeout=30)


def test_tcp_in_both_framings(tmp_path: Path) -> None:
    """Lines and counted messages of several connections; each has its sender."""
    with receiving(tmp_path) as receiver:
        with connected(receiver) as one, connected(receiver) as two:
            one.sendall(b"<11>Feb  5 14:30:45 web-1 app: first\n")
            two.sendall(b"12 <13>se\ncond!")
            place = one.getsockname()
            receiver.until(lambda: len(receiver.records()) == 2)
        by_message = {record["message"]: record for record in receiver.records()}

    assert by_message["first"]["level"] == "ERROR"
    assert by_message["first"]["peer"] == f"127.0.0.1:{place[1]}"
    assert "se\ncond!" in by_message


def test_udp_and_unix_sockets(tmp_path: Path) -> None:
    """A datagram is a message; a stream over a unix socket says who writes."""
    with receiving(tmp_path / "1", "udp") as receiver:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"<13>a datagram\nwith two lines", receiver.place)
        receiver.until(lambda: receiver.messages() == ["a datagram\nwith two lines"])
    (tmp_path / "2").mkdir()
    with receiving(tmp_path / "2", "unix") as receiver:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(receiver.place)
            sock.sendall(b"<13>a stream\n")
        receiver.until(lambda: receiver.messages() == ["a stream"])
        assert receiver.records()[0]["peer"] == f"pid {os.getpid()}, uid {os.getuid()}"
        assert os.stat(receiver.place).st_mode & 0o777 == 0o660
    assert not os.path.exists(receiver.place)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("tcp", ["-T"]),
        ("tcp", ["-T", "--octet-count"]),
        ("tcp", ["-T", "--rfc3164"]),
        ("udp", ["-d"]),
        ("udp", ["-d", "--rfc3164"]),
        ("unixgram", []),
        ("unix", []),
    ],
)
def test_the_real_logger(tmp_path: Path, kind: str, options: list[str]) -> None:
    """`logger` of util-linux is understood over every kind of socket, in both RFCs."""
    if shutil.which("logger") is None:
        assert os.environ.get("SHIPPER_TEST_REQUIRE") != "1", "logger is missing"
        pytest.skip("logger (util-linux) is not installed")
    with receiving(tmp_path, kind) as receiver:
        place = receiver.place
        to = ["-u", place] if kind.startswith("unix") else ["-n", place[0], "-P", str(place[1])]
        command = ["logger", *to, *options, "-p", "local0.warning", "-t", "backup", "--id=71"]
        subprocess.run([*command, "disk: 91 % [full]"], check=True, timeout=30)
        receiver.until(lambda: len(receiver.records()) == 1)
        [record] = receiver.records()

    assert record["message"] == "disk: 91 % [full]"
    assert record["level"] == "WARNING"
    assert record["facility"] == "local0"
    assert record["logger"] == "backup"
    assert record["pid"] == 71


def test_a_full_spool_has_senders_wait_and_loses_nothing(tmp_path: Path) -> None:
    """By TCP nothing is read while there is no room; all of it comes when there is."""
    with receiving(tmp_path, spool_bytes=8192) as receiver, connected(receiver) as sock:
        data = b"".join(b"<13>message %05d\n" % number for number in range(5000))
        sender = threading.Thread(target=sock.sendall, args=(data,), daemon=True)
        sender.start()
        receiver.until(lambda: not receiver.spool.has_room())
        found: list[str] = []
        seen: set[str] = set()

        def deliver() -> bool:
            for path in sorted(receiver.spool.paths()):
                size = os.path.getsize(path)
                before = len(receiver.spool.paths())
                lines = Path(path).read_bytes().splitlines()
                receiver.spool.prune({path: size})
                if len(receiver.spool.paths()) < before and path not in seen:
                    seen.add(path)
                    found.extend(msgspec.json.decode(each)["message"] for each in lines[1:])
            return len(found) + len(receiver.records()) >= 5000

        receiver.until(deliver)
        found += receiver.messages()

    assert found == [f"message {number:05d}" for number in range(5000)]


def test_datagrams_that_the_kernel_dropped_are_counted(tmp_path: Path) -> None:
    """What UDP loses is known: what was received and what was lost are all that was sent."""
    options = SyslogOptions((ListenAddress("udp", "127.0.0.1"),))
    receiver, stop = Receiver(tmp_path, options, 1 << 30), StopRequest()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(20_000):
            sock.sendto(b"<13>" + b"x" * 1000, receiver.place)
        thread = threading.Thread(target=receiver.intake.run, args=(stop,), daemon=True)
        thread.start()
        counters = receiver.spool.counters

        probes = 0

        def is_known() -> bool:
            nonlocal probes
            probes += 1
            sock.sendto(b"", receiver.place)  # it brings the count, and is no message
            return counters.messages + counters.lost >= 20_000

        receiver.until(is_known)
    stop.set()
    thread.join(30)

    assert counters.lost > 0
    assert 20_000 <= counters.messages + counters.lost <= 20_000 + probes


def test_connections_are_bounded(tmp_path: Path) -> None:
    """One too many is closed at once and counted; there is room when another one ends."""
    with receiving(tmp_path, max_connections=1) as receiver:
        with connected(receiver) as first:
            first.sendall(b"<13>first\n")
            receiver.until(lambda: receiver.messages() == ["first"])
            with connected(receiver) as second:
                assert second.recv(1) == b""
            assert receiver.spool.counters.refused == 1
        receiver.until(lambda: receiver.spool.counters.connections == 0)
        with connected(receiver) as third:
            third.sendall(b"<13>third\n")
            receiver.until(lambda: receiver.messages() == ["first", "third"])


def test_a_silent_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that opens a connection and says nothing does not keep it; what it began counts."""
    monkeypatch.setattr(syslog, "LOOK_SECONDS", 0.01)
    with receiving(tmp_path, idle_seconds=0.2) as receiver:
        with connected(receiver) as sock:
            sock.sendall(b"<13>half")
            assert sock.recv(1) == b""
        receiver.until(lambda: receiver.messages() == ["half"])


def test_a_hostile_sender_stops_nobody_else(tmp_path: Path) -> None:
    """Endless counts, endless lines and garbage cost their own connection at most."""
    with receiving(tmp_path, max_message_bytes=1000) as receiver:
        with connected(receiver) as counts, connected(receiver) as endless:
            counts.sendall(b"999999999 <13>x")
            endless.sendall(b"<13>" + b"\xff" * 5000)
            with connected(receiver) as good:
                good.sendall(b"<13>good\n")
                receiver.until(lambda: "good" in receiver.messages())
            with contextlib.suppress(ConnectionResetError):  # it was closed with bytes unread
                assert counts.recv(1) == b""
        receiver.until(lambda: receiver.spool.counters.cut >= 1)


def test_a_socket_that_is_left_over_makes_room_and_one_in_use_does_not(tmp_path: Path) -> None:
    """After a crash the path is used again; a living listener, or a file, is an error."""
    path = tmp_path / "log.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    with receiving(tmp_path, "unix"), pytest.raises(ConfigError, match="cannot listen on unix://"):
        Receiver(tmp_path, SyslogOptions((ListenAddress("unix", str(path)),)))

    path.write_text("a file")
    with pytest.raises(ConfigError, match="cannot listen on unix://"):
        Receiver(tmp_path, SyslogOptions((ListenAddress("unix", str(path)),)))
    assert path.read_text() == "a file"


def test_a_port_in_use_is_an_error_with_its_address(tmp_path: Path) -> None:
    """Nothing is received on half of the addresses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = ListenAddress("tcp", "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(ConfigError, match=f"cannot listen on {address.text}: "):
            Receiver(tmp_path, SyslogOptions((address,)))
