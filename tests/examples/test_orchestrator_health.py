"""The example's health is that of `shipper.instrument`, and follows its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.examples.orchestrator_running import health_until, running


def is_(status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda found: found["status"] == status


def test_a_lost_database_makes_it_unhealthy_and_back(tmp_path: Path) -> None:
    """How deep the queue is, nobody knows meanwhile."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            await health_until(app, is_("healthy"))
            await app.client.post("/api/faults", json={"database_gone": 1})
            bad = await health_until(app, lambda found: found["metrics"]["queue_depth"] is None)
            await app.client.post("/api/faults", json={"database_gone": 0})
            good = await health_until(app, is_("healthy"))
        assert bad["status"] == "unhealthy"
        assert bad["database"] == {"status": "disconnected", "reason": "DatabaseUnavailableError"}
        assert good["database"]["status"] == "connected"

    asyncio.run(scenario())


def test_server_errors_make_it_degraded_and_unhealthy(tmp_path: Path) -> None:
    """Faults of requests lower the success rate of the last minutes."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            for _ in range(50):
                await app.client.get("/api/workflows")
            await health_until(app, is_("healthy"))
            await app.client.post("/api/faults", json={"server_error": 1})
            for _ in range(5):
                await app.client.get("/api/workflows")
            found = await health_until(app, is_("degraded"))
            for _ in range(50):
                await app.client.get("/api/workflows")
            await health_until(app, is_("unhealthy"))
        assert 0.8 < found["metrics"]["success_rate"] < 0.95

    asyncio.run(scenario())


def test_executions_are_counted_and_logged_at_once(tmp_path: Path) -> None:
    """What the metrics say of workflows is what the log says."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            for _ in range(3):
                await app.run("workflow_welcome_mail")
            transport = httpx.ASGITransport(app.client._transport.app)  # type: ignore[attr-defined]
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as here:
                found = (await here.get("/api/metrics")).json()
        assert found["workflows"]["success"] == 3
        assert len(app.log.of("workflows", status="success")) == 3
        times = [each["execution_time_ms"] for each in app.log.of("workflows", status="success")]
        assert found["workflows"]["avg_ms"] == pytest.approx(sum(times) / 3, abs=0.01)
        started = [each for each in app.log.records if each["message"] == "Workflow started"]
        waits = [each["queue_wait_ms"] for each in started]
        assert found["queues"]["executions"]["depth"] == 0
        assert found["queues"]["executions"]["wait_avg_ms"] == pytest.approx(
            sum(waits) / 3, abs=0.1
        )

    asyncio.run(scenario())
