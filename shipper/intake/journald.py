"""
Reads the journal by `journalctl`, from where the spool ends, and writes it to the spool as JSON.

Each line of the spool has the cursor of its entry, so the position and the record are one write:
there is no moment at which one is on the disk without the other. A new start goes on behind the
last whole line of the spool, whose newest file is kept for that, though it is delivered. What a
crash cut off is made blank and read again. So an entry is in the spool once. Only if the machine
crashes in the instant between a write and its sync, entries may be read again that were stored
already.

`journalctl` is a child process. It is started again when it ends, later each time. While the spool
is full it is not read from, and waits; the journal itself keeps what is to come.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import subprocess
from collections.abc import Callable
from typing import Any, Final

import msgspec

from shipper.config.intake import JournaldOptions
from shipper.intake.spool import Spool
from shipper.intake.stdin import LineCutter
from shipper.intake.stopping import StopRequest
from shipper.intake.syslog_message import LEVELS
from shipper.times import iso

log = logging.getLogger("shipper")

BLOCK_BYTES: Final = 256 << 10
ENTRY_BYTES: Final = 4 << 20  # of a line of journalctl
TEXT_CHARACTERS: Final = 64 << 10  # of a message; the rest is cut
FIELD_CHARACTERS: Final = 1024
ROOM_SECONDS: Final = 1.0
PAUSES: Final = (0.5, 2.0, 10.0, 30.0)
_LAST_WORDS: Final = 4096
_FIELDS: Final = {
    "_SYSTEMD_UNIT": "unit",
    "_SYSTEMD_USER_UNIT": "user_unit",
    "_HOSTNAME": "hostname",
    "_BOOT_ID": "boot",
    "_TRANSPORT": "transport",
    "_COMM": "command",
    "CODE_FILE": "file",
    "CODE_FUNC": "function",
}
_encode: Final = msgspec.json.Encoder().encode
_CURSOR: Final = "cursor"


def line_of(entry: dict[str, Any], arrived: int) -> tuple[dict[str, Any] | None, bool]:
    """Return what an entry says, and whether it was cut; None if it is none."""
    cursor = entry.get("__CURSOR")
    if not isinstance(cursor, str):
        return None, False
    message = _text(entry.get("MESSAGE"))
    found: dict[str, Any] = {"timestamp": iso(_time_of(entry) or arrived)}
    priority = _text(entry.get("PRIORITY"))
    if priority in {"0", "1", "2", "3", "4", "5", "6", "7"}:
        found["level"] = LEVELS[int(priority)]
    found["message"] = message[:TEXT_CHARACTERS]
    logger = _text(entry.get("SYSLOG_IDENTIFIER")) or _text(entry.get("_COMM"))
    if logger:
        found["logger"] = logger[:FIELD_CHARACTERS]
    pid = _text(entry.get("_PID")) or _text(entry.get("SYSLOG_PID"))
    if pid.isdecimal() and pid.isascii() and len(pid) <= 18:
        found["pid"] = int(pid)
    for name, shown in _FIELDS.items():
        value = _text(entry.get(name))
        if value:
            found[shown] = value[:FIELD_CHARACTERS]
    found[_CURSOR] = cursor
    return found, len(message) > TEXT_CHARACTERS


def _time_of(entry: dict[str, Any]) -> int | None:
    source, received = "_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"
    text = _text(entry.get(source)) or _text(entry.get(received))
    is_time = text.isdecimal() and text.isascii() and 13 <= len(text) <= 16
    return int(text) // 1000 if is_time else None


def _text(value: Any) -> str:
    """Return a text, also one that is given as its bytes; of several values, the first."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if all(type(each) is int and 0 <= each < 256 for each in value):
            return bytes(value).decode(errors="replace")
        return _text(value[0])
    return ""


class JournaldIntake:
    """Reads the journal as the options say; `wall` is in epoch milliseconds."""

    def __init__(self, spool: Spool, options: JournaldOptions, wall: Callable[[], int]) -> None:
        self._spool = spool
        self._options = options
        self._wall = wall
        self._decoder = msgspec.json.Decoder(dict[str, Any])
        self._cursor = cursor_of(spool.last_line())
        self._failures = 0

    def run(self, stop: StopRequest) -> None:
        """Read until it is stopped."""
        while not stop.is_set():
            try:
                self._follow(stop)
            except OSError as error:
                self._log_failure(error.strerror or str(error))
            if not stop.is_set():
                stop.event.wait(PAUSES[min(self._failures, len(PAUSES)) - 1])
        self._spool.end_file()

    def command(self) -> list[str]:
        """Return the command that yields the entries behind the last one of the spool."""
        options = self._options
        command = [options.journalctl, "--output=json", "--all", "--no-pager", "--quiet"]
        command += ["--follow", "--no-tail"]
        if options.directory is not None:
            command.append(f"--directory={options.directory}")
        command += [f"--unit={unit}" for unit in options.units]
        if self._cursor:
            command.append(f"--after-cursor={self._cursor}")
        elif options.begin == "now":
            command.append("--since=now")
        return command

    def _follow(self, stop: StopRequest) -> None:
        """Read from one process until it ends or is stopped."""
        with subprocess.Popen(  # noqa: S603 -- the config names the program
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as child:
            try:
                words = self._read(child, stop)
            finally:
                child.terminate()
                try:
                    child.wait(2)
                except subprocess.TimeoutExpired:
                    child.kill()
        if not stop.is_set():
            self._log_failure(words or f"it ended with {child.returncode}")

    def _read(self, child: subprocess.Popen[bytes], stop: StopRequest) -> str:
        """Read entries to the end; return the last words on stderr."""
        if child.stdout is None or child.stderr is None:
            return ""  # both are pipes
        lines, words = LineCutter(ENTRY_BYTES), b""
        out, err = child.stdout.fileno(), child.stderr.fileno()
        poll = select.poll()
        for fd in (out, err, stop.fileno()):
            poll.register(fd, select.POLLIN)
        while not stop.is_set():
            if not self._spool.wait_for_room(ROOM_SECONDS):
                continue
            came = [fd for fd, _event in poll.poll()]
            if err in came:
                said = os.read(err, _LAST_WORDS)
                words = (words + said)[-_LAST_WORDS:]
                if not said:
                    poll.unregister(err)
            if out in came:
                data = os.read(out, BLOCK_BYTES)
                if not data:
                    break
                self._take(lines.feed(data), stop)
        last = words.decode(errors="replace").strip().splitlines()
        return last[-1] if last else ""

    def _take(self, lines: bytes, stop: StopRequest) -> None:
        """Write entries to the spool; the last one is where a new process goes on."""
        written, count, cursor, arrived = [], 0, self._cursor, self._wall()
        counters = self._spool.counters
        for line in lines.splitlines():
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found, is_cut = line_of(self._decoder.decode(line), arrived)
                if found is not None:
                    written.append(_encode(found) + b"\n")
                    cursor, count = found[_CURSOR], count + 1
                    counters.cut += is_cut
                    continue
            counters.cut += 1  # an entry beyond all limits, or none at all
            log.warning("journald: a line of journalctl is no entry and is left out")
        if written and self._spool.write(b"".join(written), stop.event):
            counters.messages += count
            self._cursor, self._failures = cursor, 0

    def _log_failure(self, words: str) -> None:
        self._failures += 1
        if self._failures == 1 or self._failures == len(PAUSES):
            log.warning("journald: %s: %s; it is started again", self._options.journalctl, words)


def cursor_of(line: bytes) -> str:
    """Return the cursor in a line of the spool; empty if there is none."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        found = msgspec.json.decode(line, type=dict[str, Any]).get(_CURSOR)
        if isinstance(found, str):
            return found
    return ""
