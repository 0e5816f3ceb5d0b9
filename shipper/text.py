"""
Text for the terminal: numbers, sizes, durations, tables.

The content of a log line is never trusted: every character that could move the cursor, start an
escape sequence or change the direction of writing is shown as its escape.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from shipper.times import EPOCH, MILLISECOND, iso

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# C0, DEL and C1 controls; marks and overrides of direction; line separators; lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BLOCKS = " ▏▎▍▌▋▊▉"
_LEVELS = {"CRITICAL": "1;31", "ERROR": "31", "WARNING": "33", "INFO": "32", "DEBUG": "2"}


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours for a terminal; `on=False` leaves every text as it is."""

    on: bool

    def dim(self, text: str) -> str:
        """Return a text that is less prominent."""
        return self._paint(text, "2")

    def strong(self, text: str) -> str:
        """Return a text in bold, such as a heading."""
        return self._paint(text, "1")

    def marked(self, text: str, words: Iterable[str]) -> str:
        """Return a text with these words underlined, in upper or lower case."""
        found = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word)
        if not self.on or not found:
            return text
        return re.sub(found, lambda word: self._paint(word[0], "1;4"), text, flags=re.IGNORECASE)

    def level(self, text: str, level: str) -> str:
        """Return a text in the colour of a log level; unchanged for an unknown level."""
        return self._paint(text, _LEVELS.get(level, ""))

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and code and text else text


def safe(text: str) -> str:
    """Return a text with control characters as escapes."""
    return _UNSAFE.sub(_escape, text)


def safe_json(value: Any) -> str:
    """Return a value as one line of JSON, with unsafe characters as JSON escapes."""
    return escaped_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def escaped_json(text: str) -> str:
    """Return JSON with unsafe characters as JSON escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def safe_lines(text: str) -> str:
    """Return a text with its line ends, and all other unsafe characters as escapes."""
    return "\n".join(map(safe, text.split("\n")))


def plain(value: Any) -> str:
    """Return the value of a field: safe text, floats with up to 3 decimals, the rest as JSON."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return safe_json(value)


def instant(time: int, *, unit_ms: int = 1, zone: tzinfo = UTC) -> str:
    """
    Return epoch milliseconds as ISO 8601, to the day, minute, second or millisecond.

    The times are multiples of `unit_ms`, and in UTC unless another `zone` is given. Times outside
    the years 1 to 9999 stay numbers.
    """
    try:
        text = iso(time)
        if zone is not UTC:
            unit = "minutes" if unit_ms % 60_000 == 0 else "seconds" if unit_ms % 1000 == 0 else ""
            moment = (EPOCH + time * MILLISECOND).astimezone(zone)
            return moment.isoformat(timespec=unit or "milliseconds")
    except OverflowError:
        return str(time)
    if unit_ms % 86_400_000 == 0:
        return text[:10]
    if unit_ms % 1000 == 0:
        return f"{text[:16] if unit_ms % 60_000 == 0 else text[:19]}Z"
    return text


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, which agrees: `1 record`, `1,234 records`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def size(count: int) -> str:
    """Return bytes in the unit with at most three digits before the point: `12.3 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a duration in its largest unit: `12.0 s`, `3.5 h`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _NAMED.get(found[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def bar(share: float, width: int) -> str:
    """Return a share of 0 to 1 as a bar of up to `width` columns, empty only for 0."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_BLOCKS[rest] if rest else "")


def table(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return the lines of a table; the columns whose numbers are in `right` are right-aligned."""
    columns = []
    for number, column in enumerate(zip(*rows, strict=True)):
        width = max(map(len, column))
        columns.append(
            [cell.rjust(width) if number in right else cell.ljust(width) for cell in column]
        )
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]
