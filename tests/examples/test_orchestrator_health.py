"""The limits of the guide's health states."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from examples.orchestrator.health import Metrics, State, Traffic, judge
from tests.examples.orchestrator_running import running


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


def test_the_health_is_in_the_log(tmp_path: Path) -> None:
    """What `/health` answers is a record every so often, that rules can ask for."""

    async def scenario() -> None:
        async with running(tmp_path, health_seconds=0.05) as app:
            await app.until(lambda: app.log.of("health", status="healthy"))
            answer = (await app.client.get("/health")).json()
        record = app.log.of("health")[0]
        assert record["level"] == "INFO"
        assert record["queue_depth"] == answer["metrics"]["queue_depth"] == 0
        assert record["success_rate"] == 1.0
        assert record["database"]["status"] == answer["database"]["status"] == "connected"
        assert record["storage"].keys() == answer["storage"].keys()

    asyncio.run(scenario())


def test_bad_health_is_in_the_log_without_the_database(tmp_path: Path) -> None:
    """A lost database makes it unhealthy, a WARNING; how deep the queue is, nobody knows."""

    async def scenario() -> None:
        async with running(tmp_path, health_seconds=0.05) as app:
            await app.client.post("/api/faults", json={"database_gone": 1})
            await app.until(lambda: app.log.of("health", status="unhealthy"))
        record = app.log.of("health", status="unhealthy")[0]
        assert record["level"] == "WARNING"
        assert record["database"]["status"] == "disconnected"
        assert "queue_depth" not in record

    asyncio.run(scenario())
