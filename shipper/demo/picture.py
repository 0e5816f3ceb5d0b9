"""The picture of the demo: records, errors, incidents and how far the shipper is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.severity import Severity
from shipper.text import counted, duration, instant, plain, safe, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from shipper.agent.status import Status
    from shipper.store.api import Hit

_STEPS = "▁▂▃▄▅▆▇█"
_STYLES = {"CRITICAL": "bold red", "ERROR": "red", "WARNING": "yellow", "INFO": "green"}
_ROWS = 5
_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """What does not change: addresses of application and dashboard, rate, commands to try."""

    url: str
    rate: float
    commands: Sequence[str]
    page: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """
    The state of the demo at one moment.

    `per_second` counts the records of each of the last seconds, oldest first; the other counts are
    since the demo started, `elapsed` seconds ago. `now` is in epoch ms.
    """

    elapsed: float
    now: int
    total: int
    per_second: Sequence[int]
    datasets: Mapping[str, int]
    levels: Mapping[str, int]
    error_types: Mapping[str, int]
    errors: Sequence[Hit]
    status: Status
    incidents: Sequence[Incident] = ()

    @property
    def behind(self) -> int:
        """Bytes that are written and not yet delivered."""
        return sum(file.behind for file in self.status.files)

    @property
    def rate(self) -> float:
        """Records per second, the mean of the last 5 s."""
        last = self.per_second[-5:]
        return sum(last) / len(last) if last else 0.0


def picture_line(picture: Picture) -> str:
    """Return the picture as one line, for output that is not a terminal."""
    datasets = ", ".join(f"{name} {count:,}" for name, count in picture.datasets.items())
    errors = picture.levels.get("ERROR", 0) + picture.levels.get("CRITICAL", 0)
    line = (
        f"{picture.elapsed:.0f} s: {counted(picture.total, 'record')} ({datasets or 'none yet'}), "
        f"{picture.rate:.0f}/s, {counted(errors, 'error')}, {size(picture.behind)} behind"
    )
    return f"{line}; {_incidents(picture.incidents)}" if picture.incidents else line


def render(picture: Picture, place: Place) -> RenderableType:
    """Return the picture for a terminal of at least 80 columns and 24 rows."""
    return Group(
        Rule(Text(f"shipper demo · {picture.elapsed:.0f} s", style="bold"), align="left"),
        _state(picture, place),
        Text(),
        _counts(picture),
        Text(),
        _errors(picture.errors),
        Text(),
        _commands(place.commands),
    )


def _state(picture: Picture, place: Place) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(no_wrap=True)
    grid.add_row("application", f"{place.url}, {place.rate:g} requests/s")
    if place.page:
        grid.add_row("dashboard", place.page)
    grid.add_row("shipper", _shipper(picture))
    grid.add_row(
        "records",
        Text(f"{picture.total:,} searchable, {picture.rate:.0f}/s  ").append(
            _sparkline(picture.per_second), style="cyan"
        ),
    )
    worst = "bold red" if picture.incidents else "green"
    grid.add_row("alerts", Text(_incidents(picture.incidents), style=worst))
    return grid


def _incidents(incidents: Sequence[Incident]) -> str:
    """List the firing incidents with their IDs, the most severe first."""
    if not incidents:
        return "nothing is firing"
    ranks = list(Severity)
    ordered = sorted(incidents, key=lambda each: ranks.index(each.severity))
    notes = {Phase.ACKNOWLEDGED: ", acknowledged"}
    shown = [f"{each.rule} ({each.id}{notes.get(each.phase, '')})" for each in ordered[:2]]
    rest = f" and {len(incidents) - 2} more" if len(incidents) > 2 else ""
    return f"firing: {', '.join(shown)}{rest}"


def _shipper(picture: Picture) -> str:
    status = picture.status
    parts = [f"{size(status.counters.read_bytes)} read", f"{size(picture.behind)} behind"]
    if status.watermark is not None:
        age = max(0, picture.now - status.watermark) / 1000
        parts.append(f"searchable up to {duration(age)} ago")
    if status.last_error:
        parts.append(safe(status.last_error))
    return ", ".join(parts)


def _sparkline(counts: Sequence[int]) -> str:
    most = max(counts, default=0) or 1
    return "".join(_STEPS[count * (len(_STEPS) - 1) // most] for count in counts[-40:])


def _counts(picture: Picture) -> Table:
    grid = Table.grid(padding=(0, 4))
    grid.add_row(
        _column("dataset", picture.datasets),
        _column("level", picture.levels),
        _column("error type", picture.error_types),
    )
    return grid


def _column(name: str, counts: Mapping[str, int]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row(Text(name, style="bold"), Text("records", style="bold"))
    for value, count in list(counts.items())[:_ROWS]:
        table.add_row(Text(safe(value)[:24], style=_STYLES.get(value, "")), f"{count:,}")
    return table


def _errors(hits: Sequence[Hit]) -> Group:
    return Group(Text("last errors", style="bold"), *map(_error, hits[:_ERRORS]))


def _error(hit: Hit) -> Text:
    source = hit.source
    parts = [
        (instant(hit.time)[11:23], "dim"),
        (plain(source.get("error_type", source.get("level", "-"))), "red"),
        (plain(source.get("message", "")), ""),
        (plain(source.get("workflow_id", "")), "dim"),
    ]
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    return line.append_text(Text(" ").join(Text(*part) for part in parts))


def _commands(commands: Sequence[str]) -> Text:
    lines = [
        ("try in a second terminal:", "bold"),
        *((f"  {safe(line)}", "cyan") for line in commands),
    ]
    lines.append(("Ctrl-C stops the demo", "dim"))
    return Text("\n").join(Text(line, style=style) for line, style in lines)
