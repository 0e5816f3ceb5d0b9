"""The fleet as a table, one line per host, and as JSON lines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from shipper.text import Paint, counted, duration, safe, safe_json, size, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.store.fleet import HostBeat

HEAD = (
    "host",
    "state",
    "heartbeat",
    "searchable up to",
    "behind",
    "files",
    "dead letters",
    "version",
)


@dataclass(frozen=True, slots=True)
class FleetLimits:
    """The time now (epoch ms), and how old (ms) a heartbeat and a watermark may be."""

    now: int
    silent: int
    behind: int


def state_of(beat: HostBeat, limits: FleetLimits) -> str:
    """Return `well`, `behind`, `silent`, `stopped` where that was announced, or `ahead` of now."""
    if beat.is_ahead(limits.now):
        return "ahead"
    if limits.now - beat.at > limits.silent:
        return "stopped" if beat.stopped else "silent"
    return "behind" if limits.now - beat.watermark > limits.behind else "well"


def fleet_json(beat: HostBeat, limits: FleetLimits) -> str:
    """Return a host as one JSON object; times are epoch milliseconds."""
    return safe_json({**asdict(beat), "state": state_of(beat, limits)})


def fleet_text(beats: Sequence[HostBeat], limits: FleetLimits, paint: Paint) -> list[str]:
    """Return a table of the hosts, and below it why hosts are behind or have lost records."""
    if not beats:
        return ["no shipper has sent a heartbeat in this time"]
    heading, *lines = table([HEAD, *(_row(beat, limits) for beat in beats)], right={4, 5, 6})
    return [
        paint.strong(heading),
        *lines,
        *(line for beat in beats for line in _notes(beat, limits)),
    ]


def _row(beat: HostBeat, limits: FleetLimits) -> list[str]:
    return [
        safe(beat.host),
        state_of(beat, limits),
        _ago(beat.at, limits),
        _ago(beat.watermark, limits) if beat.watermark else "unknown",
        size(beat.behind_bytes),
        str(beat.files),
        str(beat.dead_letters),
        safe(beat.version),
    ]


def _ago(time: int, limits: FleetLimits) -> str:
    return f"{duration(max(limits.now - time, 0) / 1000)} ago"


def _notes(beat: HostBeat, limits: FleetLimits) -> list[str]:
    """Return the files most behind, the files dropped, and what the last audit left open."""
    host = safe(beat.host)
    notes = []
    if state_of(beat, limits) == "behind":
        notes += [
            f"{host}: {safe(lag.path)} is {size(lag.size - lag.acked)} behind"
            for lag in beat.furthest
        ]
    if beat.tombstones:
        dropped = counted(beat.tombstones, "file")
        notes.append(f"{host}: {dropped} dropped before delivery")
    if beat.audit_open:
        unproved = counted(beat.audit_open, "record")
        notes.append(f"{host}: the last audit could not account for {unproved}")
    return notes
