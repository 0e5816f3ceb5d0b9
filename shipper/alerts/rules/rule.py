"""
A rule: what is asked, of which time, how often, and when the answer is a breach.

Every option is declared once, here and in the modules of the kinds; rule files are read, checked
and documented from that, and the schema for editors is made of it. A file that asks what some store
can't answer is at fault before anything is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import gcd

from shipper.alerts.rules import KINDS
from shipper.alerts.rules.absence import Absence
from shipper.alerts.rules.burn_rate import BurnRate
from shipper.alerts.rules.count import COUNTED, Count
from shipper.alerts.rules.job import CONDITION, Job
from shipper.alerts.rules.kind import Probe, RuleKind, RuleLimits
from shipper.alerts.rules.metric import Metric
from shipper.alerts.rules.new_value import NewValue
from shipper.alerts.rules.ratio import Ratio
from shipper.alerts.rules.spike import Spike
from shipper.alerts.rules.summary import TEMPLATE, Summary
from shipper.alerts.rules.values import FIELD, SPAN, THRESHOLD, Threshold
from shipper.alerts.severity import Severity
from shipper.config.options import (
    COUNT,
    Faults,
    ListOf,
    Scalar,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)

_NAME = text_matching(r"[a-z][a-z0-9_]{0,63}", "a name of a-z, 0-9 and _, such as error_rate_high")
_RUNBOOK = text_matching(r"[\w./:#?=&%-]{1,500}", "a name, a path or an address, without spaces")


class Judge(StrEnum):
    """What decides when a window can be judged."""

    WATERMARK = "watermark"
    CLOCK = "clock"


def _words(of: type[StrEnum]) -> Scalar:
    kind = one_word_of(*of)
    return Scalar(kind.shown, lambda text: of(kind.parse(text)), kind.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A query over a time window, and the threshold at which it is a breach."""

    name: str = option(_NAME, "Name of the rule. The file must have the same name.")
    severity: Severity = option(
        _words(Severity), "Severity of its incidents. Routes and SLA limits depend on it."
    )
    summary: Summary = option(
        TEMPLATE,
        "One sentence for the page: a Jinja template with `value`, `group`, `reason` and others.",
    )
    count: Count | None = optional(COUNTED, "Kind: number of records that match a query.")
    ratio: Ratio | None = optional(Section(Ratio), "Kind: share of records among others.")
    metric: Metric | None = optional(
        Section(Metric), "Kind: average, percentile, minimum, maximum or sum of a numeric field."
    )
    absence: Absence | None = optional(Section(Absence), "Kind: expected records that are missing.")
    spike: Spike | None = optional(Section(Spike), "Kind: many more records than at another time.")
    new_value: NewValue | None = optional(
        Section(NewValue), "Kind: a value that was not seen before."
    )
    burn_rate: BurnRate | None = optional(
        Section(BurnRate), "Kind: an error budget that is used up too fast."
    )
    job: Job | None = optional(CONDITION, "Kind: a problem of the alert job itself.")
    over_ms: int = option(
        SPAN.between("1s", "30d"), "Length of the window.", default="5m", key="over"
    )
    every_ms: int = option(
        SPAN.between("1s", "1d"),
        "Interval of evaluation. Windows end at multiples of it since the epoch.",
        default="1m",
        key="every",
    )
    above: float | None = optional(THRESHOLD, "A value above this is a breach.")
    below: float | None = optional(THRESHOLD, "A value below this is a breach.")
    at_least: int | None = optional(
        COUNT,
        "Minimum number of records in the window for a breach.",
        default="50 for `ratio` and `burn_rate`, 20 for `spike`, otherwise 1",
    )
    for_ms: int = option(
        SPAN.between("0s", "7d"),
        "How long the breach must last before the incident fires.",
        default="0s",
        key="for",
    )
    keep_firing_ms: int = option(
        SPAN.between("0s", "7d"),
        "How long there must be no breach before the incident is resolved.",
        default="0s",
        key="keep_firing",
    )
    group_by: tuple[str, ...] = option(
        ListOf(FIELD),
        "Fields. Each combination of their values is evaluated separately.",
        default="[]",
    )
    judge: Judge = option(
        _words(Judge),
        "`watermark`: a window is evaluated when all its records have arrived. `clock`: as soon as "
        "it has ended, for rules about the pipeline itself.",
        default="watermark",
    )
    runbook: str | None = optional(_RUNBOOK, "What to do: the name of a runbook, or a URL.")

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        chosen = [name for name in KINDS if getattr(self, name) is not None]
        if len(chosen) != 1:
            fault = f"has {', '.join(chosen)}" if chosen else "has no query"
            remedy = f"use exactly one of: {_listed(KINDS)}"
            yield chosen[-1] if chosen else "count", fault, remedy
            return
        yield from self.kind.limit_faults(self.limits)
        if self.at_least is not None and self.kind.usual_least is None:
            yield "at_least", "has no effect here", "remove it"
        if self.slot_ms < 1000:
            yield "over", "and every have no common divisor of at least 1s", "use multiples of 1s"
        if len(set(self.all_group_by)) < len(self.all_group_by):
            yield "group_by", "names a field twice", "name it once"

    @property
    def kind_name(self) -> str:
        """The key of the kind in the file."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def kind(self) -> RuleKind:
        """What the rule asks."""
        kind: RuleKind = getattr(self, self.kind_name)
        return kind

    @property
    def limits(self) -> RuleLimits:
        """What the answer is held against."""
        least = self.kind.usual_least if self.at_least is None else self.at_least
        above, below = (None if each is None else float(each) for each in (self.above, self.below))
        written = self.below if self.above is None else self.above
        unit = written.unit if isinstance(written, Threshold) else ""
        return RuleLimits(self.over_ms, above, below, max(least or 1, 1), unit)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """The numbers that it needs."""
        return self.kind.probes(self.limits)

    @property
    def all_group_by(self) -> tuple[str, ...]:
        """The fields that distinguish groups, those of the kind last."""
        return (*self.group_by, *self.kind.group_by())

    @property
    def slot_ms(self) -> int:
        """The longest slot of time that all of its windows can be put together from."""
        spans = (span for probe in self.probes for span in (probe.span_ms, probe.offset_ms))
        return gcd(self.every_ms, *spans)

    @property
    def asked(self) -> str:
        """The question in the query language: the records that a breach is about."""
        if self.ratio is not None:
            return self.ratio.wrong(self.limits)
        if self.metric is not None:
            return self.metric.wrong(self.limits)
        return self.probes[0].query if self.probes else ""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
