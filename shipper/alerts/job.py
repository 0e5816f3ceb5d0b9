"""
`shipper alerts run`: the alert job; puts its parts together, starts its threads, reads the clocks.

    main thread            lease → judge → decide → log; signals
    metrics thread         answers /metrics, /-/healthy and /-/ready
    a thread per alerter   outbox → page → people
    ping thread            tells a service elsewhere that all is well, while it is
    process                `shipper report due`, while reports are made (due_reports.py)

The threads meet in the ledger alone: each has a connection of its own. So one alerter that hangs
holds up neither the judging nor another alerter, and whatever ends, nothing has to be handed over.

One job at a time: on one machine the lock of the data folder (`alerts.lock`) ends with its process.
Where several machines ask one Elasticsearch, a lease there says which of them works; the others
stand by. A job that stands by neither judges nor tells.

A stop: judging ends, every alerter finishes the page that it is sending, the lease is given back.
What waits is notified at the next start. SIGHUP reads config, rules and alerters again; if they are
wrong, the job says so and goes on as it was.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zlib import crc32

from shipper.alerts.alerters.alerter import AlerterContext, open_alerter
from shipper.alerts.alerters.settings import AlerterSettings
from shipper.alerts.job_state import JobState, Tenure
from shipper.alerts.job_threads import DispatcherThread, JobEndpoint, Pinger, wall
from shipper.alerts.judge.decide import Policy
from shipper.alerts.judge.schedule import Waits
from shipper.alerts.judge.turn import LONGEST_REST_MS, JudgeInputs, Judging, TurnTimes
from shipper.alerts.ledger.journal import RUN, Journal
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.ledger.pruning import PORTION, prune
from shipper.alerts.notify.dispatch import Dispatcher, PageBuilder
from shipper.alerts.pages.compose import PageComposer
from shipper.alerts.policy import inhibition_of, maintenance_of, sla_of
from shipper.alerts.rules.reading import Rules, read_rules
from shipper.alerts.rules.trust import is_on_free_text
from shipper.alerts.settings import AlertSettings
from shipper.alerts.settings import load as load_settings
from shipper.config.outputs import ElasticsearchOutput
from shipper.emit.ulid import ulid
from shipper.errors import ConfigError, DataFolderError, ShipperError
from shipper.kibana.place import KibanaPlace
from shipper.process import data_folder
from shipper.process.signals import Signals
from shipper.store.opening import store_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shipper.alerts.due_reports import DueReports
    from shipper.alerts.incident import Transition
    from shipper.config.alerts import AlertOptions
    from shipper.config.main import Config
    from shipper.store.api import Store
    from shipper.store.elasticsearch.lease import Lease

log = logging.getLogger("shipper.alerts.job")


PRUNE_MS: Final = 3_600_000  # between two looks for what the ledger need not keep
REMEMBER_MS: Final = 8 * 86_400_000  # a resolved incident, for the longest window that may hold it
STAND_BY_MS: Final = 5_000  # between two tries to take the lease
ONCE_SECONDS: Final = 60.0  # `once` waits so long for what can be notified at once


@dataclass(frozen=True, slots=True)
class Setup:
    """What the files say: config, rules, alerters and routes."""

    config: Config
    rules: Rules
    settings: AlertSettings

    @property
    def options(self) -> AlertOptions:
        """The section `alerts` of the config."""
        return self.config.alerts

    def policy(self) -> Policy:
        """Return what people have set about who is notified."""
        options = self.options
        on_text = frozenset(rule.name for rule in self.rules.rules if is_on_free_text(rule))
        return Policy(
            self.settings,
            sla_of(options.sla),
            tuple(maintenance_of(each) for each in options.maintenance),
            tuple(inhibition_of(each, on_text) for each in options.inhibit),
        )

    def times(self) -> TurnTimes:
        """Return how long is waited for what; each machine looks at its own moment."""
        options = self.options
        place = f"{self.config.host.name} {self.config.data_dir.absolute()}"
        return TurnTimes(
            Waits(
                options.grace_seconds * 1000,
                options.catch_up_seconds * 1000,
                options.assumed_delay_seconds * 1000,
            ),
            options.blind_after_seconds * 1000,
            options.forget_hosts_seconds * 1000,
            crc32(place.encode()) / 2**32,
        )

    def pages(self, search: str) -> PageComposer:
        """Return what pages are made of; `search` is the command to type."""
        kibana_url = self.settings.kibana_url
        if kibana_url is None and (server := self.config.kibana) is not None:
            kibana_url = KibanaPlace(server.url, server.space).base
        return PageComposer(
            {rule.name: rule for rule in self.rules.rules},
            self.settings.runbooks,
            kibana_url,
            search,
        )


def read_setup(
    config: Config,
    *,
    rules: Path | None = None,
    alerters: Path | None = None,
    skip_broken: bool = False,
) -> Setup:
    """
    Read the rules and the alerters that a config names, unless others are given.

    Raises:
        ConfigError: with all faults of all rule files, unless `skip_broken`; or with those of the
            alerters, or because there is no store to ask.
    """
    place = rules or config.alerts.rules
    found = read_rules(place)
    if found.broken and not skip_broken:
        raise ConfigError(
            "\n".join(map(str, found.broken)),
            "correct them, or run the other rules with --skip-broken",
        )
    if not found.rules:
        raise ConfigError(f"there is no rule in {place}", "see docs/alerts-rules.md")
    return Setup(config, found, load_settings(alerters or config.alerts.settings))


def run(  # noqa: PLR0913 - how the command line was called
    setup: Setup,
    *,
    once: bool = False,
    colors: bool = False,
    search: str = "shipper search",
    timeout_seconds: float = ONCE_SECONDS,
    read_again: Callable[[], Setup] | None = None,
    due_reports: DueReports | None = None,
) -> int:
    """
    Judge and notify until stopped; with `once`, what is due now.

    Returns the exit code: 0, or with `once` 3 if the store gave no answer, or not everybody could
    be notified within `timeout_seconds`.

    Raises:
        ShipperError: the data folder is in use, or something of the setup cannot be used.
    """
    with data_folder.hold(setup.config.data_dir, data_folder.ALERTS_LOCK):
        job = AlertJob(
            setup, colors=colors, search=search, read_again=read_again, due_reports=due_reports
        )
        try:
            return job.once(timeout_seconds) if once else job.forever()
        finally:
            job.close()


class AlertJob:
    """One running alert job; the lock has to be held."""

    def __init__(
        self,
        setup: Setup,
        *,
        colors: bool,
        search: str,
        read_again: Callable[[], Setup] | None = None,
        due_reports: DueReports | None = None,
    ) -> None:
        self._setup = setup
        self._due_reports = due_reports
        self._search = search
        self._read_again = read_again
        self._surroundings = AlerterContext(time.time, colors)
        data = setup.config.data_dir
        self._ledger = Ledger(data / data_folder.ALERTS_LEDGER)
        run = ulid(wall(), os.urandom(10))
        self._journal = Journal(data / data_folder.ALERTS_LOG, self._ledger, run)
        self._pages = PageBuilder(setup.pages(search), self._store)
        self._wake = threading.Event()
        self._tenure = Tenure(_lease_of(setup.config, self._ledger.meta(RUN) or run))
        self._state = JobState(wall())
        self._is_retired = False  # what belongs to rules that are gone
        self._prune_at = 0
        self._judging = self._make_judging()
        self._dispatchers = self._make_dispatchers()
        self._pinger = Pinger(setup.options.ping, self._is_well)
        self._endpoint = JobEndpoint(setup.options.metrics, self._seen, self._reasons)
        self._signals = Signals(self._wake.set)

    def forever(self) -> int:
        """Evaluate and notify until a signal."""
        self._start()
        names = ", ".join(each.name for each in self._dispatchers) or "nobody"
        log.info(
            "evaluating %d rules, notifying %s; stop with SIGTERM or Ctrl-C",
            len(self._setup.rules.rules),
            names,
        )
        while not self._signals.stops:
            self._attend()
            next_at = self._turn(wall())
            if self._due_reports is not None and self._state.is_active:
                self._due_reports.attend(self._setup.config.reports, wall())
            self._rest(next_at)
        return 0

    def once(self, timeout_seconds: float) -> int:
        """Judge what is due now, and send what can be sent."""
        self._start()
        end = time.monotonic() + timeout_seconds
        while not self._signals.stops and time.monotonic() < end:
            now = wall()
            if self._turn(now) > now:
                break
        if self._tenure.is_standing_by:
            log.info("another alert job is active and holds the lease; nothing was evaluated")
            return 0
        for each in self._dispatchers:
            each.drain(end, self.renew)
        waiting = Outbox(self._ledger).errands()
        if waiting:
            log.warning("pages not sent yet: %d; the next run sends them", len(waiting))
        return 3 if self._state.fault is not None or waiting else 0

    def close(self) -> None:
        """Let every alerter finish its page; give back the lease."""
        self._endpoint.close()
        if self._due_reports is not None:
            self._due_reports.close()
        self._stop_dispatchers()
        self._pinger.stop()
        self._judging.close()
        self._write_journal()
        self._journal.close()
        self._pages.close()
        self._ledger.close()
        self._tenure.end()

    def renew(self) -> bool:
        """Renew the lease when it is time; return False if another job is active."""
        return self._tenure.claim(wall())

    def may_act(self) -> bool:
        """Return whether what is decided now is this job's to decide."""
        return self._tenure.may_act(wall())

    def _start(self) -> None:
        self._endpoint.open()
        for each in self._dispatchers:
            each.start()
        self._pinger.start()

    def _turn(self, now: int) -> int:
        """Judge once, if it is ours to judge; return the time of the next turn."""
        self._state.is_active = self._tenure.claim(now)
        if not self._state.is_active:
            return now + STAND_BY_MS
        try:
            look = self._look(now)
            self._count(look, now)
        except DataFolderError as error:  # a full disk, as a rule: nothing was decided
            log.warning("%s; the alert job keeps trying", error)
            return now + STAND_BY_MS
        except Exception as error:  # a fault of ours: it is seen, and the others are judged again
            log.exception("a fault in the alert job; it keeps trying")
            self._state.fault = f"a fault in the alert job: {error!r}"
            return now + STAND_BY_MS
        self._write_journal()
        if look.decided:
            for each in self._dispatchers:
                each.wake.set()
        return look.next_at

    def _look(self, now: int) -> JudgeInputs:
        if self._tenure.fault is not None and not self.may_act():
            return self._judging.be_blind(self._tenure.fault, now)
        if not self._is_retired and self.may_act():
            self._judging.retire(now)
            self._is_retired = True
        if now >= self._prune_at and self.may_act():
            options = self._setup.options
            keep_ms, remember_ms = options.keep_seconds * 1000, options.catch_up_seconds * 1000
            gone = prune(
                self._ledger, now, keep_ms=keep_ms, standing_ms=max(remember_ms, REMEMBER_MS)
            )
            self._prune_at = now if gone == PORTION else now + PRUNE_MS
        return self._judging.look(now)

    def _count(self, look: JudgeInputs, now: int) -> None:
        """Keep how the job is, for those who ask."""
        state = self._state
        self._log_fault(look.fault)
        if look.fault is None:
            state.good_at = now
        state.windows += look.windows
        state.transitions += look.decided
        waiting = Outbox(self._ledger).errands()
        state.waiting = len(waiting)
        state.waiting_since = min((each.since for each in waiting), default=None)

    def _write_journal(self) -> None:
        try:
            self._journal.catch_up()
        except (OSError, DataFolderError) as error:
            log.warning("cannot write the log of incidents: %s; the alert job keeps trying", error)

    def _log_fault(self, fault: str | None) -> None:
        if fault != self._state.fault:
            if fault is None:
                log.info("the store answers again")
            else:
                log.warning("no rule can be evaluated: %s", fault)
        self._state.fault = fault

    def _rest(self, until: int) -> None:
        """Wait for the next turn or a signal; never long, for the clock may have been set back."""
        self._wake.wait(min(max(0, until - wall()), LONGEST_REST_MS) / 1000)
        self._wake.clear()

    def _attend(self) -> None:
        """Do what signals ask for."""
        if self._signals.take_dump():
            waiting = len(Outbox(self._ledger).errands())
            log.info("pages to be sent: %d; the store: %s", waiting, self._state.fault or "answers")
        if self._signals.take_reload() and self._read_again is not None:
            try:
                self._use(self._read_again())
            except ShipperError as error:
                log.warning("the new config is not used; the old one stays in force: %s", error)
            else:
                log.info("config, rules and alerters were reloaded")

    def _use(self, setup: Setup) -> None:
        """Go on with another setup."""
        if setup.config.data_dir != self._setup.config.data_dir:
            raise ConfigError("data_dir: cannot change while running", "restart the alert job")
        if _place_of(setup.config) != _place_of(self._setup.config):
            raise ConfigError(
                "output and search: cannot change while running", "restart the alert job"
            )
        before, self._setup = self._setup, setup
        try:
            dispatchers = self._make_dispatchers()
        except ShipperError:
            self._setup = before
            raise
        self._stop_dispatchers()
        self._judging.close()
        self._pages.replace(setup.pages(self._search))
        self._judging = self._make_judging()
        self._is_retired = False
        self._dispatchers = dispatchers
        for each in dispatchers:
            each.start()
        self._pinger.stop()
        self._pinger = Pinger(setup.options.ping, self._is_well)
        self._pinger.start()
        self._endpoint.reopen(setup.options.metrics)

    def _stop_dispatchers(self) -> None:
        for each in self._dispatchers:
            each.stop()
        for each in self._dispatchers:
            each.join()

    def _make_judging(self) -> Judging:
        setup = self._setup
        policy, times = setup.policy(), setup.times()
        return Judging(self._store, self._ledger, setup.rules, policy, times, tenure=self)

    def _make_dispatchers(self) -> list[DispatcherThread]:
        alerters = self._setup.settings.all_alerters
        Outbox(self._ledger).give_up_without(list(alerters), wall())
        return [self._make_dispatcher(name, each) for name, each in alerters.items()]

    def _make_dispatcher(self, name: str, settings: AlerterSettings) -> DispatcherThread:
        ledger = Ledger(self._setup.config.data_dir / data_folder.ALERTS_LEDGER)
        alerter = open_alerter(name, settings, self._surroundings)
        outbox = Outbox(ledger)
        dispatcher = Dispatcher(
            alerter,
            self._setup.settings,
            outbox,
            self._pages,
            random.random,
            may_send=self._may_send,
        )
        return DispatcherThread(dispatcher, ledger, lambda: self._tenure.is_standing_by)

    def _may_send(self, transition: Transition) -> bool:
        """Return whether a page is this job's to send; that the store is gone, without a lease."""
        is_blind = transition.incident.rule == self._judging.unreachable_rule
        return self.may_act() or (is_blind and not self._tenure.is_standing_by)

    def _store(self) -> Store:
        return store_of(self._setup.config)

    def _seen(self) -> JobState:
        """Return how the job is, its threads too."""
        return replace(self._state, threads=tuple(each.state() for each in self._dispatchers))

    def _reasons(self) -> list[str]:
        """Return why the job is not well."""
        longest = self._setup.options.blind_after_seconds * 1000
        patience = longest + self._setup.settings.digest.within_seconds * 1000
        return list(self._seen().reasons(wall(), longest, patience))

    def _is_well(self) -> bool:
        """Return whether rules are judged here, and people can be notified."""
        return self._state.is_active and self._state.good_at > 0 and not self._reasons()


def _place_of(config: Config) -> object:
    return config.search or config.output, config.namespace


def _lease_of(config: Config, holder: str) -> Lease | None:
    """Return the lease, held by a ledger, where other machines may ask the same store."""
    place = config.search or config.output
    if not isinstance(place, ElasticsearchOutput):
        return None
    from shipper.net.elastic import Cluster  # noqa: PLC0415 - the client is an extra
    from shipper.store.elasticsearch.lease import Lease  # noqa: PLC0415

    name = f"alerts-{config.namespace}"
    return Lease(Cluster(place, raw=True), name, holder, config.alerts.lease_seconds * 1000)
