"""
A real Lumberjack receiver for the tests: fixtures, and `python -m tests.servers.lumberjack FILE`.

Where it comes from: built with Go from `lumberjack_receiver/` into .cache. Without Go a test is
skipped with the reason, or fails where SHIPPER_TEST_REQUIRE is set. There is no address from the
environment and no image: the tests read the file that it writes, and break it on purpose.

    start_lumberjack   starts receivers on this machine, to be broken, killed and restarted
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

import pytest

SOURCE = Path(__file__).parent / "lumberjack_receiver"
CACHE = Path(__file__).parent.parent.parent / ".cache" / "lumberjack-receiver"
BUILD_SECONDS = 100  # less than the timeout of a test, which would hide the reason
READY_SECONDS = 20


class NoReceiverError(Exception):
    """There is none here, for this reason."""


def build() -> Path:
    """Return the receiver's program, built if its source is new; raises NoReceiverError."""
    sources = sorted(SOURCE.iterdir())
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    program = CACHE / f"receiver-{mark}"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise NoReceiverError("go is missing; the Lumberjack receiver is built with it")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of a test run start at the same time
        if not program.exists():
            made = CACHE / "receiver.new"
            _run([go, "build", "-buildvcs=false", "-o", str(made), "."])
            made.rename(program)
    return program


def _run(command: list[str]) -> None:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        done = subprocess.run(
            command,
            cwd=SOURCE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        reason = f"the Lumberjack receiver was not built within {BUILD_SECONDS} s"
        raise NoReceiverError(reason) from error
    if done.returncode:
        raise NoReceiverError(f"the Lumberjack receiver cannot be built: {done.stderr.strip()}")


@lru_cache(maxsize=1)
def build_failure() -> str | None:
    """Return why there is no receiver, or None; a build that failed is not tried again."""
    try:
        build()
    except NoReceiverError as error:
        return str(error)
    return None


@dataclass
class Receiver:
    """A receiver that appends what it gets to `file`; started again, it has the same address."""

    file: Path
    address: str = "127.0.0.1:0"
    counts: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it with these faults, and return when it listens."""
        assert self._process is None
        program = [str(build()), "-addr", self.address, "-out", str(self.file), "-quiet"]
        self._process = subprocess.Popen([*program, *options], stdout=subprocess.PIPE)
        self.address = self._status()["addr"]

    def _status(self) -> dict[str, Any]:
        """Read one of the lines that it prints."""
        process = self._process
        assert process is not None
        line = cast("IO[bytes]", process.stdout).readline()
        assert line, f"the receiver ended with {process.wait(READY_SECONDS)}"
        return cast("dict[str, Any]", json.loads(line))

    def stop(self) -> None:
        """End it in good order, if it runs; `counts` has what it says in the end."""
        if self._process is not None:
            self._process.terminate()
            self.counts = self._status()
            self._end()

    def kill(self) -> None:
        """End it as a power cut would, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.wait(READY_SECONDS)
        cast("IO[bytes]", process.stdout).close()

    def count(self) -> int:
        """Count what was received so far, doubles too."""
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def events(self) -> list[dict[str, Any]]:
        """Return what was received so far, doubles too; half a line at the end is none yet."""
        lines = self.file.read_bytes().split(b"\n")[:-1] if self.file.exists() else []
        return [json.loads(line) for line in lines]

    def origins(self) -> Counter[str]:
        """Return how often each `_id` was received."""
        return Counter(event["@metadata"]["origin"] for event in self.events())


StartReceiver = Callable[..., Receiver]


@pytest.fixture
def start_lumberjack(tmp_path: Path) -> Iterator[StartReceiver]:
    """Return a function that starts a receiver with these options; see `Receiver`."""
    receivers: list[Receiver] = []

    def start(*options: str) -> Receiver:
        receiver = Receiver(tmp_path / f"received-{len(receivers)}.jsonl")
        reason = build_failure()
        if reason is not None:
            give_up = pytest.fail if os.environ.get("SHIPPER_TEST_REQUIRE") else pytest.skip
            give_up(reason)
        receivers.append(receiver)
        receiver.start(*options)
        return receiver

    yield start
    for receiver in receivers:
        receiver.kill()


def main() -> None:
    """Run a receiver on port 5044 until Ctrl-C; what it receives is added to the file."""
    receiver = Receiver(Path(sys.argv[1]), "127.0.0.1:5044")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        receiver.start("-lifetime", "24h")
        print(receiver.address, flush=True)  # noqa: T201 -- that is its purpose
        signal.pause()
    except KeyboardInterrupt:
        receiver.stop()


if __name__ == "__main__":
    main()
