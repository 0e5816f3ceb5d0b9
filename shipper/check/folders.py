"""Checks the folders that the shipper writes: the data folder and the embedded store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from shipper.agent.status import status
from shipper.check.finding import Finding, error, ok, warning
from shipper.check.machine import CheckContext, check_writable, existing
from shipper.config.main import Config
from shipper.config.outputs import EmbeddedOutput
from shipper.errors import DataFolderError, StoreUnavailable
from shipper.process.data_folder import fault_of_owner, holder_of
from shipper.store.api import Selection
from shipper.store.opening import open_embedded
from shipper.text import counted, size

ROOM_BYTES = 64 * 2**20  # the registry and dead letters of a bad day


def check_data_folder(context: CheckContext) -> Iterator[Finding]:
    """Check whether registry and dead letters can be written, and read by this user alone."""
    place, folder = "data_dir", context.config.data_dir
    findings = list(check_writable(place, folder))
    yield from findings
    if findings:
        return
    free = shutil.disk_usage(existing(folder)).free
    if free < ROOM_BYTES:
        yield error(place, f"only {size(free)} are free", "free some space")
    fault = fault_of_owner(folder) if folder.exists() else None
    if fault is not None and holder_of(folder) is None:  # who runs on it knows better
        if os.geteuid() != 0:
            yield error(place, *fault)
            return
        owner = folder.stat().st_uid  # of a service, whose shipper is not root
        yield warning(
            place,
            f"{folder} belongs to user {owner}: a shipper has to run as that user",
            "start it as its service does; what root may do beside it, commands do",
        )
    if folder.exists() and folder.stat().st_mode & 0o077:
        yield warning(
            place,
            f"other users can read {folder}, and dead letters contain log lines",
            f"chmod 700 {folder}",
        )
    yield from _check_state(context.config, free)


def _check_state(config: Config, free: int) -> Iterator[Finding]:
    place, folder = "data_dir", config.data_dir
    try:
        found = status(config)
    except DataFolderError as broken:
        yield error(
            place,
            broken.fault,
            "move it away: all files are then read again, and duplicates are dropped by their id",
        )
        return
    if found.holds.dropped_bytes:
        yield warning(
            "holds.max_bytes",
            f"{size(found.holds.dropped_bytes)} were dropped, because the held files were larger",
            "raise it, or find out why the output did not accept records",
        )
    if found.running:
        yield warning(
            place,
            f"a shipper (process {found.pid}) is running on {folder}; a second one will not start",
            "stop it first, or give each its own data_dir",
        )
    else:
        yield ok(place, f"{folder} can be written, {size(free)} free")


def check_index(config: Config, output: EmbeddedOutput) -> Iterator[Finding]:
    """Check whether the embedded store can be written, and fits on its disk."""
    place, folder = "output.embedded.path", output.path
    if folder.absolute() == config.data_dir.absolute():
        yield error(place, "is also the data_dir", "give the index its own folder")
    findings = list(check_writable(place, folder))
    yield from findings or _open_index(place, folder)
    if findings:
        return
    room = shutil.disk_usage(existing(folder)).free + _size_of(folder)
    if room < output.max_bytes:
        yield warning(
            "output.embedded.max_size",
            f"{size(output.max_bytes)} is more than the disk has left ({size(room)})",
            "use less, or free some space",
        )


def _open_index(place: str, folder: Path) -> Iterator[Finding]:
    if not folder.exists() or not os.listdir(folder):
        yield ok(place, f"{folder} can be created")
        return
    try:
        with closing(open_embedded(folder)) as store:
            records = store.count(Selection())
    except StoreUnavailable as failed:
        yield error(place, failed.fault, failed.remedy or "move it away, or repair it")
    else:
        yield ok(place, f"{folder} can be written and holds {counted(records, 'record')}")


def _size_of(folder: Path) -> int:
    """Return the size of the files in a folder, from which others may be deleting."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total
