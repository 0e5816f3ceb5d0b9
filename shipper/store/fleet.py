"""
The fleet: the last heartbeat of every shipper that writes to a store.

Every few seconds a shipper sends a heartbeat along with its records (shipper/deliver/heartbeat.py).
The last one of a host has the highest `seq` of its newest `run`: runs sort by time and `seq` only
grows, so neither a wrong clock nor the order of arrival matters.

One request finds the newest run of all hosts; one more for every few hundred hosts reads their
heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipper.fields import HEARTBEAT
from shipper.store.api import Hit, Maximum, Number, Question, Selection, Store, Terms, buckets_of

MAX_HOSTS: Final = 10_000
MAX_RUNS: Final = 1000  # of one host in the time asked for
AHEAD_MS: Final = 60_000  # a clock that is further ahead of ours is not believed
FAR_AHEAD_MS: Final = 86_400_000  # what is dated later than that is no heartbeat
MAX_NAMED: Final = 300  # heartbeats named by one query, which may have 1,024 terms

QUERY: Final = f"event.dataset:{HEARTBEAT}"


@dataclass(frozen=True, slots=True)
class FileLag:
    """
    A file that is behind: its size and the bytes of it that were read and acked.

    `next_at` (epoch ms) is the time of the first unread record, None if unknown.
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

    All records of the host older than `watermark` can be searched, except dead letters; 0 if the
    shipper knows no such time. `behind_bytes` are not acked yet, `held_bytes` of them in deleted
    files that the shipper still holds. `tombstones` counts files dropped before they were
    delivered. `audit_open` counts the records that the last `shipper audit` on the host could not
    account for, None if there was no audit. `furthest` are the files most behind.
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

    def is_ahead(self, now: int) -> bool:
        """Return whether it is dated in the future, or says that records of the future arrived."""
        return max(self.at, self.watermark) > now + AHEAD_MS


def read_fleet(store: Store, *, since: int, now: int | None = None) -> list[HostBeat]:
    """
    Return the last heartbeat of every host that sent one since that time (epoch ms), by host.

    With `now`, what is dated a day or more later is left out, be it by the time of the heartbeat
    or of its run: a forged one would else be the newest of its host for ever.

    Raises:
        StoreUnavailable: the store cannot be read now.
    """
    until = None if now is None else now + FAR_AHEAD_MS
    newest = _newest(store, since, until)
    found: list[Hit] = []
    for start in range(0, len(newest), MAX_NAMED):
        portion = newest[start : start + MAX_NAMED]
        named = " OR ".join(f'(run:"{run}" AND seq:{seq})' for run, seq in portion)
        selection = Selection(f"{QUERY} AND ({named})", since, until)
        # A rollover may store the same `_id` twice, once in each index.
        found += store.search(selection, limit=2 * len(portion), counted=False).hits
    by_host = {beat.host: beat for beat in map(beat_of, found)}
    return [by_host[host] for host in sorted(by_host)]


def _newest(store: Store, since: int, until: int | None) -> list[tuple[str, int]]:
    """Return `run` and `seq` of the last heartbeat of each host."""
    runs = Terms("run", MAX_RUNS, {"last": Maximum("seq")})
    hosts = Terms("host.name", MAX_HOSTS, {"runs": runs})
    (answer,) = store.ask([Question(Selection(QUERY, since, until), {"hosts": hosts})])
    limit = "~" if until is None else _run_at(until)
    newest = []
    for host in buckets_of(answer, "hosts").buckets:
        found = [run for run in buckets_of(host, "runs").buckets if str(run.key) < limit]
        last = max(found, key=lambda run: str(run.key), default=None)
        number = last.results["last"] if last else None
        if last and isinstance(number, Number) and number.value is not None:
            newest.append((str(last.key), int(number.value)))
    return newest


def _run_at(time: int) -> str:
    """Return how a run begins that starts at a time (epoch ms): the time of a ULID."""
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(digits[time >> shift & 31] for shift in range(45, -1, -5))


def beat_of(hit: Hit) -> HostBeat:
    """Return the heartbeat in a hit; what it lacks has the default."""
    source = hit.source
    sent: Mapping[str, Any] = _object(_object(source.get("extra")).get("heartbeat"))
    audit_open = sent.get("audit_open")
    return HostBeat(
        host=str(_object(source.get("host")).get("name", "")),
        at=hit.time,
        watermark=_number(sent.get("watermark")),
        version=str(sent.get("version", "")),
        started=_number(sent.get("started")),
        behind_bytes=_number(sent.get("behind_bytes")),
        files=_number(sent.get("files")),
        dead_letters=_number(sent.get("dead_letters")),
        held_bytes=_number(sent.get("held_bytes")),
        tombstones=_number(sent.get("tombstones")),
        audit_open=None if audit_open is None else _number(audit_open),
        stopped=sent.get("stopped") is True,
        run=str(source.get("run", "")),
        seq=_number(source.get("seq")),
        service=str(_object(source.get("service")).get("name", "")),
        furthest=tuple(_lags(sent.get("furthest"))),
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
