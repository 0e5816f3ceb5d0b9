"""The commits of a writer that no piece has replaced yet; both of its threads look at them."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipper.store.embedded.layout import StoredFile

PIECE_RECORDS: Final = 20_480  # commits with so many records become a piece
PIECE_COMMITS: Final = 200
PIECE_BYTES: Final = 8 << 20  # a piece is made in memory


class PendingCommits:
    """
    Records and bytes by commit.

    A commit is added once `store` is sure of it: what a failed call may have left is in no piece.
    """

    def __init__(self) -> None:
        self._sizes: dict[int, tuple[int, int]] = {}
        self._lock = Lock()

    def add(self, number: int, records: int, size: int) -> None:
        """Add a commit."""
        with self._lock:
            self._sizes[number] = records, size

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove commits that a piece has replaced."""
        with self._lock:
            for number in numbers:
                self._sizes.pop(number, None)

    def __contains__(self, number: int) -> bool:
        return number in self._sizes

    @property
    def records(self) -> int:
        """The number of records in all commits."""
        with self._lock:
            return sum(records for records, _ in self._sizes.values())

    def pieces_due(self) -> float:
        """Return how many pieces the commits fill."""
        with self._lock:
            return _fill(self._sizes.values())

    def portions(self, files: Iterable[StoredFile]) -> list[list[StoredFile]]:
        """Return the files of each piece to make; the last one may be small."""
        portions: list[list[StoredFile]] = []
        sizes: list[tuple[int, int]] = []
        for file in files:
            if not portions or _fill(sizes) >= 1:
                portions.append([])
                sizes = []
            portions[-1].append(file)
            sizes.append(self._sizes.get(file.first, (0, 0)))
        return portions


def _fill(sizes: Iterable[tuple[int, int]]) -> float:
    found: Sequence[tuple[int, int]] = [*sizes]
    records, size = sum(each[0] for each in found), sum(each[1] for each in found)
    return max(records / PIECE_RECORDS, len(found) / PIECE_COMMITS, size / PIECE_BYTES)
