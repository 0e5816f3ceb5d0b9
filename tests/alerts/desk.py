"""A desk at which verdicts come in: a ledger, and who is notified."""

from __future__ import annotations

from shipper.alerts.incident import Incident, Phase, Transition
from shipper.alerts.incidents.lifecycle import LifecycleTerms
from shipper.alerts.incidents.tracks import Standings
from shipper.alerts.judge.decide import Decisions, Policy
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.settings import AlertSettings
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import VerdictState
from shipper.config.options import read_options
from tests.alerts.verdicts import MINUTE, START, verdict

ROUTES = """
alerters: {desk: {console: {}}, boss: {console: {}}}
routes: [{to: [desk], repeat: 4h}]
escalation: {high: [boss]}
"""
HIGH = LifecycleTerms(Severity.HIGH)
SHOP = (("service.name", "shop"),)


class Desk:
    """A ledger, and what is decided about verdicts that come in."""

    def __init__(self, ledger: Ledger) -> None:
        settings: AlertSettings = read_options(ROUTES, AlertSettings)
        self.ledger = ledger
        self.policy = Policy(settings)

    def judge(
        self,
        letters: str,
        at: int,
        rule: str = "server_errors",
        *,
        behind: bool = False,
        terms: LifecycleTerms = HIGH,
    ) -> None:
        """Judge windows, one a minute, the last of which ends at `at`, in one turn."""
        states = {"b": VerdictState.BREACH, "o": VerdictState.OK}
        with self.ledger.deciding():
            standings = Standings(self.ledger.standings(rule))
            transitions: list[Transition] = []
            first = at - (len(letters) - 1) * MINUTE
            for end, letter in enumerate(letters):
                each = verdict(states[letter], first + end * MINUTE, rule, SHOP)
                transitions += standings.take(each, terms)
            for (group, track), incident in standings.changes():
                self.ledger.place(rule, group, track, incident)
            decisions = Decisions(self.ledger, self.policy, at)
            decisions.tell(transitions, {rule} if behind else ())
            decisions.look_after({rule} if behind else ())

    def look(self, at: int) -> None:
        with self.ledger.deciding():
            decisions = Decisions(self.ledger, self.policy, at)
            decisions.route()
            decisions.look_after()

    def heard(self) -> list[str]:
        """Return what alerters are told, in order, and forget it."""
        outbox = Outbox(self.ledger)
        found = outbox.errands()
        for each in found:
            outbox.end([each.key], each.alerter, "heard", None, START)
        return [f"{each.transition.change}>{each.alerter}" for each in found]

    def incident(self, rule: str = "server_errors") -> Incident:
        found = self.ledger.incidents(list(Phase))
        return next(each for each in reversed(found) if each.rule == rule)
