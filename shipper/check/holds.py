"""
Checks whether hard links can keep rotated files until they are delivered.

A link is tried, and unlinked at once: that a file system is the same does not mean that a link
into `data_dir` can be made, as two mounts of it are two to the kernel (a volume of Docker, a folder
of a unit of systemd). One file of each folder, mount and owner stands for the others.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from shipper.agent.status import status
from shipper.check.finding import Finding, ok, warning
from shipper.check.machine import CheckContext, Machine, existing, is_closed, may, user
from shipper.errors import DataFolderError
from shipper.files import open_regular
from shipper.tail.discovery import FoundFile
from shipper.tail.holds import link_to
from shipper.text import counted, size

_Kind = tuple[str, int, int]  # folder, device, owner


def check_holds(context: CheckContext) -> Iterator[Finding]:
    """Check whether every file can be held; yield one finding per reason why not."""
    config = context.config
    if not config.holds.enabled:
        yield warning(
            "holds.enabled",
            "files that are deleted while no shipper is running are lost",
            "set it to true, or accept the loss",
        )
        return
    not_held = _not_held(context)
    all_held = not not_held
    if not_held:
        yield warning(
            "holds",
            f"{counted(not_held, 'file')} of the running shipper could not be held",
            "see its log for the reason, and docs/guarantees.md#holds",
        )
    for reason, remedy, is_held in _conditions(context):
        faulty = [found.path for found in context.files if not is_held(found)]
        if faulty:
            all_held = False
            others = f" and {len(faulty) - 1} more" if len(faulty) > 1 else ""
            yield warning("holds", f"{faulty[0]}{others}: {reason}", remedy)
    if context.files and all_held and not is_closed(config.data_dir):
        most = size(config.holds.max_bytes)
        yield ok("holds", f"rotated files are kept until they are delivered, up to {most}")


def _not_held(context: CheckContext) -> int:
    """Count the files that the running shipper could not hold: it may run as another user."""
    try:
        return status(context.config).holds.not_held
    except DataFolderError:
        return 0  # the check of the data folder says so


def _conditions(context: CheckContext) -> Iterator[tuple[str, str, Callable[[FoundFile], bool]]]:
    """Yield (reason against it, remedy, condition) of holding a file."""
    refusals = _refusals(context)
    elsewhere = {key for key, code in refusals.items() if code == errno.EXDEV}
    yield (
        "on another file system or mount than data_dir",
        "put data_dir on the file system of the logs, and both into one volume or mount",
        lambda found: _kind(found) not in elsewhere,
    )
    others = {key: code for key, code in refusals.items() if code not in {errno.EXDEV, errno.EPERM}}
    for code in sorted(set(others.values())):
        yield (
            f"a hard link to it cannot be made: {os.strerror(code)}",
            "use another data_dir, or set holds.enabled to false",
            partial(_is_not, others, code),
        )
    refused = {key for key, code in refusals.items() if code == errno.EPERM}
    yield (
        f"owned by another user, and the kernel does not allow {user()} to link to them",
        f"run the shipper as their owner, or allow {user()} to write to them too",
        lambda found: _kind(found) not in refused and _may_be_linked(context.machine, found),
    )
    yield (
        "rotated by logrotate, which skips files with hard links",
        "add allowhardlink to its config, or set holds.enabled to false",
        lambda found: not _is_skipped_by_logrotate(context.machine, found.path),
    )


def _is_not(codes: dict[_Kind, int], code: int, found: FoundFile) -> bool:
    return codes.get(_kind(found)) != code


def _kind(found: FoundFile) -> _Kind:
    """Return what files have in common that can be linked, or not, for the same reason."""
    return os.path.dirname(os.path.realpath(found.path)), found.stat.st_dev, found.stat.st_uid


def _refusals(context: CheckContext) -> dict[_Kind, int]:
    """Try to link a file of each kind; return the error codes of those where it failed."""
    folder = existing(context.config.data_dir)
    if not may(folder, os.W_OK | os.X_OK):
        return {}  # the check of the data folder says so
    kinds = {_kind(found): found for found in context.files}
    codes = {key: _try_link(found, folder) for key, found in kinds.items()}
    return {key: code for key, code in codes.items() if code}


def _try_link(found: FoundFile, folder: Path) -> int:
    """Link a file into a folder for a moment; return the error code if that fails."""
    link = folder / f".check-{os.getpid()}"
    try:
        fd = open_regular(found.path, follow=True)
    except OSError:
        return 0  # unreadable, or gone: the check of the inputs says so
    try:
        if os.path.samestat(os.fstat(fd), found.stat):  # the name may lead elsewhere by now
            link_to(fd, os.fspath(link))
            link.unlink()
    except OSError as error:
        return 0 if error.errno == errno.ENOENT else error.errno or 0
    finally:
        os.close(fd)
    return 0


def _may_be_linked(machine: Machine, found: FoundFile) -> bool:
    """Return whether a hard link may be made; see fs.protected_hardlinks in proc(5)."""
    if machine.setting("protected_hardlinks") != 1 or os.geteuid() in (0, found.stat.st_uid):
        return True
    return may(found.path, os.R_OK | os.W_OK)


def _is_skipped_by_logrotate(machine: Machine, path: str) -> bool:
    """Return whether logrotate is configured to rotate a file, and not with a hard link."""
    for config in sorted(machine.logrotate.glob("*")):
        try:
            text = config.read_text(errors="replace")
        except OSError:
            continue  # unreadable for this user: nothing is known
        for names, settings in re.findall(r"([^{}]*)\{([^}]*)\}", text):
            patterns = [name.strip("\"'") for name in names.split() if "/" in name]
            if any(fnmatch(path, pattern) for pattern in patterns):
                return "noallowhardlink" in settings or "allowhardlink" not in settings
    return False
