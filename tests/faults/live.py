"""Writers that are alive while something goes wrong, and the truth about what they wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

Origin = tuple[str, int]


class Writer:
    """One application process; see tests/faults/writers.py."""

    def __init__(
        self, kind: str, path: Path, note: Path, *, max_bytes: int, backups: int, rate: float
    ) -> None:
        self._note = note
        self._stopped = False
        command = [sys.executable, "-m", "tests.faults.writers", kind, str(path)]
        command += [str(max_bytes), str(backups), str(rate), str(note)]
        self._process = subprocess.Popen(command, env=ENVIRONMENT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it write nothing for a moment."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> set[Origin]:
        """End it; return all that it wrote, by its own count."""
        self._process.terminate()
        assert self._process.wait(60) == 0
        told = json.loads(self._note.read_text())
        assert told["failures"] == {}
        return {(told["run"], number) for number in range(told["count"])}

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


@contextmanager
def writer(folder: Path, *, rate: float = 400, kind: str = "emit") -> Iterator[Writer]:
    """Let one process write into `folder`/logs, to files of 64 KiB that are never deleted by it."""
    (folder / "logs").mkdir(exist_ok=True)
    path, note = folder / "logs/app.log", folder / "written.json"
    one = Writer(kind, path, note, max_bytes=64 * 1024, backups=1000, rate=rate)
    try:
        yield one
    finally:
        one.close()


def delete_what_is_held(folder: Path) -> int:
    """Delete the rotated files that have a hold, as a short rotation would; return how many."""
    held = {path.stat().st_ino for path in (folder / "var/shipper/holds").glob("*")}
    rotated = [path for path in (folder / "logs").iterdir() if path.name[-1].isdigit()]
    gone = [path for path in rotated if path.stat().st_ino in held]
    for path in gone:
        path.unlink()
    return len(gone)
