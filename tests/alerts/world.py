"""A small world for the alert job: an index that fills up, hosts that tell how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.judge.decide import Policy
from shipper.alerts.judge.schedule import Waits
from shipper.alerts.judge.turn import JudgeInputs, Judging, TurnTimes
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.rules.reading import Broken, Rules, parse_rule
from shipper.alerts.settings import AlertSettings
from shipper.config.options import read_options
from shipper.store.api import Store
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from tests.alerts.verdicts import HOUR, MINUTE, START
from tests.store.store_records import KEEP_SECONDS, enriched, record, write

ROUTES = "alerters: {desk: {console: {}}}"
TIMES = TurnTimes(
    Waits(grace_ms=30_000, catch_up_ms=24 * HOUR, assumed_delay_ms=30_000),
    blind_after_ms=5 * MINUTE,
    forget_hosts_ms=24 * HOUR,
)
ERRORS = """
name: errors
severity: high
summary: "{{ value | number }} errors"
count: level:ERROR
above: 2
over: 1m
group_by: [service.name]
"""
SHARE = """
name: share
severity: high
summary: "{{ value | percent }} fail"
ratio: {of: 'level:ERROR', to: '*', widen_to: 0s}
above: 10%
at_least: 5
over: 1m
"""


class World:
    """Time stands still until `now` is set; nothing happens by itself."""

    def __init__(self, folder: Path, *rules: str) -> None:
        self.index = folder / "index"
        self.ledger = Ledger(folder / "alerts.db")
        self.writer = EmbeddedWriter(self.index, keep_seconds=KEEP_SECONDS, max_bytes=1 << 30)
        self.now = START
        self.broken: tuple[Broken, ...] = ()
        self.rules = [parse_rule(text) for text in rules]
        settings: AlertSettings = read_options(ROUTES, AlertSettings)
        self.policy = Policy(settings)
        self.open_store: Callable[[], Store] = lambda: open_embedded(self.index)
        self._seq = 0
        self.may = True  # whether the job holds the lease
        self.begin()

    def begin(self) -> None:
        """Start the job, anew where it was started before."""
        rules = Rules(tuple(self.rules), self.broken)
        self.judging = Judging(self._store, self.ledger, rules, self.policy, TIMES, tenure=self)

    def renew(self) -> bool:
        return self.may

    def may_act(self) -> bool:
        return self.may

    def _store(self) -> Store:
        return self.open_store()

    def close(self) -> None:
        self.judging.close()
        self.ledger.close()
        self.writer.close()

    def log(self, level: str, at: int, count: int = 1, host: str = "app1", **fields: Any) -> None:
        """Store records of a host."""
        made = []
        for _ in range(count):
            self._seq += 1
            more = enriched("app", self._seq, host=host)
            made.append(record(self._seq, at, level=level, **more, **fields))
        assert write(self.writer, made) == []

    def beat(self, watermark: int | None = None, host: str = "app1", **told: Any) -> None:
        """Have a host say how far it is: up to now, unless told."""
        self._seq += 1
        objects = enriched("heartbeat", 0, host=host)
        mark = self.now if watermark is None else watermark
        heartbeat = {"watermark": mark, "version": "1.0", "started": START - HOUR, **told}
        made = record(self._seq, self.now, **objects, extra={"heartbeat": heartbeat})
        assert write(self.writer, [made]) == []

    def look(self, now: int | None = None, hosts: Sequence[str] = ("app1",)) -> JudgeInputs:
        """Have these hosts say that they are on time, and let the job look once."""
        self.now = self.now if now is None else now
        for host in hosts:
            self.beat(host=host)
        return self.judging.look(self.now)

    def heard(self) -> list[str]:
        """Return what people are told, in order, and forget it."""
        outbox = Outbox(self.ledger)
        found = outbox.errands()
        for each in found:
            outbox.sent([each.key], each.alerter, None, self.now)
        return [f"{each.transition.incident.rule} {each.transition.change}" for each in found]

    def incidents(self, *phases: Phase) -> list[Incident]:
        return self.ledger.incidents(phases or list(Phase))
