"""
Everything at once: writers that rotate fast, shippers that are killed, outputs that misbehave.

    4 processes ─► app.log, error.log (handler of emit)        ┌► killed shipper ─► index
    1 process   ─► one.log (RotatingFileHandler)         ─────►├► killed shipper ─► proxy ─► …
    1 process   ─► two.log (RotatingFileHandler)               └► without holds  ─► proxy ─► …

Who counts: the writers note their own numbers. A `Witness`, independent of all shippers, keeps
every file open that it sees in the folder, and looks into the folders of holds. A record that
stands only in files which a shipper never held was deleted before that shipper could look: nobody
can store it. Everything else has to be stored, once.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shipper.crashpoints import CrashPoint
from tests.faults.live import ENVIRONMENT, Origin, Writer
from tests.faults.proxy import MODES, Proxy

LOOK_SECONDS = 0.05
LIVES = 0.2, 3.0  # seconds that a shipper lives
STILLBORN = 0.2  # of them die while they start, which takes longer than that on a busy machine
UP = b"shipping as"
UP_SECONDS = 30.0
DRAIN = "250s"

CONFIG = """\
service: {{name: automation-orchestrator, environment: test, version: 1.0.0}}
namespace: {name}
data_dir: {name}/data
host: {{name: {name}}}
inputs:
  - paths: [logs/*.log]
tail: {{scan_seconds: 0.2s}}
holds: {{enabled: {holds}}}
delivery: {{linger_seconds: 50ms, backoff_seconds: 50ms, backoff_max_seconds: 1s}}
output:
  {output}
"""

# Where a kill does not fall at a random moment, it falls at one of these.
AIMED = (
    CrashPoint.INDEXING,
    CrashPoint.INDEXED,
    CrashPoint.PUBLISHED,
    CrashPoint.ACKED,
    CrashPoint.SAVING,
    CrashPoint.HOLD_LINKED,
)


class Victim:
    """A shipper that is killed and started again, in a thread of its own."""

    def __init__(
        self, folder: Path, name: str, output: str, seed: int, *, holds: bool = True
    ) -> None:
        self.name = name
        self.data = folder / name / "data"
        self._folder = folder
        self._chance = random.Random(f"{seed} {name}")
        self.config = folder / f"{name}.yml"
        text = CONFIG.format(name=name, output=output, holds=str(holds).lower())
        self.config.write_text(text)
        self._log = folder / f"{name}.log"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._told = 0  # bytes of the log before the shipper that lives now
        self.kills = 0
        self.fault: str | None = None

    def start(self) -> None:
        self._thread.start()

    def _live(self) -> None:
        while not self._ended.is_set() and self.fault is None:
            chance = self._chance
            aimed = chance.random() < 0.3
            module = ["shipper"]
            if aimed:
                module = ["tests.crashing", chance.choice(AIMED).name, str(chance.randint(1, 4))]
            with self._log.open("ab") as log:
                self._told = log.tell()
                process = subprocess.Popen(
                    [sys.executable, "-m", *module, "--config", str(self.config), "run"],
                    cwd=self._folder,
                    env=ENVIRONMENT,
                    stderr=log,
                )
            if chance.random() > STILLBORN:
                self._wait_until_up(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(*LIVES))
            process.kill()
            ended = process.wait()
            self.kills += 1
            if ended not in {-9, 0}:
                self.fault = f"ended by itself with {ended}"

    def _wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + UP_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if UP in self._log.read_bytes()[self._told :]:
                return
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """Kill it for the last time."""
        self._ended.set()
        self._thread.join(60)
        assert self.fault is None, (self.fault, self._log.read_text()[-2000:])

    def drain(self) -> None:
        """Let it deliver what there is."""
        done = self.run("run", "--once", "--timeout", DRAIN)
        assert done.returncode == 0, done.stderr[-2000:]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "shipper", "--config", str(self.config), *command],
            cwd=self._folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def held(self) -> set[int]:
        """Return the inodes of the files that it holds now."""
        with suppress(FileNotFoundError):
            return {int(name.split("-")[1], 16) for name in os.listdir(self.data / "holds")}
        return set()


class Witness:
    """Sees every file that there ever was, by what the folder shows; keeps all of them open."""

    def __init__(self, logs: Path, victims: list[Victim]) -> None:
        self._logs = logs
        self._files: dict[int, int] = {}  # inode → descriptor
        self._held: dict[str, set[int]] = {victim.name: set() for victim in victims}
        self._victims = victims
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        for name in os.listdir(self._logs):
            with suppress(FileNotFoundError):
                fd = os.open(self._logs / name, os.O_RDONLY)
                if self._files.setdefault(os.fstat(fd).st_ino, fd) != fd:
                    os.close(fd)
        for victim in self._victims:
            self._held[victim.name] |= victim.held()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self.look()

    def out_of_reach(self, victim: Victim) -> set[Origin]:
        """Return the records that stand only in files which this shipper never had a chance at."""
        there = {path.stat().st_ino for path in self._logs.iterdir()}
        reach = self._held[victim.name] | there
        seen, within = set(), set()
        for inode, fd in self._files.items():
            origins = _origins(os.pread(fd, os.fstat(fd).st_size, 0))
            seen |= origins
            if inode in reach:
                within |= origins
        return seen - within

    def close(self) -> None:
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()


def _origins(data: bytes) -> set[Origin]:
    records = map(json.loads, data.splitlines())
    return {(record["run"], record["seq"]) for record in records}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is written: MiB a file, lines a second of each process of emit and of the others."""

    max_bytes: int
    emit_rate: float
    plain_rate: float
    backups: int = 2


FULL = Sizes(1 << 20, 120, 250)
SHORT = Sizes(1 << 18, 60, 120)


@dataclass
class Torture:
    """One run; `found` has what each output holds in the end, by victim."""

    folder: Path
    victims: list[Victim]
    proxies: dict[str, Proxy]
    sizes: Sizes
    seed: int
    written: set[Origin] = field(default_factory=set)

    def run(self, seconds: float) -> Witness:
        """Torture for so long; then let everybody end in peace."""
        logs = self.folder / "logs"
        logs.mkdir()
        witness = Witness(logs, self.victims)
        writers = self._writers(logs)
        try:
            for victim in self.victims:
                victim.start()
            self._misbehave(seconds)
            for each in writers:
                self.written |= each.stop()
        finally:
            for each in writers:
                each.close()
            for proxy in self.proxies.values():
                proxy.mode = "pass"
            for victim in self.victims:
                victim.stop()
            witness.stop()
        for victim in self.victims:
            victim.drain()
        return witness

    def _writers(self, logs: Path) -> list[Writer]:
        plan = [("emit", "app.log", self.sizes.emit_rate)] * 4
        plan += [("plain", name, self.sizes.plain_rate) for name in ("one.log", "two.log")]
        return [
            Writer(
                kind,
                logs / name,
                self.folder / f"note-{number}.json",
                max_bytes=self.sizes.max_bytes,
                backups=self.sizes.backups,
                rate=rate,
            )
            for number, (kind, name, rate) in enumerate(plan)
        ]

    def _misbehave(self, seconds: float) -> None:
        """Let each output do something else every few seconds; the one without holds is out."""
        chance = random.Random(self.seed)
        begun = time.monotonic()
        due = dict.fromkeys(self.proxies, 0.0)
        while (now := time.monotonic() - begun) < seconds:
            for name, proxy in self.proxies.items():
                if name == "unheld":
                    proxy.mode = "refuse" if 0.2 < now / seconds < 0.8 else "pass"
                elif now >= due[name]:
                    proxy.mode = chance.choice(("pass", *MODES))
                    long = chance.random() < 0.15
                    due[name] = now + chance.uniform(*((6, 20) if long else (0.5, 5)))
            time.sleep(0.1)

    def told(self, victim: Victim, found: Counter[Origin], witness: Witness) -> Count:
        """Hold what an output has against what was written."""
        out_of_reach = witness.out_of_reach(victim) - {*found}
        lost = self.written - {*found} - out_of_reach
        return Count(
            victim.name,
            victim.kills,
            len(self.written),
            len(lost),
            sum(count > 1 for count in found.values()),
            len(out_of_reach),
            len({*found} - self.written),
        )


@dataclass(frozen=True, slots=True)
class Count:
    """What became of the records at one output."""

    name: str
    kills: int
    written: int
    lost: int
    doubled: int
    out_of_reach: int
    invented: int

    def __str__(self) -> str:
        return (
            f"{self.name:14} killed {self.kills:4} times, written {self.written:,}: lost"
            f" {self.lost}, doubled {self.doubled}, out of reach {self.out_of_reach}"
        )
