"""What an application answers for itself: numbers, probes, who may read, and how much it can be."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import tempfile
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from shipper.instrument import Instrument, ready_made
from shipper.instrument.folder import SharedFolder
from shipper.instrument.recording import MOST_ROUTES, quantile
from tests.instrument.mounted import app_of, client_of, made, run

open_families: Any = openmetrics.text_string_to_metric_families
TOKEN = "a token for tests"


def test_health_has_exactly_the_keys_of_the_guide(tmp_path: Path) -> None:
    """Names, nesting and types; more probes are more parts, with names of their own."""
    instrument = made(tmp_path)
    instrument.probe("database", lambda: None)
    instrument.queue("tasks", lambda: 12)

    async def scenario() -> dict[str, Any]:
        async with client_of(app_of(instrument)) as client:
            for number in range(3):
                await client.get(f"/items/{number}")
            answer = await client.get("/health")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    found = run(scenario())

    assert {*found} == {
        *("status", "timestamp", "uptime_seconds", "metrics", "database", "storage")
    }
    metrics = found["metrics"]
    assert {*metrics} == {
        *("requests_total", "success_rate", "queue_depth", "avg_response_time_ms")
    }
    assert (metrics["requests_total"], metrics["success_rate"], metrics["queue_depth"]) == (
        3,
        1,
        12,
    )
    assert metrics["avg_response_time_ms"] > 0
    assert found["database"].keys() == {"status", "response_time_ms"}
    assert found["database"]["status"] == "connected"
    assert found["storage"].keys() == {"status", "available_gb"}
    assert isinstance(found["uptime_seconds"], int)


def test_only_server_errors_lower_the_success_rate(tmp_path: Path) -> None:
    """A 404 is the client's affair; asking for the health counts nowhere."""

    async def scenario() -> dict[str, Any]:
        async with client_of(app_of(made(tmp_path))) as client:
            for path in ("/items/1", "/fails/404", "/fails/401", "/fails/503", "/nowhere"):
                await client.get(path)
            for _ in range(5):
                await client.get("/health")
                await client.get("/metrics")
            await asyncio.sleep(1.1)  # answers are kept for a second
            found: dict[str, Any] = (await client.get("/health")).json()
        return found

    metrics = run(scenario())["metrics"]

    assert (metrics["requests_total"], metrics["success_rate"]) == (5, 0.8)


def test_probes_that_hang_or_raise_are_parts_of_an_answer(tmp_path: Path) -> None:
    """Each says so, with the class of the error alone; what hangs has one thread."""
    hang = threading.Event()
    instrument = made(tmp_path)
    instrument.probe("hangs", hang.wait, timeout=0.2, keep=0)

    async def hang_async() -> None:
        await asyncio.sleep(3600)

    def raises() -> None:
        raise ConnectionError("postgres://user:password@db/app")

    instrument.probe("hangs_async", hang_async, timeout=0.2, critical=False)
    instrument.probe("database", raises)
    instrument.probe("cache", lambda: {"status": "ok", "keys": 5})
    instrument.queue("tasks", raises)

    async def scenario() -> list[Any]:
        async with client_of(app_of(instrument)) as client:
            return [await client.get("/health") for _ in range(3)]

    before = threading.active_count()
    first, *_rest, last = run(scenario())
    threads = [each for each in threading.enumerate() if each.name == "probe hangs"]
    hang.set()

    assert before + 3 >= threading.active_count()
    assert len(threads) == 1
    assert first.status_code == last.status_code == 503
    found = last.json()
    timeout = {"status": "timeout", "reason": "no answer within 0.2 s"}
    assert found["hangs"] == found["hangs_async"] == timeout
    assert found["database"] == {"status": "disconnected", "reason": "ConnectionError"}
    assert found["cache"] == {"status": "ok", "keys": 5}
    assert found["metrics"]["queue_depth"] is None
    assert "password" not in last.text


def test_a_probe_that_returns_what_json_cannot_say_is_an_error_of_its_own(tmp_path: Path) -> None:
    """Times and decimals are said; NaN, objects and circles make that part an error."""
    circle: dict[str, Any] = {}
    circle["me"] = circle
    instrument = made(tmp_path, disk_of=None)
    for name, found in (
        ("fine", {"at": datetime(2026, 2, 5, tzinfo=UTC), "cost": Decimal("1.5"), 7: "seven"}),
        ("nan", {"value": float("nan")}),
        ("object", {"engine": object()}),
        ("circle", circle),
    ):
        instrument.probe(name, lambda found=found: found)  # type: ignore[misc]
    instrument.queue("endless", lambda: float("inf"))

    async def scenario() -> list[Any]:
        async with client_of(app_of(instrument)) as client:
            paths = ("/health", "/health/ready", "/api/metrics", "/metrics")
            answers = [await client.get(path) for path in paths]
        assert [each.status_code for each in answers] == [503, 503, 200, 200]
        return [answers[0].json(), answers[2].json()]

    health, metrics = run(scenario())

    assert health["fine"] == {
        "status": "ok",
        "at": "2026-02-05T00:00:00+00:00",
        "cost": 1.5,
        "7": "seven",
    }
    assert health["nan"] == {"status": "error", "reason": "ValueError"}
    assert health["object"] == {"status": "error", "reason": "TypeError"}
    assert health["circle"] == {"status": "error", "reason": "ValueError"}
    assert metrics["queues"]["endless"]["depth"] is None


def test_what_is_asked_for_in_odd_ways_is_answered(tmp_path: Path) -> None:
    """A form that is none, a disk that is gone: the rest of the answer is there."""
    gone = tmp_path / "gone"
    gone.mkdir()
    instrument = made(tmp_path, disk_of=gone)
    gone.rmdir()

    async def scenario() -> None:
        async with client_of(app_of(instrument)) as client:
            for accept in ("application/openmetrics-text; version=abc", "x" * 9999, ";=,;q=="):
                answer = await client.get("/metrics", headers={"accept": accept})
                assert answer.status_code == 200
                assert [*families(answer.text)]
            found = (await client.get("/api/metrics")).json()
        assert "memory_rss_bytes" in found["resources"]
        assert "disk_free_bytes" not in found["resources"]

    run(scenario())


def test_a_label_of_a_client_s_choosing_is_short(tmp_path: Path) -> None:
    """Who names a workflow with a megabyte is counted as other."""
    instrument = made(tmp_path)
    with instrument.workflow("x" * 1_000_000):
        pass

    async def scenario() -> str:
        async with client_of(app_of(instrument)) as client:
            return (await client.get("/metrics")).text

    text = run(scenario())

    assert len(text) < 100_000
    assert 'workflow_executions_total{status="success",workflow="other"} 1.0' in text


def test_answers_of_probes_are_kept(tmp_path: Path) -> None:
    """Fifty who ask at once are one question."""
    asked: list[int] = []

    async def probe() -> None:
        asked.append(1)
        await asyncio.sleep(0.05)

    instrument = made(tmp_path)
    instrument.probe("part", probe, keep=60)

    async def scenario() -> None:
        async with client_of(app_of(instrument)) as client:
            await asyncio.gather(*(client.get("/health") for _ in range(50)))

    run(scenario())

    assert asked == [1]


def test_many_who_ask_at_once_are_one_reading(tmp_path: Path) -> None:
    """/health is open to everybody: asking it is no load."""
    read: list[int] = []
    instrument = made(tmp_path)
    endpoints = instrument.endpoints
    real = endpoints._read_workers

    def counted() -> Any:
        read.append(1)
        return real()

    endpoints._read_workers = counted  # type: ignore[method-assign]

    async def scenario() -> None:
        async with client_of(app_of(instrument)) as client:
            await asyncio.gather(*(client.get("/health") for _ in range(50)))

    run(scenario())

    assert read == [1]


def test_numbers_that_cannot_be_read_are_no_error_of_the_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers with what it knew last, and logs why, once."""
    instrument = made(tmp_path)

    def broken() -> Any:
        raise OSError

    async def scenario() -> list[int]:
        async with client_of(app_of(instrument)) as client:
            found = [(await client.get("/health")).status_code]
            instrument.endpoints._read_workers = broken  # type: ignore[method-assign]
            for _ in range(2):
                await asyncio.sleep(1.1)
                found += [(await client.get(path)).status_code for path in ("/health", "/metrics")]
        return found

    assert run(scenario()) == [200] * 5
    assert [each.levelname for each in caplog.records if "cannot be read" in each.message] == [
        "ERROR"
    ]


def test_live_and_ready(tmp_path: Path) -> None:
    """A part that is away makes it unready, and not dead; a part that is not critical, neither."""
    instrument = made(tmp_path)
    instrument.probe("mail", lambda: False, critical=False)

    async def ask() -> list[int]:
        async with client_of(app_of(instrument)) as client:
            found = [
                await client.get(path) for path in ("/health/live", "/health/ready", "/health")
            ]
        return [each.status_code for each in found]

    assert run(ask()) == [200, 200, 200]
    instrument.probe("database", lambda: False)
    assert run(ask()) == [200, 503, 503]


def test_unhealthy_may_answer_200(tmp_path: Path) -> None:
    """For scripts that read the body."""
    instrument = made(tmp_path, unhealthy_status=200)
    instrument.probe("database", lambda: False)

    async def scenario() -> tuple[int, str]:
        async with client_of(app_of(instrument)) as client:
            answer = await client.get("/health")
        return answer.status_code, answer.json()["status"]

    assert run(scenario()) == (200, "unhealthy")


@pytest.mark.parametrize(
    ("address", "headers", "token", "expected"),
    [
        ("127.0.0.1", {}, None, 200),
        ("::1", {}, None, 200),
        ("::ffff:127.0.0.1", {}, None, 200),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, None, 401),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, None, 401),
        ("203.0.113.9", {}, None, 401),
        ("10.1.2.3", {}, None, 200),
        ("127.0.0.1", {}, TOKEN, 401),
        ("203.0.113.9", {"Authorization": f"Bearer {TOKEN}"}, TOKEN, 200),
        ("203.0.113.9", {"Authorization": f"Bearer {TOKEN}x"}, TOKEN, 401),
        ("203.0.113.9", {"Authorization": f"Basic {TOKEN}"}, TOKEN, 401),
        ("testclient", {}, None, 401),
    ],
)
def test_who_may_read(
    tmp_path: Path, address: str, headers: dict[str, str], token: str | None, expected: int
) -> None:
    """Metrics are for this machine, a named network, or who has the token; health is open."""
    instrument = made(tmp_path, token=token, networks=["10.0.0.0/8"])

    async def scenario() -> list[int]:
        async with client_of(app_of(instrument), address) as client:
            paths = ("/metrics", "/api/metrics", "/health", "/health/live", "/health/ready")
            return [(await client.get(path, headers=headers)).status_code for path in paths]

    assert run(scenario()) == [expected, expected, 200, 200, 200]


def test_memory_is_traced_on_demand_with_the_token_only(tmp_path: Path) -> None:
    """Off by default; it names lines of code, and no folders."""
    with pytest.raises(ValueError, match="needs a token"):
        made(tmp_path, debug_memory=True)
    instrument = made(tmp_path, debug_memory=True, token=TOKEN)
    kept: list[bytes] = []

    async def scenario() -> list[Any]:
        async with client_of(app_of(instrument)) as client:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            refused = await client.post("/api/debug/memory")
            await client.post("/api/debug/memory", headers=headers)
            kept.extend(bytes(1000) for _ in range(1000))
            return [refused, await client.post("/api/debug/memory", headers=headers)]

    try:
        refused, found = run(scenario())
    finally:
        import tracemalloc  # noqa: PLC0415 -- only to end what the answer began

        tracemalloc.stop()

    assert refused.status_code == 401
    worst = found.json()["differences"][0]
    assert worst["place"].startswith("instrument/test_endpoints.py:")
    assert worst["bytes_more"] > 1_000_000


def test_prometheus_reads_what_is_said(tmp_path: Path) -> None:
    """Both texts are parsed; names follow the conventions of Prometheus."""

    async def scenario() -> list[Any]:
        async with client_of(app_of(made(tmp_path))) as client:
            for path in ("/items/1", "/items/2", "/raises"):
                await client.get(path)
            accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
            return [await client.get("/metrics"), await client.get("/metrics", headers=accept)]

    plain, opened = run(scenario())
    found = {family.name: family for family in families(plain.text)}

    assert plain.headers["content-type"].startswith("text/plain")
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    assert {family.name for family in open_families(opened.text)} == {*found}
    counts = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in found["http_requests"].samples
    }
    assert counts == {("/items/{item}", "200"): 2, ("/raises", "500"): 1}
    assert [s.labels["type"] for s in found["http_exceptions"].samples] == ["KeyError"]
    lint(plain.text)


def lint(text: str) -> None:
    """Ask what `promtool check metrics` asks of names, help texts and buckets."""
    for family in families(text):
        assert family.documentation
        assert family.name == family.name.lower()
        assert not family.name.endswith(("_count", "_sum", "_bucket", "_ms", "_milliseconds"))
        assert family.type == "counter" or not family.name.endswith("_total")
        names = {sample.name for sample in family.samples}
        if family.type == "counter":
            assert names == {f"{family.name}_total"}
        if family.type == "histogram":
            assert names == {f"{family.name}_{end}" for end in ("bucket", "sum", "count")}
            infinite = [s for s in family.samples if s.labels.get("le") == "+Inf"]
            assert infinite


def test_thousands_of_paths_and_methods_make_no_series(tmp_path: Path) -> None:
    """Routes are templates; what a client chooses is `unmatched` and `other`."""

    async def scenario() -> dict[str, Any]:
        async with client_of(app_of(made(tmp_path))) as client:
            for number in range(1000):
                await client.get(f"/nowhere/{number}")
                await client.request(f"M{number}", "/nowhere")
            found: dict[str, Any] = (await client.get("/api/metrics")).json()
        return found

    found = run(scenario())

    assert found["api_calls_total"] == 2000
    assert {(each["method"], each["route"]) for each in found["endpoints"]} == {
        ("GET", "unmatched"),
        ("other", "unmatched"),
    }


def test_labels_are_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    """10,000 routes, workflows, errors and queues are some hundred series; none is lost."""
    instrument = made(tmp_path)
    for number in range(10_000):
        instrument.recorder.request("GET", f"/r{number}", 200, 0.01)
        instrument.recorder.workflow(f"workflow_{number}", "success", 0.1)
        instrument.recorder.exception(f"Error{number}")
        instrument.waited(f"queue{number}", 1.0)

    async def scenario() -> dict[str, Any]:
        async with client_of(app_of(instrument)) as client:
            found: dict[str, Any] = (await client.get("/api/metrics")).json()
        return found

    found = run(scenario())

    assert found["api_calls_total"] == found["workflows"]["total"] == 10_000
    assert len(found["endpoints"]) == MOST_ROUTES + 1
    assert len(found["workflows"]["by_workflow"]) == 101
    assert sum(found["errors"]["by_type"].values()) == 10_000
    assert len(found["queues"]) == 21
    others = [each for each in found["endpoints"] if each["route"] == "other"]
    assert others[0]["count"] == 10_000 - MOST_ROUTES


def test_api_metrics_says_what_the_guide_lists(tmp_path: Path) -> None:
    """Calls, endpoints, errors by type, percentiles, workflows, queues, resources, pool."""
    instrument = made(tmp_path)
    instrument.probe("database", lambda: {"pool": {"size": 5, "checked_out": 2, "overflow": 0}})
    instrument.queue("tasks", lambda: 3)
    instrument.waited("tasks", 0.2)
    with instrument.workflow("workflow_123"):
        pass
    with pytest.raises(ValueError, match="no"), instrument.workflow("workflow_123"):
        raise ValueError("no")
    instrument.error(TimeoutError())

    async def scenario() -> dict[str, Any]:
        async with client_of(app_of(instrument)) as client:
            await client.get("/items/1")
            await client.get("/fails/500")
            await asyncio.sleep(0.1)  # for the first sample
            found: dict[str, Any] = (await client.get("/api/metrics")).json()
        return found

    found = run(scenario())

    assert (found["api_calls_total"], found["errors_total"]) == (2, 1)
    assert found["errors"]["by_type"] == {"TimeoutError": 1}
    assert found["response_time_ms"].keys() == {"avg", "p50", "p90", "p95", "p99"}
    assert {each["route"]: each["errors"] for each in found["endpoints"]} == {
        "/items/{item}": 0,
        "/fails/{status}": 1,
    }
    workflows = found["workflows"]
    assert (workflows["total"], workflows["failed"], workflows["success_rate"]) == (2, 1, 0.5)
    assert workflows["by_workflow"][0]["by_status"] == {"success": 1, "failed": 1}
    assert found["queues"]["tasks"]["depth"] == 3
    assert 100 < found["queues"]["tasks"]["wait_p95_ms"] <= 250
    assert found["pool"] == {"size": 5, "checked_out": 2, "overflow": 0}
    assert found["resources"]["memory_rss_bytes"] > 10_000_000
    assert found["resources"]["threads"] >= 1
    assert found["processes"][0]["memory_growing"] == 0


def test_statsd_gets_the_same_numbers(tmp_path: Path) -> None:
    """Several in a datagram, over a real socket, with tags or with names."""
    lines: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        instrument = made(tmp_path, statsd=address, statsd_prefix="api", statsd_tags=True)
        for _ in range(100):
            instrument.recorder.request("GET", "/items/{item}", 200, 0.25)
        instrument.recorder.exception("KeyError")
        instrument._sampler._statsd.flush()  # type: ignore[union-attr]
        while len(lines) < 101:
            datagram = server.recv(65536)
            assert len(datagram) <= 1432
            lines += datagram.decode().split("\n")

    assert (
        lines.count("api.http.request:250.000|ms|#method:GET,route:/items/{item},status:200") == 100
    )
    assert lines[-1] == "api.http.exception:1|c|#type:KeyError"


def test_a_statsd_that_is_away_costs_nothing(tmp_path: Path) -> None:
    """What cannot be sent is counted as lost, and raises nothing."""
    instrument = made(tmp_path, statsd="nowhere.invalid:8125")
    for _ in range(100):
        instrument.recorder.exception("KeyError")
    push = instrument._sampler._statsd
    assert push is not None
    push.flush()

    assert push.lost == 100


def test_a_request_is_answered_although_nothing_can_be_counted(tmp_path: Path) -> None:
    """A folder that went away is logged, and no request fails of it."""
    instrument = made(tmp_path / "numbers")
    folder = instrument._folder.path()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    _is_all_answered(instrument)


def _is_all_answered(instrument: Instrument) -> None:
    async def scenario() -> list[int]:
        app = app_of(instrument)

        @app.get("/work")
        def work() -> None:
            instrument.waited("tasks", 1.0)
            instrument.error(KeyError())
            with instrument.workflow("workflow_123"):
                pass

        async with client_of(app) as client:
            paths = ("/items/1", "/work", "/health", "/metrics", "/api/metrics")
            return [(await client.get(path)).status_code for path in paths]

    assert run(scenario()) == [200] * 5


def test_a_full_disk_costs_numbers_and_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The place of mapped files is taken beforehand; where there is none, it is said once."""

    def full(_descriptor: int, _offset: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    instrument = made(tmp_path / "numbers")
    monkeypatch.setattr(os, "posix_fallocate", full)
    _is_all_answered(instrument)
    _is_all_answered(instrument)

    said = [each.getMessage() for each in caplog.records if each.name == "shipper.instrument"]
    assert len([each for each in said if "requests are not counted" in each]) == 2  # one an app
    assert len([each for each in said if "workflows, queues and errors" in each]) == 1


def test_a_folder_that_another_user_of_the_process_needs_is_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root makes nothing before a worker needs it; who changes the user has another folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    user = os.getuid()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    folder = SharedFolder(None)
    assert [*tmp_path.iterdir()] == []

    monkeypatch.setattr(os, "geteuid", lambda: user)
    path = folder.path()
    monkeypatch.undo()

    assert path.parent == tmp_path / f"shipper-instrument-{user}"
    assert path.stat().st_mode & 0o077 == 0


def test_a_name_server_that_hangs_holds_up_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what runs in a thread looks up the host of StatsD."""
    looked_up: list[bool] = []
    instrument = made(tmp_path, statsd="nowhere.invalid:8125")
    push: Any = instrument._sampler._statsd

    def look_up(*_args: Any, **_kwargs: Any) -> Any:
        looked_up.append(push._lock.locked())
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for _ in range(10_000):
        instrument.recorder.exception("KeyError")
    assert looked_up == []
    push.flush()

    assert looked_up == [False]
    assert push.lost == 10_000


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    """Where everybody may write, numbers can be forged and links laid."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)

    with pytest.raises(PermissionError):
        Instrument(folder=shared)


def test_ready_made_probes(tmp_path: Path) -> None:
    """A SQLite file, a disk, a service: well, or the reason; a probe makes no file."""
    import sqlite3  # noqa: PLC0415 -- for this test alone

    sqlite3.connect(tmp_path / "app.db").close()
    assert ready_made.sqlite(tmp_path / "app.db")() is None
    with pytest.raises(sqlite3.OperationalError):
        ready_made.sqlite(tmp_path / "none.db")()
    assert not (tmp_path / "none.db").exists()
    assert ready_made.disk(tmp_path)()["available_gb"] > 0
    with pytest.raises(OSError, match="refused"):
        ready_made.http("http://127.0.0.1:1/")()


def test_quantiles_are_those_of_the_buckets() -> None:
    """Within a bucket numbers are evenly spread; above the last bound it is that bound."""
    assert quantile((1.0, 2.0), (0, 0, 0), 0.5) is None
    assert quantile((1.0, 2.0), (10, 10, 0), 0.5) == 1.0
    assert quantile((1.0, 2.0), (10, 10, 0), 0.75) == 1.5
    assert quantile((1.0, 2.0), (0, 0, 10), 0.5) == 2.0


def test_workflows_are_logged_as_they_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One record an execution, with what rules and reports ask for; sync, async and decorated."""
    caplog.set_level("INFO", logger="automation_orchestrator.workflows")
    instrument = made(tmp_path)

    @instrument.workflow("decorated", trigger="manual")
    def work() -> int:
        return 7

    @instrument.workflow("awaited")
    async def work_async() -> int:
        return 8

    assert work() + work() == 14
    assert run(work_async()) == 8
    with pytest.raises(KeyError), instrument.workflow("fails"):
        raise KeyError

    said = [(record.levelname, record.__dict__["status"]) for record in caplog.records]
    assert said == [("INFO", "success")] * 3 + [("ERROR", "failed")]
    assert caplog.records[0].__dict__["trigger"] == "manual"
    assert caplog.records[3].__dict__["error_type"] == "KeyError"
    assert json.dumps(caplog.records[0].__dict__["execution_time_ms"])
