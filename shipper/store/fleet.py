"""
The fleet: what each shipper that writes to a store told of itself last.

Every few seconds a shipper sends a heartbeat the way of its records (shipper/deliver/heartbeat.py).
The newest of a host is that with the highest `seq` of its newest `run`: runs sort by time, and the
numbers of a run only grow, so neither a clock that is wrong nor the order of arrival matters.

However many hosts there are, that is one request for the newest runs, and one for every few
hundred of these to read their last heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipper.fields import HEARTBEAT
from shipper.store.api import Hit, Maximum, Number, Question, Selection, Store, Terms, buckets_of

MAX_HOSTS: Final = 10_000
MAX_RUNS: Final = 1000  # of one host in the time that is asked about
PORTION: Final = 300  # heartbeats that one query names; the query language ends at 1,024 terms

QUERY: Final = f"event.dataset:{HEARTBEAT}"


@dataclass(frozen=True, slots=True)
class FileLag:
    """
    A file that is behind: bytes read, acked and there in all.

    `next_at` (epoch ms) is the time of the first record that is not read, None if it is unknown.
    """

    path: str
    read: int
    acked: int
    size: int
    next_at: int | None = None


@dataclass(frozen=True, slots=True)
class HostBeat:
    """
    The last heartbeat of a host; times in epoch milliseconds by the clock of the host.

    Everything that the shipper of this host will ever read and that is older than `watermark` can
    be searched, but for its dead letters; 0 says that it knows of no such time. `behind_bytes` are
    in files and not acked, `held_bytes` of these in files that are gone but for the shipper.
    `tombstones` counts what was given up on purpose. `audit_open` is what the last `shipper audit`
    on the host left unproved, None if there was none. `furthest` are the files most behind.
    """

    host: str
    at: int
    watermark: int
    version: str
    started: int = 0
    behind_bytes: int = 0
    files: int = 0
    dead_letters: int = 0
    held_bytes: int = 0
    tombstones: int = 0
    audit_open: int | None = None
    stopped: bool = False
    run: str = ""
    seq: int = 0
    service: str = ""
    furthest: tuple[FileLag, ...] = ()


def read_fleet(store: Store, *, since: int) -> list[HostBeat]:
    """
    Give the last heartbeat of every host that sent one since that time (epoch ms), by host.

    Raises:
        StoreUnavailable: the store cannot be asked now.
    """
    newest = _newest(store, since)
    found: list[Hit] = []
    for start in range(0, len(newest), PORTION):
        portion = newest[start : start + PORTION]
        named = " OR ".join(f'(run:"{run}" AND seq:{seq})' for run, seq in portion)
        selection = Selection(f"{QUERY} AND ({named})", since)
        # An `_id` is there once in each index; so twice, at most, if a rollover doubled it.
        found += store.search(selection, limit=2 * len(portion)).hits
    by_host = {beat.host: beat for beat in map(beat_of, found)}
    return [by_host[host] for host in sorted(by_host)]


def _newest(store: Store, since: int) -> list[tuple[str, int]]:
    """Give run and number of the last heartbeat of each host."""
    runs = Terms("run", MAX_RUNS, {"last": Maximum("seq")})
    hosts = Terms("host.name", MAX_HOSTS, {"runs": runs})
    (answer,) = store.ask([Question(Selection(QUERY, since), {"hosts": hosts})])
    newest = []
    for host in buckets_of(answer, "hosts").buckets:
        last = max(buckets_of(host, "runs").buckets, key=lambda run: str(run.key), default=None)
        number = last.results["last"] if last else None
        if last and isinstance(number, Number) and number.value is not None:
            newest.append((str(last.key), int(number.value)))
    return newest


def beat_of(hit: Hit) -> HostBeat:
    """Read a heartbeat; what it does not tell has the default."""
    source = hit.source
    told: Mapping[str, Any] = _object(_object(source.get("extra")).get("heartbeat"))
    open_ = told.get("audit_open")
    return HostBeat(
        host=str(_object(source.get("host")).get("name", "")),
        at=hit.time,
        watermark=_number(told.get("watermark")),
        version=str(told.get("version", "")),
        started=_number(told.get("started")),
        behind_bytes=_number(told.get("behind_bytes")),
        files=_number(told.get("files")),
        dead_letters=_number(told.get("dead_letters")),
        held_bytes=_number(told.get("held_bytes")),
        tombstones=_number(told.get("tombstones")),
        audit_open=None if open_ is None else _number(open_),
        stopped=told.get("stopped") is True,
        run=str(source.get("run", "")),
        seq=_number(source.get("seq")),
        service=str(_object(source.get("service")).get("name", "")),
        furthest=tuple(_lags(told.get("furthest"))),
    )


def _lags(value: Any) -> Iterator[FileLag]:
    for each in value if isinstance(value, Sequence) and not isinstance(value, str) else ():
        lag = _object(each)
        next_at = lag.get("next_at")
        yield FileLag(
            str(lag.get("path", "")),
            _number(lag.get("read")),
            _number(lag.get("acked")),
            _number(lag.get("size")),
            None if next_at is None else _number(next_at),
        )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
