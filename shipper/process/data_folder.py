"""
The data folder: one shipper at a time, and what lies where.

    lock                held (flock) by the running shipper, with its process id as content
    registry.db         durable positions (shipper/registry/registry.py)
    registry.saves      how often it was saved; and
    shipper-id          who ships from here (shipper/registry/owner.py)
    deadletters.ndjson  events refused for good (shipper/deliver/deadletters.py)
    holds/              second names of files that are not delivered (shipper/tail/holds.py)
    inputs/             what came in by other ways than files (shipper/intake/spool.py)
    status.json         a view of the running shipper (shipper/agent/status.py)
    requests/           what other processes ask of it (shipper/agent/requests.py)
    audit.json          what the last audit found (shipper/audit/result.py)
    alerts.lock         held by the running alert job
    reports.lock        held while reports that are due are sent
    alerts.db           its ledger (shipper/alerts/ledger/ledger.py)
    alerts.log          what became of incidents, which the shipper reads
                        (shipper/alerts/ledger/journal.py)
    searches.json       saved searches of the dashboard (shipper/web/searches.py)
    polls.log           what applications answered to polls of their health, which it reads, too
    users.json          users of the dashboard, and
    users.lock          held while they are changed (shipper/web/people.py)
    web.log             what people did on the dashboard, which the shipper reads, too

The lock goes with the process, however it ends; nothing has to be cleaned up after a crash.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shipper.errors import DataFolderError
from shipper.files import is_locked, make_folder, open_locked, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = "lock"
REGISTRY = "registry.db"
DEAD_LETTERS = "deadletters.ndjson"
STATUS = "status.json"
HOLDS = "holds"
REQUESTS = "requests"
AUDIT = "audit.json"
ALERTS_LOCK = "alerts.lock"
ALERTS_LEDGER = "alerts.db"
ALERTS_LOG = "alerts.log"
POLLS_LOG = "polls.log"
USERS = "users.json"
WEB_LOG = "web.log"
SEARCHES = "searches.json"

REPORTS_LOCK = "reports.lock"

_HOLDERS = {LOCK: "shipper", ALERTS_LOCK: "alert job", REPORTS_LOCK: "sender of reports"}

# Whoever looks who holds the lock has it shared for a moment; a shipper that starts waits that out.
LOCK_TRIES = 5
LOCK_PAUSE_SECONDS = 0.02


@contextmanager
def hold(folder: Path, lock: str = LOCK, *, root_may: bool = False) -> Iterator[None]:
    """
    Make the data folder if need be, and hold its lock, or that of the alert job.

    With `root_may`, root may use the folder of another user, as a command that ends soon.

    Raises:
        DataFolderError: another process holds it, it cannot be written, or it is another user's.

    """
    try:
        make_folder(folder)
        fault = fault_of_owner(folder)
        if fault is not None and not (root_may and os.geteuid() == 0):
            raise DataFolderError(*fault)
        fd = _open_locked(folder, lock)
    except OSError as error:
        raise DataFolderError(
            f"cannot use the data folder {folder}: {error.strerror}",
            "correct its permissions, or set another data_dir",
        ) from error
    try:
        _write_process_id(fd, folder)
        yield
    finally:
        os.close(fd)


def fault_of_owner(folder: Path) -> tuple[str, str] | None:
    """
    Return what is wrong with the owner of a folder, and what to do; None if nothing is.

    Its owner can put anything in the place of what is written there, so it has to be the user of
    this process, or root.
    """
    owner, user = folder.stat().st_uid, os.geteuid()
    if owner in (0, user):
        return None
    return (
        f"the data folder {folder} belongs to user {owner}, who could change what is written there",
        f"run this as user {owner}, chown the folder to user {user}, or set another data_dir",
    )


def _open_locked(folder: Path, lock: str) -> int:
    for _ in range(LOCK_TRIES):
        try:
            return open_locked(folder / lock, wait=False)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_SECONDS)
    raise DataFolderError(
        f"another {_HOLDERS[lock]} (process {holder_of(folder, lock) or 'unknown'}) uses the data"
        f" folder {folder}",
        "stop it first, or set another data_dir",
    )


def _write_process_id(fd: int, folder: Path) -> None:
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise DataFolderError(
            f"cannot write the data folder {folder}: {error.strerror}", "free some space"
        ) from error


def holder_of(folder: Path, lock: str = LOCK) -> int | None:
    """Return the process id of what holds a lock of the data folder; None if nothing does."""
    try:
        fd = open_regular(folder / lock)
    except OSError:
        return None
    try:
        if not is_locked(fd):
            return None
        text = os.pread(fd, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
