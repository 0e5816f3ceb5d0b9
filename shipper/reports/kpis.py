"""The key performance indicators of a period, against their targets and the period before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shipper.config.reports import KpiOptions
from shipper.reports.document import ReportFigure, State
from shipper.reports.metrics import PeriodMetrics, Timed

NO_DATA: Final = "no data"
Of = Callable[[PeriodMetrics], float | None]

SAME: Final = 0.01  # changes below 1 % are none


@dataclass(frozen=True, slots=True)
class _Kpi:
    """One indicator: its number, how it is shown, the target, and from where on it is bad."""

    label: str
    value: float | None
    before: float | None
    unit: str
    target: float | None = None
    alert: float | None = None  # beyond it is bad; between it and the target needs attention
    high_is_good: bool = False

    def figure(self) -> ReportFigure:
        """Return the indicator as a figure."""
        sign = "≥" if self.high_is_good else "≤"
        return ReportFigure(
            label=self.label,
            value=shown(self.value, self.unit),
            target="" if self.target is None else f"{sign} {shown(self.target, self.unit)}",
            before="" if self.before is None else shown(self.before, self.unit),
            arrow=arrow(self.value, self.before),
            state=self._state(),
        )

    def _state(self) -> State:
        if self.value is None or self.target is None:
            return State.NONE
        if self._within(self.target):
            return State.GOOD
        if self.alert is None or self._within(self.alert):
            return State.ATTENTION
        return State.BAD

    def _within(self, limit: float) -> bool:
        assert self.value is not None
        return self.value >= limit if self.high_is_good else self.value <= limit


def figures(
    options: KpiOptions, now: PeriodMetrics, before: PeriodMetrics | None = None
) -> tuple[ReportFigure, ...]:
    """Return all indicators of a period."""
    return tuple(kpi.figure() for kpi in _kpis(options, now, before or _nothing(now)))


def _nothing(like: PeriodMetrics) -> PeriodMetrics:
    return PeriodMetrics(
        period=like.period, name="", zone="", since="", until="", hours=0, complete=False
    )


def _kpis(options: KpiOptions, now: PeriodMetrics, before: PeriodMetrics) -> list[_Kpi]:
    def kpi(label: str, of: Of, unit: str, *limits: float, high_is_good: bool = False) -> _Kpi:
        target, alert = (*limits, None, None)[:2]
        is_whole = now.complete and before.complete  # else counts do not compare
        then = of(before) if unit or is_whole else None
        return _Kpi(label, of(now), then, unit, target, alert, high_is_good)

    fast, slow = options.response_time_seconds * 1000, options.response_time_alert_seconds * 1000
    good, alert = options.success_rate, options.success_rate_alert
    within = f"Executions within {milliseconds(options.queue_seconds * 1000)}"
    return [
        kpi("Response time, mean", lambda m: m.requests.average_ms, "ms", fast, slow),
        kpi("Response time, p95", lambda m: m.requests.p95_ms, "ms"),
        kpi("Success rate", lambda m: m.requests.success_rate, "%", good, alert, high_is_good=True),
        kpi("Error rate", lambda m: _failing(m.requests), "%", options.error_rate, 1 - alert),
        kpi("Uptime", lambda m: m.uptime.share, "%", *2 * [options.uptime], high_is_good=True),
        kpi(within, lambda m: m.queue.share, "%", options.queue_share, high_is_good=True),
        kpi("Waiting, most", lambda m: m.queue.pending_max, "", *2 * [options.queue_pending]),
        kpi("Failed executions", lambda m: _failing(m.executions), "%", options.workflow_failures),
        kpi("Requests", lambda m: m.requests.count if m.records else None, ""),
        kpi("Errors logged", lambda m: m.errors if m.records else None, ""),
    ]


def _failing(timed: Timed) -> float | None:
    return None if timed.success_rate is None else 1 - timed.success_rate


def shown(value: float | None, unit: str) -> str:
    """Return a number as people read it: a share as %, milliseconds as ms, s or min."""
    if value is None:
        return NO_DATA
    if unit == "%":
        return percent(value)
    if unit == "ms":
        return milliseconds(value)
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """Return a share as `99.95 %`, with as many digits as tell it from 0 and from 100 %."""
    decimals = 2 if 0.0005 <= share <= 0.9995 else 3
    text = f"{share * 100:.{decimals}f}".rstrip("0").rstrip(".")
    return f"{text} %"


def milliseconds(value: float) -> str:
    """Return a time as `145 ms`, `2.5 s` or `5 min`."""
    if value < 1000:
        return f"{value:.3g} ms"
    if value < 60_000:
        return f"{value / 1000:.3g} s"
    return f"{value / 60_000:.4g} min"


def arrow(value: float | None, before: float | None) -> str:
    """Return the direction of a change."""
    if value is None or before is None:
        return ""
    if abs(value - before) <= SAME * abs(before):
        return "▬"
    return "▲" if value > before else "▼"
