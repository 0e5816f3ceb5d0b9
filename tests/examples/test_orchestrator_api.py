"""What clients of the example application can do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.examples.orchestrator_running import Running, running

WORKFLOW = {
    "name": "Register a lead",
    "trigger": {"type": "webhook", "hook": "leads"},
    "actions": [
        {"type": "transform", "keys": {"total": "amount"}},
        {"type": "delay", "seconds": 0.01},
        {"type": "http", "service": "crm"},
        {"type": "record", "label": "lead"},
    ],
}


async def _create(app: Running) -> str:
    answer = await app.client.post("/api/workflows", json=WORKFLOW)
    assert answer.status_code == 201
    workflow_id: str = answer.json()["workflow_id"]
    return workflow_id


def test_a_workflow_is_created_run_and_its_outcome_told(tmp_path: Path) -> None:
    """A run is queued, executed by a worker, and logged with the guide's fields."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            workflow_id = await _create(app)
            shown = await app.client.get(f"/api/workflows/{workflow_id}")
            listed = await app.client.get("/api/workflows?limit=1")
            execution = await app.run(workflow_id, {"amount": 12})

        assert [shown.json()] == listed.json()
        assert execution["status"] == "success"
        (record,) = app.log.of("workflows", message="Workflow executed successfully")
        assert record["level"] == "INFO"
        assert record["workflow_id"] == workflow_id
        assert record["status"] == "success"
        assert record["execution_time_ms"] == execution["execution_time_ms"] >= 10

    asyncio.run(scenario())


def test_the_request_id_follows_the_execution_to_the_worker(tmp_path: Path) -> None:
    """A worker's records carry the id of the request that queued the work."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            answer = await app.client.post(
                "/api/webhooks/invoices", json={"amount": 3}, headers={"X-Request-ID": "req_abc123"}
            )
            (execution,) = answer.json()
            await app.outcome(execution["execution_id"])

        assert answer.status_code == 202
        assert answer.headers["X-Request-ID"] == "req_abc123"
        story = app.log.of("workflows", request_id="req_abc123", level="INFO")
        assert [record["message"] for record in story] == [
            "Workflow started",
            "Workflow executed successfully",
        ]
        (access,) = app.log.of("access", request_id="req_abc123")
        assert access["route"] == "/api/webhooks/{hook}"

    asyncio.run(scenario())


def test_a_schedule_starts_a_workflow_by_itself(tmp_path: Path) -> None:
    """A workflow with an interval runs without any request, and so without a request's id."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            definition = WORKFLOW | {
                "trigger": {"type": "schedule", "every_seconds": 1},
                "actions": [{"type": "delay", "seconds": 0}],
            }
            created = await app.client.post("/api/workflows", json=definition)
            about = {
                "workflow_id": created.json()["workflow_id"],
                "message": "Workflow executed successfully",
            }
            await app.until(lambda: app.log.of("workflows", **about))

        record = app.log.of("workflows", **about)[0]
        assert record["trigger"] == "schedule"
        assert "request_id" not in record

    asyncio.run(scenario())


def test_only_a_logged_in_user_deletes_a_workflow(tmp_path: Path) -> None:
    """A session's token opens what is closed to others."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            workflow_id = await _create(app)
            path = f"/api/workflows/{workflow_id}"
            anonymous = await app.client.delete(path)
            forged = await app.client.delete(path, headers={"Authorization": "Bearer x"})
            login = await app.client.post(
                "/api/login", json={"username": "ada", "password": "analytical-engine"}
            )
            bearer = {"Authorization": f"Bearer {login.json()['token']}"}
            deleted = await app.client.delete(path, headers=bearer)
            again = await app.client.delete(path, headers=bearer)

        codes = [answer.status_code for answer in (anonymous, forged, deleted, again)]
        assert codes == [401, 401, 204, 404]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong"), ("nobody", "wrong"), ("ada", "")]
)
def test_a_wrong_login_is_refused_and_logged(tmp_path: Path, username: str, password: str) -> None:
    """A refused login says in the log who tried, and never the password."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            answer = await app.client.post(
                "/api/login", json={"username": username, "password": password}
            )

        assert answer.status_code == 401
        (record,) = app.log.of("auth", message="Login failed", level="WARNING")
        assert record["username"] == username
        assert "password" not in record

    asyncio.run(scenario())


WRONG_REQUESTS: list[tuple[str, str, object, int]] = [
    ("GET", "/api/workflows/workflow_none", None, 404),
    ("POST", "/api/workflows/workflow_none/run", {}, 404),
    ("POST", "/api/webhooks/nobody_listens", {}, 404),
    ("GET", "/api/executions/exec_none", None, 404),
    ("GET", "/nothing", None, 404),
    ("POST", "/api/workflows", {"name": "no actions"}, 422),
    ("POST", "/api/workflows", WORKFLOW | {"trigger": {"type": "moon"}}, 422),
    ("POST", "/api/workflows", WORKFLOW | {"colour": "red"}, 422),
    ("GET", "/api/workflows?limit=0", None, 422),
    ("POST", "/api/faults", {"timeout": 2}, 422),
    ("POST", "/api/faults", {"weather": 1}, 422),
]


def test_a_wrong_request_is_the_clients_error(tmp_path: Path) -> None:
    """A 4xx leaves one access record and no error."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            for method, path, body, _ in WRONG_REQUESTS:
                await app.client.request(method, path, json=body)

        logged = [
            (access["method"], access["path"], access["status_code"])
            for access in app.log.of("access")
        ]
        assert logged == [
            (method, path.partition("?")[0], code) for method, path, _, code in WRONG_REQUESTS
        ]
        assert not [record for record in app.log.records if record["level"] == "ERROR"]

    asyncio.run(scenario())


def test_a_full_queue_refuses_more(tmp_path: Path) -> None:
    """The queue is bounded: the client gets a 429, and a warning is logged."""

    async def scenario() -> None:
        async with running(tmp_path, "queue_stuck=1", max_queue_depth=2) as app:
            path = "/api/workflows/workflow_welcome_mail/run"
            codes = [(await app.client.post(path, json={})).status_code for _ in range(3)]

        assert codes == [202, 202, 429]
        assert app.log.of("api", level="WARNING")

    asyncio.run(scenario())


def test_health_has_exactly_the_guides_keys(tmp_path: Path) -> None:
    """Monitoring scripts of the guide read these keys and no others."""

    async def scenario() -> None:
        async with running(tmp_path) as app:
            await app.client.get("/api/workflows")
            answer = (await app.client.get("/health")).json()

        assert list(answer) == [
            "status",
            "timestamp",
            "uptime_seconds",
            "metrics",
            "database",
            "storage",
        ]
        assert answer["metrics"] == {
            "requests_total": 1,
            "success_rate": 1.0,
            "queue_depth": 0,
            "avg_response_time_ms": answer["metrics"]["avg_response_time_ms"],
        }
        assert list(answer["database"]) == ["status", "response_time_ms"]
        assert list(answer["storage"]) == ["status", "available_gb"]
        assert answer["database"]["status"] == "connected"

    asyncio.run(scenario())
