"""Checks what the machine allows: open files, inotify watches, and a clock that is set."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from shipper.check.finding import Finding, error, warning
from shipper.check.machine import CheckContext
from shipper.tail.discovery import Patterns
from shipper.text import counted

SPARE_FILES = 64  # what the index, the registry and our own logs keep open
EARLIEST = 1_735_689_600  # 2025-01-01: a clock before that was never set
CLOCK_SLACK = 300  # seconds that a file may seem to come from the future


def check_limits(context: CheckContext) -> Iterator[Finding]:
    """Check whether the limits are high enough for these files and folders."""
    needed = len({found.path for found in context.files}) + SPARE_FILES
    _soft, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)  # `run` raises the soft limit
    if needed > allowed != resource.RLIM_INFINITY:
        yield error(
            "inputs",
            f"{needed} open files are needed, and {allowed} are allowed",
            f"raise the hard limit to {needed * 2}, such as by LimitNOFILE of the service",
        )
    folders = {
        folder for found in context.config.inputs for folder in Patterns(found.paths).folders()
    }
    watches = context.machine.setting("inotify/max_user_watches")
    if context.config.tail.watch and len(folders) > watches:
        yield warning(
            "tail.watch",
            f"{counted(len(folders), 'folder')} to watch, and the kernel allows {watches}",
            f"sysctl fs.inotify.max_user_watches={len(folders) * 2}, or set it to false",
        )


def check_clock(context: CheckContext) -> Iterator[Finding]:
    """Check whether the clock is set."""
    now = context.machine.clock()
    newest = max((found.stat.st_mtime for found in context.files), default=now)
    if now < EARLIEST:
        yield error("clock", "the clock was never set", "set it, such as by NTP")
    elif newest > now + CLOCK_SLACK:
        yield warning(
            "clock",
            f"a log file was written {newest - now:.0f} s in the future",
            "set the clock of this machine, or of the one that owns the files",
        )
