"""
`job`: what the alert job finds out about itself.

Such a rule asks no store: it gives the severity, the words and the runbook to an incident that the
job opens by itself, and can be muted and routed as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shipper.alerts.rules.kind import Numbers, Probe, RuleFinding, RuleKind, RuleLimits
from shipper.alerts.verdict import VerdictState
from shipper.config.options import Scalar, one_word_of

CONDITIONS: Final = {
    "store_unreachable": "the store gives no answer",
    "blind": "a rule has not been evaluated for a long time",
    "broken_rule": "a rule file can't be used",
    "alerter_failing": "an alerter can't notify people",
}
_CONDITION: Final = one_word_of(*CONDITIONS)


@dataclass(frozen=True, slots=True)
class Job(RuleKind):
    """Something about the alert job itself."""

    condition: str

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:  # noqa: ARG002 - nothing is asked
        """Ask nothing."""
        return ()

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:  # noqa: ARG002
        """Find nothing: the job says what it found."""
        return RuleFinding(VerdictState.OK, f"not so: {CONDITIONS[self.condition]}")

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:  # noqa: ARG002
        """Nothing is found here."""
        return True


CONDITION = Scalar(_CONDITION.shown, lambda text: Job(_CONDITION.parse(text)), _CONDITION.words)
