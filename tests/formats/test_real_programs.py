"""What real programs of Debian write is understood: each line has its time and what it says."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.formats.real_programs import WRITERS, shipper

CONFIG = """\
service: {name: host}
data_dir: data
inputs: [{paths: ["logs/*/*.log"], format: auto, time: {zone: UTC}}]
output: {embedded: {}}
"""


@pytest.fixture(params=WRITERS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, as servers change theirs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        yield place


def test_a_real_program_is_understood(name: str, place: Path) -> None:
    """`auto` takes its files for what they are, and every line has its fields and its time."""
    began = time.time() - 1
    logs, work = place / "logs" / name, place / "work"
    logs.mkdir(parents=True)
    work.mkdir()
    WRITERS[name](work, logs)
    (place / "shipper.yml").write_text(CONFIG)

    findings = shipper(place, "check")
    shipper(place, "run", "--once")
    shipper(place, "export", "all.ndjson")
    lines = (place / "all.ndjson").read_text().splitlines()
    docs = [doc for doc in map(json.loads, lines) if "heartbeat" not in doc.get("extra", {})]

    for path in logs.iterdir():
        assert f"{path.name}: {name}" in findings
    assert [doc for doc in docs if "tags" in doc] == []
    assert all("level" in doc or "status_code" in doc for doc in docs)
    times = [datetime.fromisoformat(doc["@timestamp"]).timestamp() for doc in docs]
    assert all(began <= each <= time.time() + 1 for each in times)
    CLAIMS[name](docs)


def claim_access(docs: list[dict[str, Any]], dataset: str) -> None:
    """Check what both web servers write."""
    access = [doc for doc in docs if doc["event"]["dataset"] == dataset]
    assert {400, 404} <= {doc["status_code"] for doc in access} | {403, 404}
    assert {"GET", "POST"} <= {doc.get("method") for doc in access}
    assert "test/1.0" in {doc.get("user_agent") for doc in access}
    assert {doc["client_ip"] for doc in access} == {"127.0.0.1"}


def claim_nginx(docs: list[dict[str, Any]]) -> None:
    """Check what nginx wrote, as in `status_code:>=500` and `level:error`."""
    claim_access(docs, "nginx.access")
    assert [doc["error"]["category"] for doc in docs if doc.get("status_code") == 503] == ["server"]
    errors = [doc for doc in docs if doc.get("level") == "ERROR"]
    assert any(doc.get("path") == "/no-such-page" for doc in errors)


def claim_apache(docs: list[dict[str, Any]]) -> None:
    """Check what Apache wrote."""
    claim_access(docs, "apache.access")
    assert any(doc["event"]["dataset"] == "apache.error" for doc in docs)


def claim_postgres(docs: list[dict[str, Any]]) -> None:
    """Check that an error is one record with its statement, and whose it was."""
    (error,) = [doc for doc in docs if doc.get("level") == "ERROR"]
    assert "no_such_table" in error["message"]
    assert error["message"].endswith("STATEMENT:  select *\n\tfrom no_such_table")
    assert (error["extra"]["user"], error["extra"]["database"]) == ("app", "postgres")


def claim_redis(docs: list[dict[str, Any]]) -> None:
    """Check that Redis said that it was ready."""
    assert any("Ready to accept connections" in doc["message"] for doc in docs)
    assert {doc["event"]["dataset"] for doc in docs} == {"redis.log"}


CLAIMS = {
    "nginx": claim_nginx,
    "apache": claim_apache,
    "postgres": claim_postgres,
    "redis": claim_redis,
}
