"""The limits of the guide's health states."""

from __future__ import annotations

import pytest

from examples.orchestrator.health import Metrics, State, Traffic, judge


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
    metrics = Metrics(
        requests_total=1,
        success_rate=success_rate,
        queue_depth=depth,
        avg_response_time_ms=average_ms,
    )

    assert judge(metrics, is_connected=True) == expected


def test_nothing_is_well_without_a_database() -> None:
    """Good numbers do not make up for a lost database."""
    metrics = Traffic().metrics(queue_depth=0)

    assert judge(metrics, is_connected=True) == "healthy"
    assert judge(metrics, is_connected=False) == "unhealthy"


def test_only_server_errors_lower_the_success_rate() -> None:
    """A 404 is the client's affair."""
    traffic = Traffic()
    for status_code in (200, 404, 401, 500):
        traffic.note(status_code, 10.0)

    metrics = traffic.metrics(queue_depth=7)

    assert metrics == Metrics(
        requests_total=4, success_rate=0.75, queue_depth=7, avg_response_time_ms=10.0
    )
