"""
Notifies people: sends what waits in the outbox to one alerter, and records the outcome.

The head of `ledger.py` has the order that makes it once. Besides:

- What an alerter is notified of one incident comes in order: a page waits for those before it.
- A service that can't be reached is left alone for a pause, with all that waits for it; a page that
  it refuses concerns that page alone. `retry.py` says when another alerter takes over.
- When many incidents open at once, most go into one page (`digest.py`). A digest that was cut short
  by a crash is sent again as the same digest, under the same key.
- An alerter that fails is an incident (`alerter_failing`), sent by those that work.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from shipper.alerts.alerters.alerter import Alerter, AlerterRefused, AlerterUnavailable
from shipper.alerts.incident import Transition
from shipper.alerts.ledger.outbox import DueNotification, Outbox
from shipper.alerts.notify import digest
from shipper.alerts.notify.digest import Sent, WaitingNotification
from shipper.alerts.notify.retry import (
    LONGEST_ASKED_SECONDS,
    Failures,
    GiveUp,
    HandOver,
    TryAgain,
    after_failure,
)
from shipper.alerts.page import Page
from shipper.alerts.pages.compose import PageComposer, digest_of
from shipper.alerts.settings import AlertSettings
from shipper.errors import StoreUnavailable
from shipper.store.api import Store

log = logging.getLogger("shipper.alerts.job")

POLL_MS: Final = 1000  # between two looks at what other processes have decided
KEPT_PAGES: Final = 64


class PageBuilder:
    """Makes pages for all alerters, one at a time; a page that two of them need is made once."""

    def __init__(self, pages: PageComposer, open_store: Callable[[], Store]) -> None:
        self._pages = pages
        self._open_store = open_store
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._made: dict[str, Page] = {}

    def replace(self, pages: PageComposer) -> None:
        """Make pages of other rules from now on."""
        with self._lock:
            self._pages = pages
            self._made.clear()

    def brief(self, transition: Transition, key: str) -> Page:
        """Make a page without asking the store, to plan with."""
        return self._pages.page_of(transition, key, None)

    def page(self, transition: Transition, key: str) -> Page:
        """Make the page that is sent."""
        with self._lock:
            if key not in self._made:
                while len(self._made) >= KEPT_PAGES:
                    del self._made[next(iter(self._made))]
                if self._store is None:
                    with suppress(StoreUnavailable):
                        self._store = self._open_store()
                self._made[key] = self._pages.page_of(transition, key, self._store)
            return self._made[key]

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


class Dispatcher:
    """Takes the errands of one alerter; used by one thread."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        alerter: Alerter,
        settings: AlertSettings,
        outbox: Outbox,
        pages: PageBuilder,
        draw: Callable[[], float],
        *,
        may_send: Callable[[Transition], bool] = lambda _: True,
    ) -> None:
        self._alerter = alerter
        self._settings = settings
        self._outbox = outbox
        self._pages = pages
        self._draw = draw
        self._may_send = may_send

    @property
    def name(self) -> str:
        """The name of the alerter."""
        return self._alerter.name

    def turn(self, clock: Callable[[], int], *, is_stopping: Callable[[], bool]) -> int | None:
        """Send what is due; return when to look again (epoch ms), None if nothing waits."""
        now = clock()
        most = round(self._settings.retry.longest_seconds + LONGEST_ASKED_SECONDS) * 1000
        errands = _in_order(self._outbox.errands(self.name), now, now + most)
        ready = [each for each in errands if self._may_send(each.transition)]
        again_at = self._send_ready(ready, clock, is_stopping) if ready else None
        rest = [each.next_at for each in self._outbox.errands(self.name)]
        return max(min(rest), again_at or 0) if rest else None

    def _send_ready(
        self,
        ready: list[DueNotification],
        clock: Callable[[], int],
        is_stopping: Callable[[], bool],
    ) -> int | None:
        for group in _cut_short(ready):
            if is_stopping() or not self._send_digest(group, clock):
                return None
            ready = [each for each in ready if each not in group]
        plan = self._plan(ready, clock())
        by_key = {each.key: each for each in ready}
        for page in plan.singles:
            if is_stopping() or not self._send_one(by_key[page.key], ready, clock):
                return None
        if plan.digest and not is_stopping():
            self._send_digest([by_key[page.key] for page in plan.digest], clock)
        return plan.again_at

    def _plan(self, ready: Sequence[DueNotification], now: int) -> digest.DigestPlan:
        waiting = [
            WaitingNotification(self._pages.brief(each.transition, each.key), each.since)
            for each in ready
        ]
        if not self._alerter.collects:
            return digest.DigestPlan(tuple(each.page for each in waiting))
        limits = self._settings.digest
        sent = self._outbox.sent_since(self.name, now - limits.within_seconds * 1000)
        return digest.plan(waiting, [Sent(*each) for each in sent], limits, now)

    def _send_one(
        self, errand: DueNotification, ready: Sequence[DueNotification], clock: Callable[[], int]
    ) -> bool:
        """Send one page; False if the alerter can't be reached, so nothing else is tried."""
        made = self._pages.page(errand.transition, errand.key)
        page = replace(made, sent_at=clock())
        reference = self._outbox.reference(errand.transition.incident.id, self.name)
        return self._send([errand], page, reference, clock, ready)

    def _send_digest(self, errands: Sequence[DueNotification], clock: Callable[[], int]) -> bool:
        """Send many in one page."""
        pages = [self._pages.brief(each.transition, each.key) for each in errands]
        return self._send(errands, digest_of(pages, errands[0].since), None, clock, errands)

    def _send(
        self,
        errands: Sequence[DueNotification],
        page: Page,
        reference: str | None,
        clock: Callable[[], int],
        ready: Sequence[DueNotification],
    ) -> bool:
        if not all(self._may_send(each.transition) for each in errands):
            return False  # the page took its time, and another job may be active
        keys = [each.key for each in errands]
        self._outbox.trying(keys, self.name, page.key if len(errands) > 1 else None)
        try:
            given = self._notify(page, reference)
        except AlerterRefused as error:
            self._fail(errands, error, clock())
            return True
        except AlerterUnavailable as error:
            self._fail(
                list({each.key: each for each in (*errands, *ready)}.values()), error, clock()
            )
            return False
        self._outbox.sent(keys, self.name, given, clock())
        return True

    def _notify(self, page: Page, reference: str | None) -> str | None:
        try:
            return self._alerter.notify(page, reference)
        except (AlerterRefused, AlerterUnavailable):
            raise
        except Exception as error:  # a fault of ours: it must not cost the other pages
            log.exception("%s: a fault in the alerter", self.name)
            raise AlerterUnavailable(
                f"{self.name}: a fault in the alerter: {error!r}", "report it; it is tried again"
            ) from error

    def _fail(
        self,
        errands: Sequence[DueNotification],
        error: AlerterRefused | AlerterUnavailable,
        now: int,
    ) -> None:
        """Keep what comes next for every page that could not be notified."""
        log.warning("%s: %s", self.name, error)
        draw = self._draw()
        for each in errands:
            failures = Failures(each.tries + 1, each.failing_since or now)
            then = after_failure(
                error,
                failures,
                self._settings.retry,
                self._fallback(each.key),
                now=now,
                draw=draw,
            )
            match then:
                case TryAgain(at):
                    self._outbox.again([each.key], self.name, at, str(error), now)
                case HandOver(alerter, reason):
                    self._outbox.end([each.key], self.name, reason, alerter, now)
                case GiveUp(reason):
                    self._outbox.end([each.key], self.name, reason, None, now)

    def _fallback(self, key: str) -> str | None:
        """Return the next alerter that was not notified of it and is not about to be."""
        known = self._outbox.alerters_of(key)
        return next(
            (name for name in self._settings.fallbacks_of(self.name) if name not in known), None
        )


def _in_order(errands: Sequence[DueNotification], now: int, latest: int) -> list[DueNotification]:
    """
    Return what can be sent: not what waits, nor what comes after that in the same incident.

    Nothing waits until after `latest`: the clock was set back since.
    """
    ready, waiting = [], set()
    for each in errands:
        incident = each.transition.incident.id
        if now < each.next_at <= latest or incident in waiting:
            waiting.add(incident)
        else:
            ready.append(each)
    return ready


def _cut_short(errands: Sequence[DueNotification]) -> list[list[DueNotification]]:
    """Return the digests that were under way when a process ended."""
    found: dict[str, list[DueNotification]] = {}
    for each in errands:
        if each.state == "trying" and each.digest is not None:
            found.setdefault(each.digest, []).append(each)
    return list(found.values())
