"""Which of the three states an application is in: the worst number decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["healthy", "degraded", "unhealthy"]
HEALTHY: Final[State] = "healthy"
DEGRADED: Final[State] = "degraded"
UNHEALTHY: Final[State] = "unhealthy"
ORDER: Final[tuple[State, ...]] = (HEALTHY, DEGRADED, UNHEALTHY)


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """
    Where healthy ends, and where degraded ends.

    A success rate of 95 % and a response time of 200 ms are degraded; of 80 % and 500 ms, still.
    Fewer requests than `least_requests` make an application degraded at most: one that fails at
    night, of three, says little.
    """

    success_rate: tuple[float, float] = (0.95, 0.80)
    response_time_ms: tuple[float, float] = (200.0, 500.0)
    queue_depth: tuple[float, float] = (100.0, 500.0)
    available_gb: tuple[float, float] = (5.0, 1.0)
    least_requests: int = 20


@dataclass(frozen=True, slots=True)
class HealthNumbers:
    """What is judged; `queue_depth` is None where nobody knows it."""

    requests: int
    success_rate: float
    response_time_ms: float
    queue_depth: float | None
    queue_grows: bool


def judge(numbers: HealthNumbers, probes: Iterable[State], limits: HealthLimits) -> State:
    """Return the state of an application."""
    traffic = worst(
        (
            at_least(numbers.success_rate, limits.success_rate),
            at_most(numbers.response_time_ms, limits.response_time_ms),
        )
    )
    if traffic == UNHEALTHY and numbers.requests < limits.least_requests:
        traffic = DEGRADED
    states = [traffic, *probes]
    if numbers.queue_depth is not None:
        states.append(at_most(numbers.queue_depth, limits.queue_depth))
        # A queue that grows is unhealthy once it is long; below that it is a busy minute.
        if numbers.queue_grows and numbers.queue_depth >= limits.queue_depth[0]:
            states.append(UNHEALTHY)
    return worst(states)


def at_most(value: float, limits: tuple[float, float]) -> State:
    """Judge a number that should be low."""
    return UNHEALTHY if value > limits[1] else DEGRADED if value >= limits[0] else HEALTHY


def at_least(value: float, limits: tuple[float, float]) -> State:
    """Judge a number that should be high."""
    return UNHEALTHY if value < limits[1] else DEGRADED if value <= limits[0] else HEALTHY


def worst(states: Iterable[State]) -> State:
    """Return the worst of the states; healthy if there are none."""
    return max(states, key=ORDER.index, default=HEALTHY)
