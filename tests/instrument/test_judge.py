"""The limits of the three states, and when a series grows."""

from __future__ import annotations

import random

import pytest

from shipper.instrument.judge import HealthLimits, HealthNumbers, State, judge
from shipper.instrument.resources import MemorySeries
from shipper.instrument.trend import trend_of

LIMITS = HealthLimits()


@pytest.mark.parametrize(
    ("success_rate", "average_ms", "depth", "expected"),
    [
        (1.0, 0, 0, "healthy"),
        (0.9501, 199, 99, "healthy"),
        (0.95, 10, 0, "degraded"),
        (0.80, 10, 0, "degraded"),
        (0.7999, 10, 0, "unhealthy"),
        (1.0, 200, 0, "degraded"),
        (1.0, 500, 0, "degraded"),
        (1.0, 501, 0, "unhealthy"),
        (1.0, 10, 100, "degraded"),
        (1.0, 10, 500, "degraded"),
        (1.0, 10, 501, "unhealthy"),
    ],
)
def test_the_worst_number_decides(
    success_rate: float, average_ms: float, depth: int, expected: State
) -> None:
    """Each limit is the guide's, and belongs to the worse or better side as the guide has it."""
    numbers = HealthNumbers(100, success_rate, average_ms, depth, queue_grows=False)

    assert judge(numbers, (), LIMITS) == expected


def test_few_requests_make_nothing_unhealthy() -> None:
    """One failure of three at night is degraded, of three hundred it is not."""
    assert judge(HealthNumbers(3, 0.3, 0, 0, queue_grows=False), (), LIMITS) == "degraded"
    assert judge(HealthNumbers(300, 0.3, 0, 0, queue_grows=False), (), LIMITS) == "unhealthy"


def test_a_long_queue_that_grows_is_unhealthy() -> None:
    """A short one that grows is a busy minute."""
    assert judge(HealthNumbers(0, 1, 0, 120, queue_grows=True), (), LIMITS) == "unhealthy"
    assert judge(HealthNumbers(0, 1, 0, 99, queue_grows=True), (), LIMITS) == "healthy"
    assert judge(HealthNumbers(0, 1, 0, None, queue_grows=True), (), LIMITS) == "healthy"


def test_growth_is_that_of_the_whole_series() -> None:
    """Noise, a saw-tooth, a peak and a step back do not grow; a noisy rise does."""
    chance = random.Random(1)
    noise = [(float(at), chance.gauss(100, 30)) for at in range(60)]
    tooth = [(float(at), 100.0 + at % 10 * 10) for at in range(60)]
    peak = [(float(at), 900.0 if at > 55 else 100.0) for at in range(60)]
    rise = [(float(at), at * 3 + chance.gauss(100, 30)) for at in range(60)]

    assert [getattr(trend_of(each), "grows", None) for each in (noise, tooth, peak, rise)] == [
        False,
        False,
        False,
        True,
    ]
    found = trend_of(rise)
    assert found is not None
    assert found.low < 3 < found.high
    assert trend_of(rise[:5]) is None


def series_of(rss: list[float], *, minutes: int = 1) -> MemorySeries:
    now = [0.0]
    series = MemorySeries(lambda: now[0])
    for value in rss:
        now[0] += 60 * minutes
        series.add(int(value))
    return series


def test_a_leak_grows_and_a_warm_up_or_a_saw_tooth_does_not() -> None:
    """It is the floor of the memory over hours that counts."""
    chance = random.Random(2)
    base = 100e6
    leak = [base + 3e5 * minute + chance.gauss(0, 1e6) for minute in range(300)]
    warm_up = [base + min(minute, 25) * 8e6 + chance.gauss(0, 1e6) for minute in range(300)]
    long_warm_up = [base + 2e8 * (1 - 0.9**minute) for minute in range(300)]
    tooth = [base + minute % 45 * 2e6 for minute in range(300)]

    assert series_of(leak).grows()
    assert not series_of(leak[:60]).grows()
    assert not series_of(warm_up).grows()
    assert not series_of(long_warm_up).grows()
    assert not series_of(tooth).grows()
