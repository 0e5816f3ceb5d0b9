"""Checks whether hard links can keep rotated files until they are delivered."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch

from shipper.check.finding import Finding, ok, warning
from shipper.check.machine import CheckContext, Machine, existing, may, user
from shipper.tail.discovery import FoundFile
from shipper.text import size


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
    all_held = True
    for reason, remedy, is_held in _conditions(context):
        faulty = [found.path for found in context.files if not is_held(found)]
        if faulty:
            all_held = False
            others = f" and {len(faulty) - 1} more" if len(faulty) > 1 else ""
            yield warning("holds", f"{faulty[0]}{others}: {reason}", remedy)
    if context.files and all_held:
        most = size(config.holds.max_bytes)
        yield ok("holds", f"rotated files are kept until they are delivered, up to {most}")


def _conditions(context: CheckContext) -> Iterator[tuple[str, str, Callable[[FoundFile], bool]]]:
    """Yield (reason against it, remedy, condition) of holding a file."""
    device = existing(context.config.data_dir).stat().st_dev
    yield (
        "on another file system than data_dir",
        "put data_dir on the file system of the logs",
        lambda found: found.stat.st_dev == device,
    )
    yield (
        f"owned by another user, and the kernel does not allow {user()} to link to them",
        f"run the shipper as their owner, or allow {user()} to write to them too",
        lambda found: _may_be_linked(context.machine, found),
    )
    yield (
        "rotated by logrotate, which skips files with hard links",
        "add allowhardlink to its config, or set holds.enabled to false",
        lambda found: not _is_skipped_by_logrotate(context.machine, found.path),
    )


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
