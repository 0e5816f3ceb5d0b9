"""
Real servers with several workers under real load: any of them answers for all.

The sums are those that the clients counted, whatever becomes of workers.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shipper.instrument.shared import MOST_DEAD
from tests.instrument.test_endpoints import lint
from tests.tail.tailing import open_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PACKAGES = [each for each in sys.path if each.endswith("-packages")]
LIMIT_SECONDS = 120.0
BROKEN = (OSError, HTTPException)
APP = "tests.instrument.served:app"
GUNICORN = ["gunicorn", "-k", "uvicorn_worker.UvicornWorker", "--graceful-timeout", "60"]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass(frozen=True)
class Answered:
    status_code: int
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[bytes]
    url: str

    def get(self, path: str) -> Answered:
        connection = HTTPConnection("127.0.0.1", int(self.url.rpartition(":")[2]), timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return Answered(answer.status, answer.read())
        finally:
            connection.close()

    def metrics(self) -> dict[str, Any]:
        """Return what is said after answers are not the kept ones any more."""
        time.sleep(1.1)
        found: dict[str, Any] = self.get("/api/metrics").json()
        return found

    def pids(self) -> set[int]:
        return {each["pid"] for each in self.get("/api/metrics").json()["processes"]}


@contextmanager
def served(
    folder: Path, server: list[str], *, workers: int, python: str = sys.executable
) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "-m", *server, APP, "--workers", str(workers)]
    if server[0] == "uvicorn":
        command += ["--port", str(port), "--log-level", "warning"]
    else:
        command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    paths = [str(ROOT)] if python == sys.executable else [str(ROOT), *PACKAGES]
    environment = {**os.environ, "PYTHONPATH": ":".join(paths), "NUMBERS": str(folder)}
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    found = Served(process, f"http://127.0.0.1:{port}")
    try:
        until(lambda: answers(found))
        until(lambda: found.get("/api/metrics").json()["workers"] == workers)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()


def answers(found: Served) -> bool:
    assert found.process.poll() is None
    try:
        return found.get("/health/live").status_code == 200
    except BROKEN:
        return False


def load(found: Served, paths: list[str], *, clients: int = 8, rounds: int = 60) -> Counter[int]:
    """Ask from several threads, a connection for each request; count what was answered."""
    counts: Counter[int] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        for number in range(rounds):
            try:
                status = found.get(paths[number % len(paths)]).status_code
            except BROKEN:
                status = 0
            with lock:
                counts[status] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return counts


PATHS = ["/ok/1", "/ok/2", "/fails", "/works", "/nowhere"]


@pytest.mark.parametrize("workers", [1, 4])
def test_uvicorn_workers_add_up(tmp_path: Path, workers: int) -> None:
    """Calls, errors and workflows are what clients counted; each worker says the same."""
    with served(tmp_path, ["uvicorn"], workers=workers) as found:
        counts = load(found, PATHS)
        said = [found.metrics() for _ in range(3)]
        health = found.get("/health").json()
        text = found.get("/metrics").text

    total = counts.total()
    assert set(counts) == {200, 404, 503}
    for each in said:
        assert each["api_calls_total"] == total
        assert each["errors_total"] == counts[503]
        assert each["workflows"]["total"] == total // 5
        assert len(each["processes"]) == each["workers"] == workers
        assert each["queues"]["tasks"]["depth"] == 3
    assert health["metrics"]["requests_total"] == total
    assert health["metrics"]["success_rate"] == 0.8
    lint(text)
    samples = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == "http_requests"
        for sample in family.samples
    }
    assert samples["/ok/{number}", "200"] == total * 2 / 5
    assert "http_requests_in_progress 0.0" in text


def test_a_killed_worker_leaves_its_counts_and_nothing_else(tmp_path: Path) -> None:
    """Kill -9 of a uvicorn worker: sums stay, its memory and its requests in progress go."""
    with served(tmp_path, ["uvicorn"], workers=3) as found:
        counts = load(found, PATHS)
        before = found.pids()
        hang = [threading.Thread(target=load, args=(found, ["/slow"])) for _ in range(3)]
        for each in hang:
            each.start()
        os.kill(min(before), signal.SIGKILL)
        for each in hang:
            each.join()
        until(lambda: len(found.pids() - {min(before)}) == 3)
        said = found.metrics()
        text = found.get("/metrics").text

    assert said["api_calls_total"] >= counts.total()
    assert said["errors_total"] == counts[503]
    assert min(before) not in {each["pid"] for each in said["processes"]}
    assert f'pid="{min(before)}"' not in text
    assert "http_requests_in_progress 0.0" in text


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_gunicorn_reloads_and_loses_no_count(tmp_path: Path, preload: list[str]) -> None:
    """HUP replaces all workers: sums go on, also where workers are forked from a loaded parent."""
    with served(tmp_path, [*GUNICORN, *preload], workers=2) as found:
        counts = load(found, PATHS)
        before = found.pids()
        uptime = found.metrics()["uptime_seconds"]
        found.process.send_signal(signal.SIGHUP)
        until(lambda: not before & found.pids() and len(found.pids()) == 2)
        counts += load(found, PATHS)
        said = found.metrics()

    assert said["api_calls_total"] == counts.total()
    assert said["uptime_seconds"] >= uptime
    assert said["workers"] == 2


def python_of_all() -> str:
    """Return a Python of our version that every user may run; skip the test if there is none."""
    for found in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        place = Path(found).resolve()
        if place.exists() and all(each.stat().st_mode & 0o001 for each in place.parents):
            return found
    pytest.skip("other users may not run this Python")


@pytest.mark.parametrize("preload", [[], ["--preload"]])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give workers to another user")
def test_workers_of_another_user_than_the_arbiter_s_share_numbers(preload: list[str]) -> None:
    """Root starts gunicorn, and `nobody` answers; whoever imports the application, it adds up."""
    user = ["--user", "nobody", "--group", "nogroup"]
    server = [*GUNICORN, *user, *preload]
    with open_folder() as folder:
        place = folder / "numbers"
        place.mkdir(mode=0o700)
        shutil.chown(place, "nobody")
        with served(place, server, workers=2, python=python_of_all()) as found:
            counts = load(found, PATHS, clients=4, rounds=30)
            said = [found.metrics() for _ in range(3)]

    for each in said:
        assert each["api_calls_total"] == counts.total()
        assert each["workers"] == 2


def test_recycled_workers_keep_the_sums_and_few_files(tmp_path: Path) -> None:
    """
    Gunicorn's --max-requests, with one worker at a time: after many of them, the sums hold.

    Files of dead workers are added up once no window has their last requests.
    """
    server = [*GUNICORN, "--max-requests", "10"]
    with served(tmp_path, server, workers=1) as found:
        (folder,) = tmp_path.iterdir()
        counts: Counter[int] = Counter()
        while len([*folder.glob("worker_*.window")]) <= MOST_DEAD + 2:
            counts += load(found, ["/ok/1"], clients=2, rounds=40)
        for path in folder.glob("worker_*.window"):
            os.utime(path, (1, 1))
        said = found.metrics()
        files = len([*folder.iterdir()])
        later = found.metrics()

    assert said["api_calls_total"] == later["api_calls_total"]
    assert said["api_calls_total"] >= counts[200]
    assert said["api_calls_total"] - counts[200] <= counts[0]
    assert said["workers"] == 1
    assert files < 30


def test_the_next_start_begins_anew_and_two_applications_are_two(tmp_path: Path) -> None:
    """Folders of ended applications are deleted; of two that run, each has its own numbers."""
    with served(tmp_path, ["uvicorn"], workers=2) as found:
        load(found, ["/ok/1"], clients=1, rounds=10)
        with served(tmp_path, ["uvicorn"], workers=1) as other:
            load(other, ["/ok/1"], clients=1, rounds=5)
            assert other.metrics()["api_calls_total"] == 5
            assert found.metrics()["api_calls_total"] == 10
            assert len([*tmp_path.iterdir()]) == 2
    with served(tmp_path, ["uvicorn"], workers=2) as found:
        assert found.metrics()["api_calls_total"] == 0
        assert len([*tmp_path.iterdir()]) == 1


def test_the_loop_of_the_guide_works(tmp_path: Path) -> None:
    """Curl and jq (or Python, where there is no jq) read the status, whatever the HTTP status."""
    script = (
        'response=$(curl -s "$URL/health" | python3 -c '
        "'import json, sys; print(json.dumps(json.load(sys.stdin)[\"status\"]))')\n"
        'if [ "$response" != \'"healthy"\' ]; then echo "ALERT: System unhealthy"; fi\n'
    )

    def ask(found: Served) -> str:
        environment = {**os.environ, "URL": found.url}
        done = subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    with served(tmp_path, ["uvicorn"], workers=1) as found:
        assert ask(found) == ""
        load(found, ["/fails"])
        time.sleep(1.1)
        assert ask(found) == "ALERT: System unhealthy\n"
        assert found.get("/health").status_code == 503
