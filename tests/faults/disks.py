"""A disk that gets full, and one that nobody may write to, for a shipper that runs."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOUNTED = "16m"
FILE_LIMIT = 4096  # bytes a file, where no file system can be mounted

# What root has to do without, so that permissions bind it as they bind anybody else.
BOUND = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


class SmallDisk:
    """
    A folder on a file system of its own, which can be filled up.

    Where none can be mounted, the process of the shipper may not let any file grow instead: it
    gets EFBIG for ENOSPC.
    """

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self._ballast = folder / "ballast"
        self.is_mounted = mounted

    def fill(self, process: subprocess.Popen[bytes]) -> None:
        if not self.is_mounted:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FILE_LIMIT, -1))
            return
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 1):
                while _write(file.fileno(), b"x" * size):
                    pass

    def free(self, process: subprocess.Popen[bytes]) -> None:
        if not self.is_mounted:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
            return
        self._ballast.unlink(missing_ok=True)


def _write(fd: int, data: bytes) -> int:
    try:
        return os.write(fd, data)
    except OSError:
        return 0


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Return `folder` a small disk of its own, if that can be."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={MOUNTED}", "shipper-test", str(folder)]
    mounted = os.geteuid() == 0 and not subprocess.run(command, check=False).returncode
    try:
        yield SmallDisk(folder, mounted=mounted)
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def bound(command: list[str]) -> list[str]:
    """Return the command as one that permissions bind."""
    return [*BOUND, *command] if os.geteuid() == 0 else command
