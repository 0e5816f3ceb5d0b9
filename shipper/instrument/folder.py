"""
Where the workers of one application share their numbers.

    <base>/<process id>-<its start>-<number>/      of the process that started the workers

Two applications do not share numbers: the folder belongs to the process that started the workers,
or to the only process (`application_of`), and to the first, second … `Instrument` in it.

A server that starts as root may give its workers to another user (gunicorn --user). So root makes
no folder before a worker needs it, and a process that has changed its user makes one of that user:
`<tmp>/shipper-instrument-<uid>`, or below the base that was named, if that user may write there.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import stat
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from shipper.instrument.shared import is_alive, start_ticks

# How often a process has named a folder below another: two applications in one process are two.
_named: Counter[Path | None] = Counter()


class SharedFolder:
    """
    The folder of one application, which is made by the first who needs it.

    Raises:
        OSError: it cannot be made, and this process is not root's.
    """

    def __init__(self, base: Path | None) -> None:
        self._base = base
        _named[base] += 1
        self._name = f"{application_of()}-{_named[base]}"
        self._made: tuple[int, Path] | None = None  # for a user
        if os.geteuid():
            self.path()
        elif base is not None and base.exists():
            check_base(base, base.lstat().st_uid)

    def path(self) -> Path:
        """Return the folder; it is there. OSError if it cannot be made."""
        user, made = os.geteuid(), self._made
        if made is None or made[0] != user:
            base = self._base or Path(tempfile.gettempdir()) / f"shipper-instrument-{user}"
            made = self._made = user, make_folder(base, self._name)
        return made[1]


def make_folder(base: Path, name: str) -> Path:
    """Make a folder below `base`, and delete those of ended applications."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = base.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022 or base.is_symlink():
        raise PermissionError(
            f"{base} is not a folder that only the user of this process can write"
        )
    folder = base / name
    folder.mkdir(mode=0o700, exist_ok=True)
    for other in base.iterdir():
        found = re.fullmatch(r"(\d+)-(\d+)-\d+", other.name, re.ASCII)
        if found and not is_alive(int(found[1]), int(found[2])):
            _delete(other)
    return folder


def check_base(base: Path, user: int) -> None:
    """Raise PermissionError if others than a user may write in a folder."""
    status = base.lstat()
    if status.st_uid != user or status.st_mode & 0o022 or not stat.S_ISDIR(status.st_mode):
        raise PermissionError(
            f"{base} is not a folder that only user {user} can write; use Instrument(folder=...)"
        )


def application_of() -> str:
    """
    Return a name of the application that this process belongs to: the start of a process.

    Workers of uvicorn (and whatever else starts them by multiprocessing) and of gunicorn belong to
    the process that started them; any other process is an application of its own.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        return _start_of(parent.pid)
    if "gunicorn.arbiter" in sys.modules and _is_gunicorn(os.getppid()):
        return _start_of(os.getppid())
    return _start_of(os.getpid())


def _start_of(pid: int) -> str:
    return f"{pid}-{start_ticks(pid)}"


def _is_gunicorn(pid: int) -> bool:
    """Return whether a process is the arbiter: it runs our interpreter, and gunicorn."""
    place = Path(f"/proc/{pid}")
    try:
        if b"gunicorn" not in (place / "cmdline").read_bytes():
            return False
        try:
            return os.readlink(place / "exe") == os.readlink("/proc/self/exe")
        except PermissionError:  # the arbiter is root's, and this worker another user's
            return (place / "comm").read_bytes().startswith((b"gunicorn", b"python"))
    except OSError:
        return False


def _delete(folder: Path) -> None:
    """Delete the files of an ended application; another process may be at it, too."""
    with suppress(OSError):
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()
