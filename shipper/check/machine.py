"""
What the checks share: config and machine, and questions to the file system.

Nothing is created or changed: a folder that does not exist yet is judged by the nearest one above
it. Clock, kernel settings and logrotate's config are handed in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shipper.check.finding import Finding, error
from shipper.config.main import Config
from shipper.tail import links
from shipper.tail.discovery import FoundFile, Patterns


@dataclass(frozen=True, slots=True)
class Machine:
    """Clock (seconds since the epoch), kernel settings and logrotate's config."""

    clock: Callable[[], float] = time.time
    settings: Path = Path("/proc/sys/fs")
    logrotate: Path = Path("/etc/logrotate.d")

    def setting(self, name: str) -> int:
        """Return a kernel setting; a huge number if there is none, which limits nothing."""
        try:
            return int((self.settings / name).read_text())
        except (OSError, ValueError):
            return 2**63


@dataclass(frozen=True, slots=True)
class CheckContext:
    """The config, the machine, and by place of each pattern: the pattern and its files."""

    config: Config
    machine: Machine
    matches: dict[str, tuple[str, list[FoundFile]]]

    @property
    def files(self) -> list[FoundFile]:
        """All matching files; a file that two patterns match is there twice."""
        return [found for _pattern, matches in self.matches.values() for found in matches]


def context_of(config: Config, machine: Machine) -> CheckContext:
    """Find the files of all inputs."""
    links.forget()  # what this look does not follow is a finding
    matches = {
        f"inputs[{number}].paths[{index}]": (
            pattern,
            list(Patterns((pattern,), found.exclude).find()),
        )
        for number, found in enumerate(config.inputs)
        for index, pattern in enumerate(found.paths)
        if found.intake is None  # a spool is made by the shipper
    }
    return CheckContext(config, machine, matches)


def user() -> str:
    """Name the user of this process."""
    return f"user {os.geteuid()}"


def may(path: Path | str, mode: int) -> bool:
    """Return whether this user has access to a path; `mode` is as for os.access."""
    return os.access(path, mode, effective_ids=True)


def existing(path: Path) -> Path:
    """Return the path, or the nearest one above it that exists."""
    path = path.absolute()
    return next(above for above in (path, *path.parents) if os.path.exists(above))


def is_closed(path: Path) -> bool:
    """Return whether this user may not even look whether a path exists."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def check_writable(place: str, folder: Path) -> Iterator[Finding]:
    """Yield why nothing can be written to a folder, which need not exist yet."""
    nearest = existing(folder)
    if is_closed(folder):
        remedy = "run this as the user of the shipper, or as root"
        yield error(place, f"{user()} may not enter the folder that has {folder}", remedy)
    elif not os.path.isdir(nearest):
        yield error(place, f"{nearest} is not a folder", "use another path")
    elif not may(nearest, os.W_OK | os.X_OK):
        yield error(
            place,
            f"{nearest} cannot be written by {user()}",
            f"allow {user()} to write to it, or use another path",
        )
    elif os.statvfs(nearest).f_flag & os.ST_RDONLY:
        yield error(place, f"{nearest} is on a read-only file system", "use another path")
