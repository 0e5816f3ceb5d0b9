"""
Records of many days whose truth is known: drawn from a seed, and counted again in plain Python.

A day has requests of several routes, hosts and clients, executions, health records and polls. What
is planted on top of that is up to a test.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from shipper.store.answers import percentile

Made = dict[str, Any]

MINUTE = 60_000
HOUR = 60 * MINUTE
ROUTES = ("/api/workflows", "/api/workflows/{id}", "/login", None)
HOSTS = ("web-1", "web-2")


def midnight(day: date, zone: tzinfo) -> int:
    """Return the beginning of a day in epoch milliseconds."""
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


def days_of(first: date, count: int) -> list[date]:
    """Return so many days."""
    return [first + timedelta(days=number) for number in range(count)]


def a_day(rng: random.Random, day: date, zone: tzinfo, *, scale: int = 60) -> list[Made]:
    """Make the records of a day, some of them at its very edges."""
    since, until = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    times = [since, until - 1, *(rng.randrange(since, until) for _ in range(scale))]
    made = [request(rng, at) for at in times]
    made += [execution(rng, rng.randrange(since, until)) for _ in range(scale // 3)]
    made += [health(rng, at) for at in range(since, until, 2 * HOUR)]
    made += [poll(rng, at) for at in range(since, until, HOUR)]
    made += [
        {**base(rng.randrange(since, until), rng), "level": rng.choice(["WARNING", "CRITICAL"])}
        for _ in range(scale // 10)
    ]
    return made


def base(at: int, rng: random.Random, dataset: str = "orchestrator.app") -> Made:
    """Make what every record has."""
    return {
        "at": at,
        "level": "INFO",
        "logger": "automation_orchestrator.worker",
        "message": "done",
        "host": {"name": rng.choice(HOSTS)},
        "service": {"name": "automation-orchestrator"},
        "event": {"dataset": dataset},
    }


def request(rng: random.Random, at: int, **fields: Any) -> Made:
    """Make an access record."""
    code = rng.choices([200, 401, 404, 500, 503], [80, 5, 5, 5, 5])[0]
    made = base(at, rng, "orchestrator.access") | {
        "logger": "automation_orchestrator.access",
        "status_code": code,
        "duration_ms": round(rng.lognormvariate(4.5, 1), 3),
        "client_ip": f"10.0.0.{rng.randrange(20)}",
        "user_agent": "Mozilla/5.0",
        "path": "/api/workflows",
    }
    route = rng.choice(ROUTES)
    if route:
        made["route"] = route
    made |= fields
    category = {4: "user", 5: "server"}.get(made["status_code"] // 100)
    return made | ({"error": {"category": category}} if category else {})


def execution(rng: random.Random, at: int) -> Made:
    """Make the record of an execution that has ended."""
    failed = rng.random() < 0.1
    made = base(at, rng, "orchestrator.workflow") | {
        "workflow_id": f"workflow_{rng.randrange(3)}",
        "status": "failed" if failed else "success",
        "execution_time_ms": rng.choice([rng.expovariate(1 / 900), 400_000.0]),
    }
    if failed:
        kind = rng.choice(["TimeoutError", "ValueError"])
        made |= {"level": "ERROR", "error_type": kind, "error": {"category": "workflow"}}
    return made


def health(rng: random.Random, at: int, *, free_gb: float = 50.0) -> Made:
    """Make a health record of the application."""
    return base(at, rng) | {
        "logger": "automation_orchestrator.health",
        "extra": {"queue_depth": rng.randrange(200), "storage": {"available_gb": free_gb}},
    }


def poll(rng: random.Random, at: int, status: str | None = None) -> Made:
    """Make the record of a poll of /health."""
    found = status or rng.choices(["healthy", "degraded", "unhealthy"], [90, 5, 5])[0]
    return base(at, rng, "orchestrator.health") | {"status": found}


# The recount.


def of_dataset(records: Iterable[Made], dataset: str) -> list[Made]:
    """Return the records of a dataset."""
    return [each for each in records if each["event"]["dataset"] == f"orchestrator.{dataset}"]


def within(records: Iterable[Made], since: int, until: int) -> list[Made]:
    """Return the records of a time."""
    return [each for each in records if since <= each["at"] < until]


def counted(records: Iterable[Made], key: Callable[[Made], Any]) -> dict[str, int]:
    """Return how many records have each value, without those that have none."""
    return dict(Counter(found for each in records if (found := key(each)) is not None))


def rank(records: Sequence[Made], name: str, percent: float) -> float | None:
    """Return a nearest-rank percentile."""
    return percentile(Counter(each[name] for each in records), percent)
