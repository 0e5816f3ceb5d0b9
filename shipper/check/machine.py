"""
Looks for what would keep the shipper from its work, before it costs a record.

Every look gives findings: place in the config, what is so, and the remedy. Nothing is made or
changed: a folder that is not there yet is judged by the folder above it. The clock and the files
of the kernel are handed in.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import has_magic
from importlib import import_module
from pathlib import Path

from shipper.agent.status import status
from shipper.check.finding import Finding, FindingLevel
from shipper.check.logstash import look_at_logstash
from shipper.config.main import Config
from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
)
from shipper.errors import DataFolderError, StoreUnavailable
from shipper.store.api import Selection
from shipper.store.opening import open_embedded
from shipper.tail.discovery import FoundFile, Patterns
from shipper.text import size

ROOM_BYTES = 64 * 2**20  # the registry and dead letters of a bad day
SPARE_FILES = 64  # what the index, the registry and the logs of our own keep open
EARLIEST = 1_735_689_600  # 2025-01-01: a clock before that was never set
CLOCK_SLACK = 300  # seconds that a file may seem to come from the future


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked of the machine: seconds since the epoch, folders of settings."""

    clock: Callable[[], float] = time.time
    settings: Path = Path("/proc/sys/fs")
    logrotate: Path = Path("/etc/logrotate.d")


@dataclass(frozen=True, slots=True)
class Scene:
    """The config, the machine, and what every pattern of every input matches, by its place."""

    config: Config
    machine: Machine
    matches: dict[str, tuple[str, list[FoundFile]]]


def check(config: Config, machine: Machine = Machine()) -> list[Finding]:
    """Take every look, first along the config, then at the machine."""
    scene = Scene(config, machine, _matches(config))
    return [finding for look in LOOKS for finding in look(scene)]


def _matches(config: Config) -> dict[str, tuple[str, list[FoundFile]]]:
    return {
        f"inputs[{number}].paths[{index}]": (
            pattern,
            list(Patterns((pattern,), found.exclude).find()),
        )
        for number, found in enumerate(config.inputs)
        for index, pattern in enumerate(found.paths)
    }


def look_at_inputs(scene: Scene) -> Iterator[Finding]:
    """See whether the patterns match files that can be read."""
    for place, (pattern, matches) in scene.matches.items():
        folder = _folder_of(pattern)
        if not os.path.isdir(folder):
            yield Finding(
                place,
                FindingLevel.WARNING,
                f"there is no folder {folder}",
                "start the application, which makes it, or mend the path",
            )
        elif not _may(folder, os.R_OK | os.X_OK):
            yield Finding(
                place,
                FindingLevel.ERROR,
                f"the folder {folder} cannot be listed by {_user()}",
                f"give {_user()} the right to read and enter it",
            )
        else:
            yield from _look_at_files(place, pattern, matches)


def _look_at_files(place: str, pattern: str, matches: list[FoundFile]) -> Iterator[Finding]:
    closed = [found.path for found in matches if not _may(found.path, os.R_OK)]
    for path in closed:
        yield Finding(
            place,
            FindingLevel.ERROR,
            f"{path} cannot be read by {_user()}",
            f"give {_user()} the right to read it, such as by the group of the application",
        )
    if not matches:
        yield Finding(
            place,
            FindingLevel.WARNING,
            f"{pattern} matches no file now",
            "start the application, or mend the path",
        )
    elif not closed:
        total = sum(found.stat.st_size for found in matches)
        yield Finding(place, FindingLevel.OK, f"files: {len(matches)}, {size(total)}")


def look_at_overlaps(scene: Scene) -> Iterator[Finding]:
    """See whether more than one input matches the same file."""
    owners: dict[str, str] = {}
    for place, (_pattern, matches) in scene.matches.items():
        owner = place.partition(".")[0]
        for found in matches:
            first = owners.setdefault(found.path, owner)
            if first != owner:
                yield Finding(
                    place,
                    FindingLevel.WARNING,
                    f"{found.path} is matched by {first} too",
                    "exclude it in one of them",
                )


def look_at_data_folder(scene: Scene) -> Iterator[Finding]:
    """See whether the registry and the dead letters can be written, and read by us alone."""
    place, folder = "data_dir", scene.config.data_dir
    faults = list(_unwritable(place, folder))
    yield from faults
    if faults:
        return
    free = shutil.disk_usage(_existing(folder)).free
    if free < ROOM_BYTES:
        yield Finding(place, FindingLevel.ERROR, f"only {size(free)} are free", "free some space")
    if folder.exists() and folder.stat().st_mode & 0o077:
        yield Finding(
            place,
            FindingLevel.WARNING,
            f"others may look into {folder}, and dead letters hold log lines",
            f"chmod 700 {folder}",
        )
    try:
        found = status(scene.config)
    except DataFolderError as error:
        yield Finding(
            place,
            FindingLevel.ERROR,
            str(error).partition("; ")[0],
            "move it away: everything is then read again, and stored once all the same",
        )
        return
    if found.holds.given_up_bytes:
        yield Finding(
            "holds.max_bytes",
            FindingLevel.WARNING,
            f"{size(found.holds.given_up_bytes)} were given up, as more was held than may be",
            "raise it, or see why the output did not take what was read",
        )
    if found.running:
        yield Finding(
            place,
            FindingLevel.WARNING,
            f"a shipper (process {found.pid}) is at work on {folder}; a second one would not start",
            "stop it first, or give each its own data_dir",
        )
    else:
        yield Finding(place, FindingLevel.OK, f"{folder} can be written, {size(free)} free")


def look_at_holds(scene: Scene) -> Iterator[Finding]:
    """See whether what is rotated away can be held until it is delivered."""
    config, files = scene.config, [f for _p, found in scene.matches.values() for f in found]
    if not config.holds.enabled:
        told = "files that are deleted while no shipper runs are lost"
        yield Finding(
            "holds.enabled", FindingLevel.WARNING, told, "set it to true, or live with it"
        )
        return
    device = _existing(config.data_dir).stat().st_dev
    all_held = True
    for why, remedy, held in (
        (
            "on another file system than data_dir",
            "put data_dir on the file system of the logs",
            lambda found: found.stat.st_dev == device,
        ),
        (
            f"of others, and the kernel lets {_user()} make no link to them",
            f"run the shipper as their owner, or give {_user()} the right to write them too",
            lambda found: _may_be_linked(scene.machine, found),
        ),
        (
            "rotated by logrotate, which leaves files with a second name alone",
            "add allowhardlink to its config, or set holds.enabled to false",
            lambda found: not _is_left_by_logrotate(scene.machine, found.path),
        ),
    ):
        faulty = [found.path for found in files if not held(found)]
        if faulty:
            all_held = False
            others = f" and {len(faulty) - 1} more" if len(faulty) > 1 else ""
            yield Finding("holds", FindingLevel.WARNING, f"{faulty[0]}{others}: {why}", remedy)
    if files and all_held:
        told = f"every file can be held; deleted ones up to {size(config.holds.max_bytes)}"
        yield Finding("holds", FindingLevel.OK, told)


def _may_be_linked(machine: Machine, found: FoundFile) -> bool:
    """Return whether a hard link may be made; see fs.protected_hardlinks in proc(5)."""
    if _setting(machine, "protected_hardlinks") != 1 or os.geteuid() in (0, found.stat.st_uid):
        return True
    return _may(found.path, os.R_OK | os.W_OK)


def _is_left_by_logrotate(machine: Machine, path: str) -> bool:
    """Return whether logrotate is to rotate a file, and not told to do so with a hard link."""
    for config in sorted(machine.logrotate.glob("*")):
        try:
            text = config.read_text(errors="replace")
        except OSError:
            continue  # not ours to read: nothing can be said of it
        for names, settings in re.findall(r"([^{}]*)\{([^}]*)\}", text):
            patterns = [name.strip("\"'") for name in names.split() if "/" in name]
            if any(fnmatch(path, pattern) for pattern in patterns):
                return "noallowhardlink" in settings or "allowhardlink" not in settings
    return False


def look_at_output(scene: Scene) -> Iterator[Finding]:
    """See whether the output can take records."""
    output = scene.config.output
    match output:
        case EmbeddedOutput():
            yield from _look_at_index(scene.config, output)
        case LogstashOutput():
            yield from look_at_logstash(output, scene.machine.clock())
        case ElasticsearchOutput():
            # The client of Elasticsearch is an extra, and slow to import.
            way = import_module("shipper.check.elasticsearch")
            yield from way.look_at_elasticsearch(output, scene.machine.clock())
        case ConsoleOutput() if output.path != "-":
            yield from _unwritable("output.console.path", Path(output.path).parent)


def _look_at_index(config: Config, output: EmbeddedOutput) -> Iterator[Finding]:
    place, folder = "output.embedded.path", output.path
    if folder.absolute() == config.data_dir.absolute():
        yield Finding(
            place, FindingLevel.ERROR, "is the data_dir too", "give the index its own folder"
        )
    faults = list(_unwritable(place, folder))
    yield from faults or _look_into_index(place, folder)
    if faults:
        return
    room = shutil.disk_usage(_existing(folder)).free + _taken(folder)
    if room < output.max_bytes:
        yield Finding(
            "output.embedded.max_size",
            FindingLevel.WARNING,
            f"{size(output.max_bytes)} are more than the disk has left ({size(room)})",
            "use less, or free some space",
        )


def _look_into_index(place: str, folder: Path) -> Iterator[Finding]:
    if not folder.exists() or not os.listdir(folder):
        yield Finding(place, FindingLevel.OK, f"{folder} can be made")
        return
    try:
        with closing(open_embedded(folder)) as store:
            records = store.count(Selection())
    except StoreUnavailable as error:
        fault, _, remedy = str(error).partition("; ")
        yield Finding(place, FindingLevel.ERROR, fault, remedy or "move it away, or mend it")
    else:
        yield Finding(
            place, FindingLevel.OK, f"{folder} can be written and holds {records:,} records"
        )


def look_at_limits(scene: Scene) -> Iterator[Finding]:
    """See whether the limits are high enough for these files and folders."""
    files = {found.path for _pattern, matches in scene.matches.values() for found in matches}
    needed = len(files) + SPARE_FILES
    _soft, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)  # `run` takes all it may have
    if needed > allowed != resource.RLIM_INFINITY:
        yield Finding(
            "inputs",
            FindingLevel.ERROR,
            f"{needed} open files are needed and {allowed} allowed",
            f"raise the hard limit to {needed * 2}, such as by LimitNOFILE of the service",
        )
    folders = {
        folder for found in scene.config.inputs for folder in Patterns(found.paths).folders()
    }
    watches = _setting(scene.machine, "inotify/max_user_watches")
    if scene.config.tail.watch and len(folders) > watches:
        yield Finding(
            "tail.watch",
            FindingLevel.WARNING,
            f"{len(folders)} folders are to be watched and the kernel allows {watches}",
            f"sysctl fs.inotify.max_user_watches={len(folders) * 2}, or watch: false",
        )


def look_at_clock(scene: Scene) -> Iterator[Finding]:
    """See whether the clock was set."""
    now = scene.machine.clock()
    newest = max(
        (found.stat.st_mtime for _pattern, matches in scene.matches.values() for found in matches),
        default=now,
    )
    if now < EARLIEST:
        yield Finding(
            "clock", FindingLevel.ERROR, "the clock was never set", "set it, such as by NTP"
        )
    elif newest > now + CLOCK_SLACK:
        yield Finding(
            "clock",
            FindingLevel.WARNING,
            f"a log file was written {newest - now:.0f} s in the future",
            "set the clock of this machine, or of the one that owns the files",
        )


def look_at_alerts(scene: Scene) -> Iterator[Finding]:
    """See whether people can be told of what the alert job finds."""
    if not scene.config.alerts.settings.exists():
        return
    # What tells people may be slow to import.
    way = import_module("shipper.check.alerters")
    yield from way.look_at_alerters(scene.config.alerts.settings, scene.machine.clock())


LOOKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    look_at_inputs,
    look_at_overlaps,
    look_at_data_folder,
    look_at_holds,
    look_at_output,
    look_at_limits,
    look_at_clock,
    look_at_alerts,
)


def _unwritable(place: str, folder: Path) -> Iterator[Finding]:
    """Say why nothing can be written to a folder, which need not be there yet."""
    nearest = _existing(folder)
    if not os.path.isdir(nearest):
        yield Finding(place, FindingLevel.ERROR, f"{nearest} is no folder", "name another path")
    elif not _may(nearest, os.W_OK | os.X_OK):
        yield Finding(
            place,
            FindingLevel.ERROR,
            f"{nearest} cannot be written by {_user()}",
            f"give {_user()} the right to, or name another path",
        )
    elif os.statvfs(nearest).f_flag & os.ST_RDONLY:
        yield Finding(
            place,
            FindingLevel.ERROR,
            f"{nearest} is on a read-only file system",
            "name another path",
        )


def _existing(path: Path) -> Path:
    """Return the path, or the nearest one above it that exists."""
    path = path.absolute()
    return next(above for above in (path, *path.parents) if os.path.exists(above))


def _taken(folder: Path) -> int:
    """Add up the files of a folder while others may be deleting them."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _may(path: Path | str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _folder_of(pattern: str) -> Path:
    """Return the folder that has to be there: the part of the pattern before any wildcard."""
    folder = Path()
    for part in Path(pattern).parent.parts:
        if has_magic(part):
            break
        folder /= part
    return folder


def _setting(machine: Machine, name: str) -> int:
    """Read a kernel setting; where there is none, nothing is limited."""
    try:
        return int((machine.settings / name).read_text())
    except (OSError, ValueError):
        return 2**63


def _user() -> str:
    return f"user {os.geteuid()}"
