"""
Measures the texts of gzips: some bytes in each scan, so that no other file waits for a large one.

A gzip that is still written is measured once, and again only when it has not changed between two
scans. One at a time: what is not measured yet is as if it were not there yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipper.tail.content import ENDS_EARLY, Gunzipped, TextSize, open_content

if TYPE_CHECKING:
    from shipper.registry.identity import FileIdentity
    from shipper.tail.discovery import FoundFile

SCAN_BYTES = 64 << 20  # taken of gzips and of their texts in one scan: about a fifth of a second


class ArchiveState(NamedTuple):
    """What a gzip was when it was looked at: another state is another text."""

    key: FileIdentity
    size: int
    changed_ns: int


class Archives:
    """
    The gzips that were measured, by their paths; used by one thread.

    `unmeasured` are those that the scan under way has met and cannot open yet; `is_busy` says that
    one of them waits to be measured further: a scan is due soon.
    """

    def __init__(self) -> None:
        self._texts: dict[str, tuple[ArchiveState, TextSize]] = {}
        self._written: dict[str, ArchiveState] = {}  # gzips that end in the middle, or change
        self._path = ""  # of the one that is measured now
        self._now: tuple[ArchiveState, Gunzipped] | None = None
        self._left = SCAN_BYTES
        self.unmeasured: set[str] = set()
        self.is_busy = False

    def text_of(self, file: FoundFile, key: FileIdentity) -> TextSize | None:
        """Return what was measured of a gzip; None if it is not known yet. Raises OSError."""
        text = self._text_of(file, key)
        if text is None:
            self.unmeasured.add(file.path)
        return text

    def _text_of(self, file: FoundFile, key: FileIdentity) -> TextSize | None:
        path, state = file.path, ArchiveState(key, file.stat.st_size, file.stat.st_mtime_ns)
        known = self._texts.get(path)
        if known is not None and known[0] == state:
            return known[1]
        if self._now is not None and self._path == path and self._now[0] != state:
            self._stop()
            self._written[path] = state
            return None
        if self._written.get(path, state) != state:
            self._written[path] = state
            return None
        if self._left <= 0 or (self._now is not None and self._path != path):
            self.is_busy = True
            return None
        return self._measure(path, state)

    def _measure(self, path: str, state: ArchiveState) -> TextSize | None:
        if self._now is None:
            content = open_content(path, state.key, compressed=True)
            if not isinstance(content, Gunzipped):
                return None
            self._path, self._now = path, (state, content)
        _state, content = self._now
        try:
            taken = content.measure(self._left)
            is_over = taken < self._left
            text = TextSize(content.size(content.stat()), content.fault) if is_over else None
        except BaseException:
            self._stop()
            raise
        self._left -= taken
        if text is None:
            self.is_busy = True
            return None
        self._stop()
        self._texts[path] = state, text
        if text.fault == ENDS_EARLY:
            self._written[path] = state
        else:
            self._written.pop(path, None)
        return text

    def _stop(self) -> None:
        if self._now is not None:
            self._now[1].close()
            self._now = None

    def begin_scan(self) -> None:
        """Begin anew with a scan."""
        self._left, self.is_busy = SCAN_BYTES, False
        self.unmeasured.clear()

    def end_scan(self, paths: set[str]) -> None:
        """Forget the gzips that the scan has not met."""
        if self._now is not None and self._path not in paths:
            self._stop()
        for path in (self._texts.keys() | self._written.keys()) - paths:
            self._texts.pop(path, None)
            self._written.pop(path, None)

    def close(self) -> None:
        """Stop measuring."""
        self._stop()
