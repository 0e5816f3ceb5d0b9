"""
What lies beside the registry, so that it may be lost or restored alone.

    shipper-id      a number drawn once for the data folder: part of the names of streams, so that
                    two shippers, though of one host name and one image, never have one in common
    registry.saves  how often the registry was saved, and when it was noted here (ns). It is written
                    after each save, so it never leads: where it says more than the registry, that
                    is an older one; where the file changed later, it is a copy itself
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from shipper.files import read_regular, write_whole

if TYPE_CHECKING:
    from pathlib import Path

ID = "shipper-id"
SAVES = "registry.saves"
MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
MOST_BYTES = 4096
WRITTEN_WITHIN_NS = 5 * 10**9


def owner_of(folder: Path) -> str:
    """Return who ships from a data folder: its id, which is drawn if need be, and the machine's."""
    return f"{_id_of(folder)}-{_machine()}"


def _id_of(folder: Path) -> str:
    try:
        text = read_regular(folder / ID, MOST_BYTES).decode(errors="replace").strip()
    except FileNotFoundError:
        text = ""
    if not text:
        text = secrets.token_hex(8)
        write_whole(folder / ID, text.encode() + b"\n", durable=True)
    return text


def _machine() -> str:
    """Return the id of the machine; the empty text where it has none."""
    for path in MACHINE_IDS:
        try:
            with open(path, "rb") as file:
                return file.read(MOST_BYTES).decode(errors="replace").strip()
        except OSError:
            continue
    return ""


class SaveCounter:
    """The count of saves beside the registry; raises OSError."""

    def __init__(self, folder: Path) -> None:
        if not (folder / SAVES).exists():
            write_whole(folder / SAVES, b"", durable=False)
        self._fd = os.open(folder / SAVES, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)

    def read(self) -> tuple[int, bool]:
        """Return the count, 0 if it is not known, and whether another process wrote the file."""
        count, _, written_at = os.pread(self._fd, 64, 0).split(b"\n")[0].partition(b" ")
        if not (count.isdigit() and written_at.isdigit()):
            return 0, False
        return int(count), os.fstat(self._fd).st_ctime_ns - int(written_at) > WRITTEN_WITHIN_NS

    def write(self, count: int) -> None:
        """Set the count. It need not be durable: it may lag."""
        os.pwrite(self._fd, b"%020d" % count, 0)
        os.pwrite(self._fd, b" %020d\n" % os.fstat(self._fd).st_ctime_ns, 20)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
