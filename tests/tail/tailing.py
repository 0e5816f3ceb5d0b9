"""What the tests of tail share: a reader whose clock is set by hand, and a user who is not root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipper.events import Block
from shipper.registry.records import Changes, FileRecord, Tombstone
from shipper.registry.registry import Registry
from shipper.tail.discovery import Patterns
from shipper.tail.harvester import SETTLE_SECONDS, Cutting
from shipper.tail.holds import Holds
from shipper.tail.inputs import ALL_COMPRESSED, InputFiles
from shipper.tail.multiline import Multiline
from shipper.tail.tailer import Tailer

NOBODY = 65534
WALL = 1_770_301_845_000
HOST = "web-1"


class Reader:
    """A tailer with a registry of its own, that reads when it is told to."""

    def __init__(
        self,
        folder: Path,
        *patterns: str,
        exclude: tuple[str, ...] = (),
        block_bytes: int = 64,
        max_line_bytes: int = 32,
        multiline: Multiline | None = None,
        held_bytes: int | None = None,
        compressed_since: int = ALL_COMPRESSED,
    ) -> None:
        self.now = 1000.0
        self.wall = WALL
        self._registry = Registry(folder / "registry.db")
        paths = tuple(str(folder / pattern) for pattern in patterns or ("*.log",))
        self.inputs = [
            InputFiles(
                Patterns(paths, exclude), Cutting(max_line_bytes, multiline), compressed_since
            )
        ]
        self.holds = folder / "holds"
        self._held_bytes = held_bytes
        self._block_bytes = block_bytes
        self._last: dict[int, int] = {}
        self.tailer = self._start()

    def _start(self) -> Tailer:
        self.memory = memory = self._registry.saved_files()
        self._last = {record.id: record.offset for record in memory.files}
        holds = None if self._held_bytes is None else Holds(self.holds, self._held_bytes)
        return Tailer(self.inputs, memory, host=HOST, block_bytes=self._block_bytes, holds=holds)

    def save(self) -> None:
        changes = Changes()
        changes.add_files(*self.tailer.take_changes())
        changes.add_tombstones(self.tailer.take_tombstones())
        self._registry.save(changes, self.wall)
        self.tailer.saved()

    def saved(self) -> list[FileRecord]:
        self.save()
        return self._registry.files()

    def tombstones(self) -> list[Tombstone]:
        self.save()
        return self._registry.tombstones()

    def crash(self) -> None:
        """Begin again with what was saved."""
        self.tailer.close()
        self.tailer = self._start()

    def restart(self) -> None:
        self.save()
        self.crash()

    def scan(self, after: float = 1.0) -> None:
        self.now += after
        self.wall += int(after * 1000)
        self.tailer.scan(now=self.now, wall=self.wall)

    def read(self) -> list[Block]:
        """Read all that there is; each block begins where the one before it ended."""
        found: list[Block] = []
        while True:
            blocks = list(self.tailer.read(now=self.now, wall=self.wall))
            found += blocks
            if blocks or self.tailer.reader.is_searching():
                continue
            if not self.tailer.is_splitting():
                break
            self.save()
        for block in found:
            assert block.start == self._last.get(block.file, 0)
            assert block.end > block.start
            assert len(block.data) <= block.end - block.start
            assert block.read_at == self.wall
            self._last[block.file] = block.end
        return found

    def take(self, after: float = 1.0) -> list[Block]:
        self.scan(after)
        return self.read()

    def lines(self, after: float = 1.0, *, ack: bool = True) -> list[bytes]:
        """Scan, read all there is, and give its lines; ack them if told so."""
        blocks = self.take(after)
        if ack:
            self.ack(blocks)
        return lines_of(blocks)

    def lines_between_scans(self) -> list[bytes]:
        """Read what there is without a scan, and give its lines; ack them."""
        self.tailer.reader.poll(self.now)
        blocks = self.read()
        self.ack(blocks)
        return lines_of(blocks)

    def ack(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self.tailer.ack(block.file, block.end, block.last)

    def settle(self) -> None:
        """Let so much time pass that rotated files are read to the end, and closed."""
        for _ in range(3):
            self.ack(self.take(SETTLE_SECONDS))

    def close(self) -> None:
        self.tailer.close()
        self._registry.close()


def lines_of(blocks: Iterable[Block]) -> list[bytes]:
    return [line for block in blocks for line in block.data.split(b"\n") if line]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@contextmanager
def open_folder() -> Iterator[Path]:
    """Return a folder that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user whom permissions bind."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
