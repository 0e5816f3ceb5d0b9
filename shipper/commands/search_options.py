"""The options of `shipper search`, and which of them exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from shipper.commands.invocation import refuse
from shipper.store.api import Selection

if TYPE_CHECKING:
    from datetime import tzinfo

RECORDS: Final = ("--columns", "-A and -B")  # options of how records are shown
NUMBERS: Final = ("--stats", "--percentiles", "--patterns")  # what is shown instead


def as_names(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas."""
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        raise click.BadParameter("names no field; use timestamp,level,message")
    return names


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of the command line."""

    query: tuple[str, ...]
    since: int | None
    until: int | None
    limit: int | None
    sort: str | None
    count: bool
    by: tuple[str, ...]
    every: int | None
    follow: bool
    timeout: int
    partial: bool
    zone: tzinfo
    kind: str | None
    columns: tuple[str, ...]
    stats: str | None
    percentiles: str | None
    patterns: bool
    before: int
    after: int

    def __post_init__(self) -> None:
        """Refuse options that cannot be combined."""
        given = {
            "--follow": self.follow,
            "--count": self.count,
            "--by": bool(self.by),
            "--every": self.every is not None,
            "--sort": self.sort is not None,
            "--limit": self.limit is not None,
            "--until": self.until is not None,
            "--columns": bool(self.columns),
            "--stats": self.stats is not None,
            "--percentiles": self.percentiles is not None,
            "--patterns": self.patterns,
            "-A and -B": bool(self.before or self.after),
            "--format csv": self.kind == "csv",
        }
        excluded = {
            "--follow": (
                *("--count", "--by", "--every", "--sort", "--until", *NUMBERS),
                *("--columns", "--format csv", "-A and -B"),
            ),
            "--count": ("--by", "--every", "--sort", "--limit", "--format csv", *RECORDS, *NUMBERS),
            "--stats": ("--sort", "--percentiles", "--patterns", *RECORDS),
            "--percentiles": ("--sort", "--patterns", *RECORDS),
            "--patterns": ("--by", "--every", "--sort", *RECORDS),
            "-A and -B": ("--columns", "--format csv", "--by", "--every", "--sort"),
            "--columns": ("--by", "--every"),
            "--by": ("--sort",),
            "--every": ("--sort",) if self.by else ("--sort", "--limit"),
        }
        for option, others in excluded.items():
            clash = next((other for other in others if given[option] and given[other]), None)
            if clash:
                refuse(f"{option} and {clash} cannot be combined; use one of them")

        if len(self.by) > 1:
            refuse("--by takes one field; give it once, and run the command once per field")
        if (self.stats or self.percentiles) and self.limit is not None and not self.by:
            refuse("--limit is for --by here; leave it out, or give --by FIELD")
        if (self.stats or self.percentiles) and self.by and self.every is not None:
            refuse("--stats and --percentiles take --by or --every; use one of them")
        if self.since is not None and self.until is not None and self.since >= self.until:
            refuse("--since is not before --until; give an earlier --since or a later --until")

    @property
    def as_json(self) -> bool:
        """Whether one JSON object per line is wanted."""
        return self.kind == "json"

    @property
    def as_csv(self) -> bool:
        """Whether CSV is wanted."""
        return self.kind == "csv"

    @property
    def is_for_programs(self) -> bool:
        """Whether the answer is not one for people."""
        return self.kind in ("json", "csv")

    @property
    def selection(self) -> Selection:
        """The records to search; the words that the shell split are one query."""
        return Selection(" ".join(self.query), self.since, self.until)

    def until_now(self, now: int) -> Selection:
        """Return the records to count per slot, up to the end of the current one."""
        end = now // (self.every or 1) * (self.every or 1) + (self.every or 1)
        return Selection(
            self.selection.query, self.since, end if self.until is None else self.until
        )
