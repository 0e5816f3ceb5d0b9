"""Each switch of the example breaks its part, and the logs say what the guide's table counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from examples.orchestrator.faults import PROFILES, FaultRates, Faults, parse
from tests.examples.orchestrator_running import health_until, running

CALLS_CRM = {
    "name": "Ask the CRM",
    "actions": [{"type": "http", "service": "crm", "timeout_seconds": 0.05, "retries": 1}],
}


def test_server_error_is_a_500_with_a_real_traceback(tmp_path: Path) -> None:
    """5xx: one access record and one ERROR with type and traceback, joined by the request's id."""

    async def scenario() -> None:
        async with running(tmp_path, "server_error=1") as app:
            answer = await app.client.get("/api/workflows")

        assert answer.status_code == 500
        (access,) = app.log.of("access", status_code=500)
        (error,) = app.log.of("api", level="ERROR")
        assert error["request_id"] == access["request_id"] == answer.headers["X-Request-ID"]
        assert error["error_type"] in {"JSONDecodeError", "ZeroDivisionError", "KeyError"}
        assert error["exc_info"].startswith("Traceback")

    asyncio.run(scenario())


def test_workflow_failure_fails_in_the_guides_three_ways(tmp_path: Path) -> None:
    """Workflow errors: bad trigger, failed action and missing data, each with type and time."""

    async def scenario() -> None:
        async with running(tmp_path, "workflow_failure=1") as app:
            seen: set[str] = set()
            for _ in range(100):
                execution = await app.run("workflow_nightly_cleanup")
                assert execution["status"] == "failed"
                seen.add(execution["error_type"])
                if len(seen) == 3:
                    break

        assert seen == {"InvalidTriggerError", "ActionFailedError", "MissingDataError"}
        failures = app.log.of("workflows", level="ERROR", status="failed")
        assert {record["error_type"] for record in failures} == seen
        for record in failures:
            assert record["workflow_id"]
            assert record["request_id"]
            assert record["execution_time_ms"] >= 0
            assert record["exc_info"].startswith("Traceback")

    asyncio.run(scenario())


def test_timeout_is_a_failed_workflow_of_type_timeout_error(tmp_path: Path) -> None:
    """Time-outs: a partner that hangs ends the execution after the action's own limit, untried."""

    async def scenario() -> None:
        async with running(tmp_path, "timeout=1") as app:
            created = await app.client.post("/api/workflows", json=CALLS_CRM)
            execution = await app.run(created.json()["workflow_id"])

        assert (execution["status"], execution["error_type"]) == ("failed", "TimeoutError")
        assert execution["execution_time_ms"] >= 50
        assert app.log.of("workflows", level="ERROR", error_type="TimeoutError", status="failed")
        assert not app.log.of("worker", level="WARNING")

    asyncio.run(scenario())


def test_flaky_action_is_tried_again_with_a_warning(tmp_path: Path) -> None:
    """Retries: a warning for each, and a failed action when they are used up."""

    async def scenario() -> None:
        async with running(tmp_path, "flaky_action=1") as app:
            created = await app.client.post("/api/workflows", json=CALLS_CRM)
            execution = await app.run(created.json()["workflow_id"])

        assert execution["error_type"] == "ActionFailedError"
        (retry,) = app.log.of("worker", level="WARNING")
        assert (retry["attempt"], retry["workflow_id"]) == (1, execution["workflow_id"])

    asyncio.run(scenario())


def test_failed_login_refuses_a_right_password(tmp_path: Path) -> None:
    """Authentication failures: a 401 in the access log and a warning that names the user."""

    async def scenario() -> None:
        async with running(tmp_path, "failed_login=1") as app:
            answer = await app.client.post(
                "/api/login", json={"username": "ada", "password": "analytical-engine"}
            )

        assert answer.status_code == 401
        assert app.log.of("access", status_code=401, path="/api/login")
        assert app.log.of("auth", level="WARNING", username="ada")

    asyncio.run(scenario())


def test_database_gone_is_critical_and_a_503_until_it_is_back(tmp_path: Path) -> None:
    """Database failures: CRITICAL with the driver's error; the work goes on when it is back."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            await app.client.post("/api/faults", json={"database_gone": True})
            refused = await app.client.get("/api/workflows")
            health = (await app.client.get("/health")).json()
            await app.client.post("/api/faults", json={"database_gone": False})
            execution = await app.run("workflow_welcome_mail")

        assert refused.status_code == 503
        assert (health["status"], health["database"]["status"]) == ("unhealthy", "disconnected")
        assert execution["status"] == "success"
        of_request = {"request_id": refused.headers["X-Request-ID"]}
        (critical,) = app.log.of("database", level="CRITICAL", **of_request)
        assert critical["error_type"] == "OperationalError"
        assert "unable to open database file" in critical["exc_info"]

    asyncio.run(scenario())


def test_slow_query_is_named_in_the_slow_log(tmp_path: Path) -> None:
    """Slow queries: a warning with the statement and how long it took."""

    async def scenario() -> None:
        async with running(tmp_path, "slow_query=1", slow_query_ms=5.0) as app:
            answer = await app.client.get("/api/workflows")

        assert answer.status_code == 200
        about = {"request_id": answer.headers["X-Request-ID"]}
        (slow,) = app.log.of("slow_queries", level="WARNING", **about)
        assert slow["query"].startswith("SELECT workflow_id, definition FROM workflows")
        assert slow["query_ms"] >= 15

    asyncio.run(scenario())


def test_queue_stuck_leaves_the_work_waiting(tmp_path: Path) -> None:
    """A stuck queue grows, shows in the health, and is worked off when it moves again."""

    async def scenario() -> None:
        async with running(tmp_path, "queue_stuck=1") as app:
            path = "/api/workflows/workflow_nightly_cleanup/run"
            queued = [(await app.client.post(path, json={})).json() for _ in range(25)]
            await app.until(lambda: app.log.of("worker", message="Queue is growing"))
            health = await health_until(app, lambda found: found["metrics"]["queue_depth"] == 25)
            await app.client.post("/api/faults", json={"queue_stuck": 0})
            outcome = await app.outcome(queued[0]["execution_id"])

        assert health["metrics"]["queue_depth"] == 25
        assert outcome["status"] == "success"

    asyncio.run(scenario())


def test_switches_are_shared_by_all_processes(tmp_path: Path) -> None:
    """A change made in one process is seen by another, and leaves what it does not name."""
    one = Faults(tmp_path / "faults.json", parse("timeout=0.25"))
    other = Faults(tmp_path / "faults.json", parse("timeout=0.25"))

    one.change(FaultRates(server_error=0.5))

    assert other.rates == FaultRates(server_error=0.5, timeout=0.25)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", FaultRates()),
        ("none", FaultRates()),
        ("demo", PROFILES["demo"]),
        ("timeout=0.2, server_error=1", FaultRates(timeout=0.2, server_error=1)),
        ("timeout=0.2,none", FaultRates()),
        ("demo,timeout=1", PROFILES["demo"].model_copy(update={"timeout": 1.0})),
    ],
)
def test_rates_are_read_as_an_operator_writes_them(text: str, expected: FaultRates) -> None:
    """A profile sets all the rates, `NAME=RATE` one; later words win."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("chaos", "no profile of faults; use none or demo"),
        ("weather=1", "fault weather"),
        ("timeout=often", "fault timeout"),
        ("timeout=1.5", "fault timeout"),
    ],
)
def test_a_wrong_rate_is_named(text: str, complaint: str) -> None:
    """The error says which word is wrong."""
    with pytest.raises(ValueError, match=complaint):
        parse(text)
