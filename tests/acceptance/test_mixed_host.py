"""A host with servers, containers and applications of all kinds is shipped by one short config."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.enrich.enriching import line_of
from tests.formats import real_programs
from tests.formats.real_programs import WRITERS

pytestmark = pytest.mark.slow
CONFIG = """\
service: {name: automation-orchestrator}
data_dir: data
inputs:
  - paths: [logs/orchestrator/*.log]
  - paths: [logs/nginx/*.log, logs/postgres/*.log, logs/redis/*.log]
    format: auto
    time: {zone: UTC}
    service: infrastructure
  - paths: [logs/containers/*/*-json.log]
    format: docker
    service: containers
  - paths: [srv/*/*.log]
    format: auto
    service_from_path: /srv/([^/]+)/
    time: {zone: Asia/Kolkata}
output: {embedded: {path: index}}
alerts: {rules: rules, settings: alerts.yml, grace: 1s, assumed_delay: 1s}
"""
JAVA = """\
2026-02-05 20:00:45.123 [main] INFO  com.example.App - it starts
2026-02-05 20:00:46.123 [main] ERROR com.example.App - no such workflow
java.lang.IllegalStateException: gone
\tat com.example.App.run(App.java:7)
\tat com.example.App.main(App.java:3)
2026-02-05 20:00:47.123 [main] WARN  com.example.App - it goes on
"""
DJANGO = """\
[05/Feb/2026 20:00:45] "GET /a HTTP/1.1" 200 17
[05/Feb/2026 20:00:46] "GET /b HTTP/1.1" 500 17
2026-02-05 20:00:47,123 ERROR django.request: Internal Server Error: /b
Traceback (most recent call last):
  File "views.py", line 7, in b
ValueError: gone
2026-02-05 20:00:48,123 INFO django.server: it goes on
"""
DOCKER = [
    ('{"level":"error","msg":"it broke","time":"2026-02-05T14:30:41Z"}\n', "stderr"),
    ("2026-02-05 14:30:42,123 - app - ERROR - no such workflow\n", "stderr"),
    ("Traceback (most recent call last):\n", "stderr"),
    ("ValueError: gone\n", "stderr"),
    ("plain text\n", "stdout"),
]
RULE = """\
name: errors
severity: high
summary: "{{ events | number }} errors"
count: level:ERROR AND NOT event.dataset:orchestrator.alerts
above: 0
over: 10m
every: 1s
group_by: [service.name]
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, as servers change theirs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "shipper.yml").write_text(CONFIG)
        (place / "rules").mkdir()
        (place / "rules" / "errors.yml").write_text(RULE)
        (place / "alerts.yml").write_text("{}")
        for name in ("orchestrator", "nginx", "postgres", "redis", "containers/c1"):
            (place / "logs" / name).mkdir(parents=True)
        for name in ("orders", "shop"):
            (place / "srv" / name).mkdir(parents=True)
        yield place


shipper = partial(real_programs.shipper, zone="America/New_York")


def write_all(place: Path) -> None:
    """Let all of them write."""
    for name in ("nginx", "postgres", "redis"):
        (place / name).mkdir()
        WRITERS[name](place / name, place / "logs" / name)
    lines = [line_of(0, level="INFO", message="a"), line_of(1, level="ERROR", message="b")]
    (place / "logs/orchestrator/app.log").write_bytes(b"\n".join([*lines, b""]))
    said = (
        {"log": log, "stream": stream, "time": f"2026-02-05T14:30:5{number}.123456789Z"}
        for number, (log, stream) in enumerate(DOCKER)
    )
    text = "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in said)
    (place / "logs/containers/c1/c1-json.log").write_text(text)
    (place / "srv/orders/app.log").write_text(JAVA)
    (place / "srv/shop/django.log").write_text(DJANGO)


def found(place: Path, query: str) -> list[dict[str, Any]]:
    """Return the records that a query finds, but for what the shipper says of itself."""
    lines = shipper(place, "search", query, "--json", "--limit", "1000").splitlines()
    docs = [json.loads(line) for line in lines]
    return [doc for doc in docs if "heartbeat" not in doc["event"]["dataset"]]


def test_one_config_ships_a_host(place: Path) -> None:
    """Each file is what it is, levels and statuses are found, times are those of the lines."""
    assert len(CONFIG.splitlines()) <= 25
    began = time.time() - 1
    write_all(place)

    findings = shipper(place, "check", fails=True)
    shipper(place, "run", "--once")

    kinds = {
        "access.log": "nginx",
        "error.log": "nginx",
        "postgresql.log": "postgres",
        "redis.log": "redis",
        "c1-json.log": "docker",
        "orders/app.log": "java",
        "shop/django.log": "python",
    }
    for path, kind in kinds.items():
        assert f"{path}: {kind}" in findings

    errors = found(place, "level:error")
    assert {doc["level"] for doc in errors} == {"ERROR"}
    by_service = Counter((doc["service"]["name"], doc["event"]["dataset"]) for doc in errors)
    nginx = (place / "logs/nginx/error.log").read_text().count("[error]")
    assert by_service == {
        ("automation-orchestrator", "orchestrator.app"): 1,
        ("infrastructure", "nginx.error"): nginx,
        ("infrastructure", "postgresql.log"): 1,
        ("containers", "docker.log"): 1,
        ("containers", "python.log"): 1,
        ("orders", "java.log"): 1,
        ("shop", "python.log"): 1,
    }
    assert nginx > 0
    java = next(doc for doc in errors if doc["service"]["name"] == "orders")
    assert (java["message"], java["error_type"]) == (
        *("no such workflow", "java.lang.IllegalStateException"),
    )
    assert java["exc_info"].endswith("App.java:3)")

    broken = found(place, "status_code:>=500")
    assert sorted((doc["service"]["name"], doc["path"]) for doc in broken) == [
        ("infrastructure", "/broken"),
        ("shop", "/b"),
    ]

    times = {
        service: [doc["@timestamp"][11:19] for doc in found(place, f"service.name:{service}")]
        for service in ("orders", "shop", "containers", "automation-orchestrator")
    }
    assert times["orders"] == ["14:30:45", "14:30:46", "14:30:47"]  # India is 5:30 ahead
    assert times["shop"] == ["14:30:45", "14:30:46", "14:30:47", "14:30:48"]
    assert times["containers"] == ["14:30:41", "14:30:42", "14:30:54"]
    assert times["automation-orchestrator"] == ["14:30:45"] * 2
    for doc in found(place, "service.name:infrastructure"):
        at = datetime.fromisoformat(doc["@timestamp"]).timestamp()
        assert began <= at <= time.time() + 1
    assert not [doc for doc in found(place, "*") if "tags" in doc]


def test_rules_judge_each_service_of_a_host(place: Path) -> None:
    """The service of a file, of its path, or of the config has incidents of its own."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    for service, level in (("orders", "ERROR"), ("shop", "INFO")):
        lines = [{"time": now, "level": level, "msg": f"{n}", "name": "x"} for n in range(5)]
        text = "".join(json.dumps(each) + "\n" for each in lines)
        (place / "srv" / service / "app.json.log").write_text(text)
    errors = "".join(f"{now} [main] ERROR app - {n}\n" for n in range(3))
    (place / "logs/redis/other.log").write_text(errors)
    shipper(place, "run", "--once")

    for _ in range(20):  # what was just stored is looked at after `grace`
        shipper(place, "alerts", "once")
        listed = shipper(place, "alerts", "list")
        if "orders" in listed and "infrastructure" in listed:
            break
        time.sleep(0.5)

    assert "orders" in listed
    assert "infrastructure" in listed
    assert "shop" not in listed
    assert "automation-orchestrator" not in listed
