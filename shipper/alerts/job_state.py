"""
What the alert job knows of itself: whether it may act, and whether it is well.

Where several jobs ask one Elasticsearch, only the one that holds the lease may act: record what it
decides, and send. It asks `Tenure.may_act` right before each of the two, so a turn or a page that
took longer than the lease ends without an effect. A lease that cannot be renewed ends as well when
its time is over: nothing is judged then. That the store gives no answer is still said by who was
active last, for nobody else can know it.

The job is well while rules are judged, the thread of each alerter lives and makes its turns, and
nothing waits in the outbox for too long. The dead man's switch and `/-/healthy` go by this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shipper.errors import StoreUnavailable
from shipper.text import duration

if TYPE_CHECKING:
    from shipper.store.elasticsearch.lease import Lease

log = logging.getLogger("shipper.alerts.job")

_STANDING_BY: Final = "another alert job is active; this one stands by"


class Tenure:
    """Whether this job is the one that acts; renewed by the main thread, asked by all."""

    def __init__(self, lease: Lease | None) -> None:
        """Act for ever where there is no lease to hold."""
        self._lease = lease
        self.is_standing_by = False
        self.fault: str | None = None  # why the lease could not be renewed the last time

    def claim(self, now: int) -> bool:
        """Renew the lease when it is time; return False if another job is active."""
        if self._lease is None:
            return True
        try:
            holds = self._lease.hold(now)
        except StoreUnavailable as error:
            self.fault = str(error)
            return not self.is_standing_by
        except Exception as error:  # a fault of ours: what is held is held until it ends
            log.exception("a fault while the lease was renewed; it is tried again")
            self.fault = f"a fault while the lease was renewed: {error!r}"
            return not self.is_standing_by
        self.fault = None
        if holds == self.is_standing_by:
            log.info("%s", "this alert job is active now" if holds else _STANDING_BY)
        self.is_standing_by = not holds
        return holds

    def may_act(self, now: int) -> bool:
        """Return whether what is decided and sent now is this job's to do."""
        lease = self._lease
        return not self.is_standing_by and (lease is None or lease.is_held(now))

    def end(self) -> None:
        """Release the lease, so that another job can act at once."""
        if self._lease is None:
            return
        try:
            self._lease.release()
        except StoreUnavailable as error:
            log.info("cannot release the lease, which expires by itself: %s", error)


@dataclass(frozen=True, slots=True)
class ThreadState:
    """The thread of an alerter: whether it lives, and when it last made a turn (epoch ms)."""

    name: str
    is_alive: bool
    turned_at: int


@dataclass(slots=True)
class JobState:
    """
    How the job is; times in epoch milliseconds. The main thread writes it, others read it.

    `waiting` pages are still to be sent, the oldest of them since `waiting_since`.
    """

    started_at: int
    good_at: int = 0
    windows: int = 0
    transitions: int = 0
    waiting: int = 0
    waiting_since: int | None = None
    fault: str | None = None
    is_active: bool = False
    threads: Sequence[ThreadState] = field(default_factory=tuple)

    def reasons(self, now: int, longest_ms: int, longest_page_ms: int) -> Iterator[str]:
        """Yield why it is not well: nothing was judged, or nobody notified, for too long."""
        if self.is_active and now - max(self.good_at, self.started_at) >= longest_ms:
            cause = f": {self.fault}" if self.fault else ""
            yield f"no rule was evaluated for {_for(now, self.good_at or self.started_at)}{cause}"
        for each in self.threads:
            if not each.is_alive:
                yield f"the thread of alerter {each.name} has ended"
            elif now - each.turned_at >= longest_page_ms:
                yield f"alerter {each.name} has been busy for {_for(now, each.turned_at)}"
        since = self.waiting_since if self.is_active else None
        if since is not None and now - since >= longest_page_ms:
            yield f"a page has been waiting for {_for(now, since)}"


def _for(now: int, since: int) -> str:
    return duration((now - since) / 1000)


def metrics_text(state: JobState, now: int) -> str:
    """Return the metrics of the job, in the text format of Prometheus."""
    oldest = 0 if state.waiting_since is None else max(0, now - state.waiting_since) / 1000
    values = (
        (
            "active",
            "gauge",
            "1 if this job evaluates rules, 0 while it stands by.",
            state.is_active,
        ),
        (
            "last_evaluation_timestamp_seconds",
            "gauge",
            "When rules were evaluated last, as a Unix time; 0 if never.",
            state.good_at / 1000,
        ),
        ("windows_total", "counter", "Windows that were evaluated.", state.windows),
        ("transitions_total", "counter", "Changes of incidents recorded.", state.transitions),
        ("outbox_pages", "gauge", "Pages that are still to be sent.", state.waiting),
        (
            "outbox_oldest_seconds",
            "gauge",
            "Age of the oldest page to be sent, in seconds.",
            oldest,
        ),
    )
    lines: list[str] = []
    for name, kind, meaning, value in values:
        lines += _head(name, kind, meaning)
        lines.append(f"shipper_alerts_{name} {round(float(value), 3):.15g}")
    lines += _head("alerter_alive", "gauge", "1 if the thread of the alerter is alive.")
    lines += [
        f'shipper_alerts_alerter_alive{{alerter="{each.name}"}} {int(each.is_alive)}'
        for each in state.threads
    ]
    return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP shipper_alerts_{name} {meaning}", f"# TYPE shipper_alerts_{name} {kind}"]
