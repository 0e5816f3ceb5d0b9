"""The application and its load as a user starts them: real processes, sockets and log files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

CHARACTERS_OF_A_RUN = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
CHARACTERS_OF_A_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@contextmanager
def orchestrator(folder: Path, *options: str) -> Iterator[str]:
    """Run the application, give its address, and stop it as an operator does."""
    command = [sys.executable, "-W", "error", "-m", "examples.orchestrator", "--port", "0"]
    command += ["--logs", str(folder / "logs"), "--data", str(folder / "data"), *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRATOR_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+:\d+", process.stdout.readline())
            assert address, "the application did not say where it listens"
            yield address[0]
        finally:
            process.terminate()
            process.wait(20)
    assert process.returncode in {0, -15}


def load(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.orchestrator.load", "--url", url, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def records_in(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "logs" / name).read_text().splitlines()]


def test_two_processes_under_load_log_every_request_once(tmp_path: Path) -> None:
    """Each answer is one line in access.log with the guide's fields, whichever process gave it."""
    with orchestrator(tmp_path, "--workers", "2", "--faults", "none,server_error=0.1") as url:
        made = load(url, "--rate", "60", "--seconds", "2", "--seed", "7")
        rates = httpx.get(f"{url}/api/faults").json()

    assert made.returncode == 0, made.stderr
    answers = int(made.stdout.split()[0])
    access = records_in(tmp_path, "access.log")
    expected = answers + 2  # the load's first look at the health, and the question for the rates
    assert len(access) == expected
    assert rates["server_error"] == 0.1
    assert len({record["run"] for record in access}) <= 2
    for record in access:
        assert CHARACTERS_OF_A_TIMESTAMP.fullmatch(record["timestamp"])
        assert CHARACTERS_OF_A_RUN.fullmatch(record["run"])
        assert record.keys() >= {
            *("level", "logger", "message", "seq", "request_id", "method", "path"),
            *("status_code", "duration_ms", "client_ip", "user_agent"),
        }

    server_errors = [record for record in access if record["status_code"] == 500]
    logged = Counter(record["request_id"] for record in records_in(tmp_path, "error.log"))
    assert server_errors
    assert logged == Counter(record["request_id"] for record in server_errors)

    executed = [record for record in records_in(tmp_path, "workflow.log") if "status" in record]
    assert executed
    assert all(record["workflow_id"] for record in executed)


def test_a_load_without_an_application_says_so() -> None:
    """An address where nothing answers ends the load at once, with a hint."""
    made = load("http://127.0.0.1:9", "--seconds", "1")

    assert made.returncode == 3
    assert "is the application up?" in made.stderr
