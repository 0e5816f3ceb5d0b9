"""What a format is: the forms that its lines have, where an event begins, what times mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Forms of time besides those of `strptime`.
ISO = "iso"  # ISO 8601 and what shipper/enrich/clock.py reads besides
TIME_OF_DAY = "%H:%M:%S"  # of the day of reading, or the one before


@dataclass(frozen=True, slots=True)
class Layout:
    """
    One form that the lines of a format have.

    `pattern` matches all of the first line of an event (shipper/formats/blocks.py has its building
    blocks). A group with the name of a field of a record is that field, `time_group` is the time,
    any other group is under `extra`; those in `numbers` are numbers. `levels` are names of levels
    besides the usual ones.
    """

    dataset: str
    pattern: str
    time: str = ISO
    category: str = ""
    numbers: frozenset[str] = frozenset()
    levels: Mapping[str, str] = field(default_factory=dict)
    time_group: str = "time"


@dataclass(frozen=True, slots=True)
class LogFormat:
    """
    A format by its name.

    The layouts are tried in their order. An event goes on until a line matches `first_line`; where
    that is None, every line is an event. A line that matches `follows` goes on only if its first
    group is that of the line with which the event began, by `first_line`. `paths` matches the
    paths of files that usually have this format.
    """

    name: str
    about: str
    layouts: tuple[Layout, ...]
    samples: tuple[str, ...]
    first_line: str | None = None
    follows: str | None = None
    paths: str = r"(?!)"
    is_own: bool = False  # written by a user
