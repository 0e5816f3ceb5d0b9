"""An alert job as real processes, over an index of its own and a server that records pages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import NotificationState, Outbox
from shipper.store.embedded.writer import EmbeddedWriter
from tests.servers.posts import Posts
from tests.store.store_records import KEEP_SECONDS, enriched, record, write

ROOT = Path(__file__).parents[2]
RULE = """\
name: errors
severity: high
summary: "{{ value | number }} errors"
count: level:ERROR
above: 2
over: 10m
every: 1s
group_by: [service.name]
"""
CONFIG = """\
service: {name: shop}
data_dir: data
inputs: [{paths: [logs/*.log]}]
output: {embedded: {path: index}}
alerts: {rules: rules, settings: alerts.yml, grace: 1s, assumed_delay: 1s, blind_after: 10s}
"""
LIMIT_SECONDS = 60


class Alerting:
    """A folder with a config, a rule, records, and two alerters that the server stands for."""

    def __init__(self, folder: Path, posts: Posts, config: str = CONFIG) -> None:
        self.folder = folder
        self.posts = posts
        self.config = folder / "shipper.yml"
        self.config.write_text(config)
        (folder / "rules").mkdir()
        (folder / "rules/errors.yml").write_text(RULE)
        (folder / "hook").write_text(f"{posts.url}/slack")
        self.alerters(
            {
                "hook": {"webhook": {"url": f"{posts.url}/hook"}},
                "chat": {"slack": {"url_file": str(folder / "hook")}},
            }
        )
        self.processes: list[subprocess.Popen[bytes]] = []
        self._seq = 0

    def alerters(self, told: dict[str, Any], **more: Any) -> None:
        """Say who is told, in the file of alerters."""
        retry = {"first_seconds": 0.2, "longest_seconds": 0.5}
        content = {"alerters": told, "retry": retry, **more}
        (self.folder / "alerts.yml").write_text(json.dumps(content))

    def fail(self, count: int = 3, level: str = "ERROR") -> None:
        """Store errors of this moment."""
        writer = EmbeddedWriter(self.folder / "index", keep_seconds=KEEP_SECONDS, max_bytes=1 << 30)
        made = []
        for _ in range(count):
            self._seq += 1
            made.append(
                record(self._seq, time.time_ns() // 10**6, level=level, **enriched("app", 1))
            )
        try:
            assert write(writer, made) == []
        finally:
            writer.close()

    def command(self, *arguments: str, step: str | None = None) -> list[str]:
        program = ["shipper.cli"] if step is None else ["tests.crashing", step, "1"]
        return [sys.executable, "-m", *program, "--config", str(self.config), *arguments]

    def start(self, *arguments: str, step: str | None = None) -> subprocess.Popen[bytes]:
        """Start a process; `step` is where it is ended as by kill -9."""
        with (self.folder / "job.out").open("ab") as out:
            process = subprocess.Popen(
                self.command(*arguments, step=step),
                cwd=self.folder,
                stdout=out,
                stderr=out,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        self.processes.append(process)
        return process

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait(LIMIT_SECONDS)

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(LIMIT_SECONDS)

    def heard(self, name: str) -> Counter[str]:
        """Count what came: to the webhook by key, to the chat by its text but for the age."""
        if name == "hook":
            found = [each for each in self.posts.posted if each.path == "/hook"]
            return Counter(each.headers["webhook-id"] for each in found)
        found = [each for each in self.posts.posted if each.path == "/slack"]
        texts = (json.loads(each.body)["attachments"][0]["text"] for each in found)
        return Counter(re.sub(r", [^,\n]* ago", "", text) for text in texts)

    def wait(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so."""
        end = time.monotonic() + LIMIT_SECONDS
        while not is_so():
            assert time.monotonic() < end, (self.folder / "job.out").read_text()
            time.sleep(0.05)

    def incidents(self, *phases: Phase) -> list[Incident]:
        path = self.folder / "data/alerts.db"
        if not path.exists():
            return []
        ledger = Ledger(path)
        try:
            return ledger.incidents(phases or list(Phase))
        finally:
            ledger.close()

    def notifications(self) -> list[NotificationState]:
        ledger = Ledger(self.folder / "data/alerts.db")
        try:
            found = ledger.incidents(list(Phase))
            return [each for one in found for each in Outbox(ledger).notifications(one.id)]
        finally:
            ledger.close()

    def output(self) -> str:
        """Return what the jobs have said."""
        return (self.folder / "job.out").read_text()
