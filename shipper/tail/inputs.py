"""What an input reads: which files, and how they are cut into lines and events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shipper.tail.discovery import Patterns
    from shipper.tail.harvester import Cutting


ALL_COMPRESSED = 0  # for `InputFiles.compressed_since`


@dataclass(frozen=True, slots=True)
class InputFiles:
    """
    The files of one input, and how they are cut.

    A gzip that no known file was made into is read if it changed after `compressed_since`
    (nanoseconds since the epoch).
    """

    patterns: Patterns
    cutting: Cutting
    compressed_since: int = ALL_COMPRESSED

    def since_earlier(self, milliseconds: int) -> InputFiles:
        """Return the input with gzips that are so much older: the clock was set back."""
        since = max(self.compressed_since - milliseconds * 1_000_000, ALL_COMPRESSED)
        return replace(self, compressed_since=since)
