"""The options of the sections `inputs`, `tail` and `holds`: what is read, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipper.config.options import (
    COUNT,
    SECONDS,
    SIZE,
    SWITCH,
    Faults,
    InvalidValueError,
    ListOf,
    Scalar,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)

_GLOB = text_matching(r"(?!~)[^\x00]*[^\x00/]", "the path of a file, with * ? [ ] ** as wildcards")


def _parse_pattern(text: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text.encode())
    except re.error as error:
        fault = f'"{text}" is not a regular expression: {error}'
        raise InvalidValueError(fault, "correct it") from error


_PATTERN = Scalar("a regular expression", _parse_pattern)


@dataclass(frozen=True, slots=True)
class MultilineOptions:
    """
    Joins lines of plain-text logs into one event, such as a traceback.

    A line that is a JSON object is always an event of its own.
    """

    first_line: re.Pattern[bytes] | None = optional(
        _PATTERN,
        "Regular expression that matches the beginning of the first line of an event, such as "
        "`\\d{4}-\\d\\d-\\d\\d `. Without it, every line starts an event except indented and blank "
        "lines and the lines of a traceback.",
    )
    max_lines: int = option(
        COUNT.between("2", "100000"),
        "Maximum number of lines in an event; further lines start another event.",
        default="500",
    )
    max_bytes: int = option(
        SIZE.between("1 KiB", "4 MiB"),
        "Maximum size of an event of several lines; further lines start another event.",
        default="128 KiB",
    )
    quiet_seconds: float = option(
        SECONDS.between("0.1s", "1h"),
        "The last event of a file is complete when nothing was appended for this long. Raise it if "
        "the application pauses in the middle of an event.",
        default="5s",
    )


@dataclass(frozen=True, slots=True)
class InputOptions:
    """A set of log files to read."""

    paths: tuple[str, ...] = option(
        ListOf(_GLOB, least=1),
        "Files to read. `*`, `?` and `[…]` match within a name, `**` matches any number of "
        "folders. Rotated copies (`app.log.1`, `app.log-20260205`, `app.log.2.gz`) are found "
        "without being listed.",
    )
    exclude: tuple[str, ...] = option(
        ListOf(_GLOB),
        "Files to skip although `paths` matches them. A pattern without `/` is compared with the "
        "name only.",
        default="[]",
    )
    max_line_bytes: int = option(
        SIZE.between("1 KiB", "8 MiB"),
        "Maximum size of a line. A longer line is cut here and tagged. This bounds the memory that "
        "one line can take.",
        default="1 MiB",
    )
    compressed: str = option(
        one_word_of("new", "all", "none"),
        "Which `.gz` files to read whose uncompressed file was never seen. `new`: those that "
        "changed after the first start with this `data_dir`, which covers rotation while the "
        "shipper was down and skips old archives. `all`: every one. `none`: no `.gz` file at all. "
        "With `new` and `all`, a file that is compressed while it is being read is finished from "
        "its `.gz`.",
        default="new",
    )
    multiline: MultilineOptions | None = optional(
        Section(MultilineOptions),
        "Joins lines of plain-text logs into one event. Without it, every line is an event.",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.multiline is not None and self.multiline.max_bytes > self.max_line_bytes:
            yield "multiline", "max_bytes is more than max_line_bytes", "use at most as much"


@dataclass(frozen=True, slots=True)
class TailOptions:
    """How files are found and read."""

    scan_seconds: float = option(
        SECONDS.between("0.05s", "1h"),
        "Interval between two scans of all folders and files. A scan finds every change; kernel "
        "events only make the shipper notice sooner.",
        default="1s",
    )
    block_bytes: int = option(
        SIZE.between("4 KiB", "8 MiB"),
        "How much of a file is read at a time, in turn with the other files.",
        default="256 KiB",
    )
    watch: bool = option(
        SWITCH,
        "Use kernel events (inotify) to notice new lines at once. `false`: new lines wait for the "
        "next scan; use it on file systems without events, such as NFS.",
        default="true",
    )


@dataclass(frozen=True, slots=True)
class HoldsOptions:
    """
    Hard links that keep rotated files until they are delivered.

    Every file that is read gets a second name in the data folder, so its content survives rotation
    and deletion, also while no shipper runs. The link is removed when the file is delivered.
    """

    enabled: bool = option(
        SWITCH,
        "`false`: a deleted file is only kept while a running shipper has it open. logrotate does "
        "not rotate a file that has two names unless its config says `allowhardlink`.",
        default="true",
    )
    max_bytes: int = option(
        SIZE.between("1 MiB", "100 TiB"),
        "Maximum total size of files that only the shipper still keeps. Above it, the oldest file "
        "is dropped and recorded as a deliberate loss. Raise it to survive longer outages of the "
        "output.",
        default="1 GiB",
    )
