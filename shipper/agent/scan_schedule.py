"""
When the log folders are scanned: regularly, and sooner when a file seems new or rotated.

Hints of the kernel and a look at the busy files say that a scan may be due. Scans they ask for take
at most a 20th of the time, however many files there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.tail.discovery import Patterns
from shipper.tail.watch import Watch

if TYPE_CHECKING:
    import threading

    from shipper.config.main import Config
    from shipper.tail.tailer import Tailer
    from shipper.times import Clock

POLL_SECONDS = 0.05  # between two looks at files that grow fast
SLOW_POLL_SECONDS = 0.25  # of those that grew lately; the kernel reports most of it sooner
FAST_BYTES = 4096  # a block of that size: a small file may be rotated twice within the slow time
SCAN_SHARE = 20


class ScanSchedule:
    """Scans for a tailer when it is time."""

    def __init__(
        self,
        config: Config,
        tailer: Tailer,
        wake: threading.Event,
        clock: Clock,
    ) -> None:
        self._config = config
        self._tailer = tailer
        self._watch = Watch(wake)
        self._clock = clock
        self.next_scan = self._next_hinted_scan = self._next_peek = clock.monotonic()

    def set_config(self, config: Config) -> None:
        """Scan for the inputs of another config from now on."""
        self._config = config
        self.next_scan = self._clock.monotonic()

    def scan_if_due(self) -> None:
        """Scan if it is time, or if something hints at a new file."""
        now = self._clock.monotonic()
        hints = self._watch.take()
        has_new = bool(hints) and self._tailer.hint(hints)
        if now >= self._next_peek:
            # Busy files rotate fast, and a file deleted before a scan has opened it is lost.
            has_new = self._tailer.has_rotation() or has_new
            self._next_peek = now + max(POLL_SECONDS, SCAN_SHARE * (self._clock.monotonic() - now))
        if has_new:
            self.next_scan = min(self.next_scan, self._next_hinted_scan)
        if now >= self.next_scan:
            self.scan()

    def scan(self) -> None:
        """Scan now."""
        now = self._clock.monotonic()
        self._tailer.scan(now=now, wall=self._clock.wall())
        self.next_scan = now + self._config.tail.scan_seconds
        self._set_polled(self._tailer.reader.warm_paths())
        seconds = self._clock.monotonic() - now
        self._next_hinted_scan = now + SCAN_SHARE * seconds
        if self._tailer.scanner.is_measuring():  # at most half of the time, as others want to read
            self.next_scan = min(self.next_scan, now + max(2 * seconds, POLL_SECONDS))
        if self._config.tail.watch:
            folders = {
                folder
                for source in self._config.inputs
                for folder in Patterns(source.paths).folders()
            }
            self._watch.listen(folders, now)

    def poll(self) -> bool:
        """Look at the files that grew lately; return whether there are any such files."""
        return self._tailer.reader.poll(self._clock.monotonic(), self._set_polled)

    def _set_polled(self, paths: frozenset[str]) -> None:
        self._watch.polled = paths

    def close(self) -> None:
        """Stop listening for hints."""
        self._watch.close()
