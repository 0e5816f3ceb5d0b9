"""`shipper run` polls an application, and every poll is one record, whatever kills the shipper."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shipper.cli import main
from tests.poll.answering import HEALTHY, answer, answering

CONFIG = """\
service: {{name: app}}
data_dir: {folder}/data
inputs: [{{paths: ["{folder}/logs/*.log"]}}]
output: {{embedded: {{path: "{folder}/index"}}}}
health:
  - {{name: api, url: "{url}/health", every: 1s, timeout: 1s}}
  - {{name: gone, url: "http://127.0.0.1:1/health", every: 1s, timeout: 1s}}
"""
LIMIT_SECONDS = 90


def cli(config: Path, *args: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["--config", str(config), *args], catch_exceptions=False)
    return done.exit_code, done.stdout


def polls(config: Path) -> list[dict[str, Any]]:
    code, text = cli(
        config, "search", "event.dataset:orchestrator.health", "--json", "--limit", "1000"
    )
    return [json.loads(line) for line in text.splitlines()] if code == 0 else []


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_poll_is_stored_once_after_kills(tmp_path: Path) -> None:
    """
    Killed with -9 twice and stopped once: no number of a run is missing, none is there twice.

    A reload polls what the new config names.
    """
    (tmp_path / "logs").mkdir()
    config = tmp_path / "shipper.yml"
    command = [sys.executable, "-m", "shipper", "--config", str(config), "run"]
    with answering(answer(HEALTHY)) as url:
        config.write_text(CONFIG.format(folder=tmp_path, url=url))
        for end in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
            before = len(polls(config))
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                until(lambda before=before: len(polls(config)) >= before + 4)  # type: ignore[misc]
            finally:
                process.send_signal(end)
                process.wait(LIMIT_SECONDS)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            before = len(polls(config))
            until(lambda: len(polls(config)) > before)
            config.write_text(config.read_text().replace("name: gone", "name: later"))
            process.send_signal(signal.SIGHUP)
            until(lambda: "later" in {each["extra"]["target"] for each in polls(config)})
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT_SECONDS)
        subprocess.run([*command, "--once"], check=True, timeout=LIMIT_SECONDS)

    found = polls(config)
    written = (tmp_path / "data/polls.log").read_text().splitlines()
    assert sorted((each["run"], each["seq"]) for each in found) == sorted(
        (line["run"], line["seq"]) for line in map(json.loads, written)
    )
    assert len({(each["run"], each["seq"]) for each in found}) == len(found)
    states = {each["extra"]["target"]: each["status"] for each in found}
    assert states == {"api": "healthy", "gone": "unhealthy", "later": "unhealthy"}
    assert {each["extra"].get("failure") for each in found} == {None, "refused"}
    assert cli(config, "audit")[0] == 0


def test_what_is_no_health_leads_to_the_option(tmp_path: Path) -> None:
    """Who asks another page than /health is told how."""
    config = tmp_path / "shipper.yml"
    with answering(answer({"api_calls_total": 3})) as url:
        wrong = cli(config, "health", f"{url}/api/metrics")
        right = cli(config, "health", f"{url}/api/metrics", "--expect", "metrics")

    assert wrong[0] == 1
    assert "--expect" in wrong[1]
    assert right[0] == 0
    assert "  api_calls_total: 3\n" in right[1]


def test_shipper_health_asks_once(tmp_path: Path) -> None:
    """Exit 0 if all are healthy, 1 if not, 2 without anything to ask; nothing is recorded."""
    config = tmp_path / "shipper.yml"
    with answering(answer(HEALTHY)) as url:
        config.write_text(CONFIG.format(folder=tmp_path, url=url))
        one = cli(config, "health", f"{url}/health")
        every = cli(config, "health", "--json")
        other = cli(config, "health", f"{url}/health", "--expect", "metrics")
        assert cli(config, "health", "--expect", "metrics")[0] == 2
    config.write_text(CONFIG.format(folder=tmp_path, url=url).partition("health:")[0])

    assert one[0] == 0
    assert "application is healthy" in one[1]
    assert "  queue_depth: 12\n" in one[1]
    assert other[0] == 0
    assert "  queue_depth: 12\n" in other[1]
    assert every[0] == 1
    first, second = map(json.loads, every[1].splitlines())
    assert (first["target"], first["success_rate"]) == ("api", 0.9858)
    assert (second["target"], second["failure"]) == ("gone", "refused")
    assert cli(config, "health")[0] == 2
    assert cli(config, "health", "http://user:hidden@127.0.0.1:1/")[0] == 2
    assert not (tmp_path / "data").exists()
