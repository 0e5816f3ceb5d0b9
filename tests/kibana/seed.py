"""Records of an hour, of every dataset that a dashboard asks about, in the form of the store."""

from __future__ import annotations

from typing import Any

from tests.store.store_records import NOON, Record, enriched, record

MINUTE = 60_000
SINCE, UNTIL, SLOT = NOON, NOON + 60 * MINUTE, 10 * MINUTE
RUN = "01JKKXBANAKXBANAKXBANAKXBA"
ROUTES = ("/api/workflows", "/api/workflows/{workflow_id}", "/login")


def seed() -> list[Record]:
    """Return the records."""
    made = [*_access(), *_workflows(), *_polls(), *_heartbeats(), *_alerts(), *_odd()]
    return [record(seq, time, run=RUN, **fields) for seq, (time, fields) in enumerate(made)]


def _at(index: int, count: int) -> int:
    return SINCE + index * (UNTIL - SINCE) // count


def _base(dataset: str, index: int, error: str | None = None) -> dict[str, Any]:
    base: dict[str, Any] = enriched(dataset, index, error, f"web-{1 + index % 3}")
    return base


def _access() -> Any:
    for index in range(600):
        status = (200, 200, 201, 200, 404, 200, 500, 200, 401, 503)[index % 10]
        error = "server" if status >= 500 else "user" if status >= 400 else None
        fields = {
            "level": "ERROR" if status >= 500 else "INFO",
            "logger": "automation_orchestrator.access",
            "message": f"GET {index} {status}",
            "method": "POST" if index % 7 == 0 else "GET",
            "path": f"/api/workflows/{index % 9}",
            "route": ROUTES[index % 3],
            "status_code": status,
            "duration_ms": 50.0 + 7 * (index * 37 % 100),
            "client_ip": f"10.0.0.{index % 5}",
            "request_id": f"req_{index}",
        }
        if status == 503:
            fields["error_type"] = "TimeoutError"
            fields["exc_info"] = "Traceback\nTimeoutError: no answer"
        base = _base("access", index, error)
        if status == 401:
            base["event"] |= {"category": ["authentication", "web"]}
            fields["level"] = "WARNING"
        if index % 2:
            base["extra"] = {"bytes": 100 + index}
        yield _at(index, 600), {**base, **fields}


def _workflows() -> Any:
    for index in range(120):
        failed = index % 6 == 0
        fields: dict[str, Any] = {
            "level": "ERROR" if failed else "INFO",
            "logger": "automation_orchestrator.workflows",
            "message": "Workflow failed, retrying" if failed else "Workflow executed successfully",
            "workflow_id": f"workflow_{index % 4}",
            "execution_time_ms": 200.0 + index,
            "status": "failed" if failed else "success",
        }
        if failed:
            fields["error_type"] = "DatabaseError" if index % 12 else "KeyError"
        error = "workflow" if failed else None
        yield _at(index, 120) + 1, {**_base("workflow", index, error), **fields}
    # Neither a success nor a failure yet: no execution that ended.
    fields = {"level": "INFO", "status": "running", "workflow_id": "workflow_1"}
    yield SINCE + 5, {**_base("workflow", 1), **fields}


def _polls() -> Any:
    for index in range(60):
        down, status = index in (20, 21), "healthy"
        if down:
            status = "unhealthy"
        elif index % 15 == 0:
            status = "degraded"
        extra: dict[str, Any] = {
            "target": "api" if index % 2 else "admin",
            "up": 0 if down else 1,
            "every_seconds": 60,
            "latency_ms": 5001.5 if down else 10.25 + index,
        }
        if down:
            extra |= {"failure": "timeout", "reason": "no answer within 5 s"}
        else:
            extra |= {
                "http_status": 200,
                "queue_depth": index * 9,
                "database": {"status": "error" if index == 30 else "connected"},
                "storage": {"status": "healthy", "available_gb": 45.25 - index / 8},
            }
            extra["database"]["response_time_ms"] = 2.5 + index % 3
        fields = {"level": "INFO", "message": f"api is {status}", "status": status, "extra": extra}
        yield _at(index, 60) + 2, {**_base("health", index), **fields}
        resources = {
            "cpu_percent": 20.5 + index,
            "disk_used_percent": 60 + index / 4,
            "memory_rss_bytes": 5_000_000_000 + index * 1000,
            "open_files": 20 + index,
        }
        numbers = {"target": "api", "api_calls_total": index * 10, "resources": resources}
        fields = {"level": "INFO", "message": "metrics", "extra": numbers}
        yield _at(index, 60) + 3, {**_base("metrics", index), **fields}
        process = {"target": "api", "process": {"pid": 7, "cpu_percent": 99}}
        fields = {"level": "INFO", "message": "process", "extra": process}
        yield _at(index, 60) + 4, {**_base("metrics", index), **fields}


def _heartbeats() -> Any:
    for index in range(180):
        at = _at(index, 180) + 6
        numbers: dict[str, Any] = {
            "watermark": at - 5000 - index,
            "version": "0.1.0" if index % 3 else "0.2.0",
            "files": 3 + index % 2,
            "behind_bytes": index * index,
            "held_bytes": 0,
            "dead_letters": index // 100,
        }
        if index % 3 == 1:
            numbers["audit_open"] = 2
        fields = {"message": "heartbeat", "extra": {"heartbeat": numbers}}
        yield at, {**_base("heartbeat", index), **fields}


def _alerts() -> Any:
    changes = ("opened", "fired", "acknowledged", "response_breached", "resolved")
    for index in range(40):
        change = changes[index % 5]
        extra = {
            "incident": f"i{index // 5}",
            "rule": ("error_rate_high", "queue_depth_high", "timeouts")[index // 5 % 3],
            "severity": ("critical", "high", "medium")[index // 5 % 3],
            "change": change,
            "phase": "firing",
            "open_seconds": (index % 5) * 61.5 + index,
        }
        if change == "acknowledged":
            extra |= {"by": "on-call", "note": "looking"}
        if index % 8 == 1:
            extra["flapping"] = True
        if index == 39:
            extra["change"] = "resolution_breached"
        level = "WARNING" if change == "fired" else "INFO"
        fields = {"level": level, "message": f"{change}", "extra": extra}
        yield _at(index, 40) + 7, {**_base("alerts", index), **fields}


def _odd() -> Any:
    for index in range(30):
        fields: dict[str, Any] = {
            "level": ("WARNING", "DEBUG", "CRITICAL")[index % 3],
            "logger": "automation_orchestrator.db",
            "message": "lost the database connection",
            "tags": ["no_timestamp"] if index % 2 else ["not_json", "no_timestamp"],
        }
        if index == 4:
            fields["tags"] = ["rejected"]
            fields["error_type"] = "rejected"
        if index % 3 == 2:
            fields["error_type"] = f"Rare{index % 2}"
        base = _base("app", index)
        if index == 4:
            base["error"] = {"message": "failed to parse"}
        yield _at(index, 30) + 8, {**base, **fields}
    yield SINCE + 9, {"message": "nothing is known of this record"}
