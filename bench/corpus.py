"""
A seeded corpus of log lines as `emit` writes them: the same seed gives the same bytes.

About 300 bytes a line in the mean; a third access records, 5 % errors with a traceback, the rest
of workflows, queue and worker; one run, `seq` without a gap, a thousand records a second. Text is
drawn from pools and put together by f-strings, since `json.dumps` would take longer than what is
to be measured.

    python -m bench.corpus 1000000 var/bench/corpus.log --seed 1
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

START_MS = 1_770_301_845_123  # 2026-02-05T14:30:45.123Z
RUN = "01KGQ6Q5K3C0RPVSBENCH00000"
BLOCK_LINES = 10_000

_STATUSES = [200] * 50 + [201] * 6 + [204] * 4 + [401, 404, 422, 500]
_AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64)",
    "python-httpx/0.28.1",
    "curl/8.14.1",
    "kube-probe/1.33",
]
_ROUTES = [
    ("GET", "/api/workflows/workflow_{}", "/api/workflows/{workflow_id}"),
    ("POST", "/api/workflows/workflow_{}/execute", "/api/workflows/{workflow_id}/execute"),
    ("GET", "/api/workflows", "/api/workflows"),
    ("GET", "/health", "/health"),
]
_ERRORS = [
    ("TimeoutError", "no answer from crm.internal within {} ms"),
    ("OperationalError", "database is locked after {} ms"),
    ("ConnectionError", "connection to mail.internal was reset after {} ms"),
    ("ValueError", "action {} has no field named recipient"),
]
_EVENTS = [
    ("INFO", "workflows", "Workflow executed successfully"),
    ("INFO", "worker", "Task was taken from the queue"),
    ("DEBUG", "queue", "Trigger was evaluated, no change since"),
    ("WARNING", "worker", "Task is tried again: naïve time-out"),
]


@dataclass(frozen=True, slots=True)
class _Pools:
    """What a line draws from; the sizes are powers of two."""

    durations: list[float]
    addresses: list[str]
    tracebacks: list[tuple[str, str]]


def blocks(
    count: int, *, seed: int = 1, start_ms: int = START_MS, run: str = RUN, step_ms: float = 1
) -> Iterator[bytes]:
    """
    Yield `count` lines in blocks of up to 10,000; the first one happens at `start_ms`.

    `step_ms` is the mean time from one to the next.
    """
    rng = random.Random(seed)
    pools = _pools(rng)
    kinds: list[Callable[[_Pools, int], str]] = [_access] * 33 + [_error] * 5 + [_event] * 62
    bits_of, second, moment = rng.getrandbits, 0, ""
    exact: float = start_ms
    for first in range(0, count, BLOCK_LINES):
        lines = []
        for seq in range(first, min(first + BLOCK_LINES, count)):
            bits = bits_of(128)
            exact += bits % 3 * step_ms
            now = int(exact)
            if now >= second + 1000:
                second = now - now % 1000
                moment = f"{datetime.fromtimestamp(second / 1000, UTC):%Y-%m-%dT%H:%M:%S}"
            fields = kinds[bits % 100](pools, bits >> 16)
            stamp = f"{moment}.{now - second:03}Z"
            lines.append(f'{{"timestamp":"{stamp}",{fields},"run":"{run}","seq":{seq}}}\n')
        yield "".join(lines).encode()


def write(path: Path, count: int, *, seed: int = 1, start_ms: int = START_MS) -> int:
    """Write a corpus to a file, with its folder; return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        return sum(map(file.write, blocks(count, seed=seed, start_ms=start_ms)))


def _access(pools: _Pools, bits: int) -> str:
    method, path, route = _ROUTES[bits & 3]
    workflow, status = bits >> 2 & 511, _STATUSES[bits >> 11 & 63]
    path = path.format(workflow)
    return (
        f'"level":"INFO","logger":"automation_orchestrator.access",'
        f'"message":"{method} {path} {status}","request_id":"{_request_id(bits)}",'
        f'"method":"{method}","path":"{path}","route":"{route}","status_code":{status},'
        f'"duration_ms":{pools.durations[bits >> 17 & 4095]},'
        f'"client_ip":"{pools.addresses[bits >> 29 & 1023]}",'
        f'"user_agent":"{_AGENTS[bits >> 39 & 3]}"'
    )


def _error(pools: _Pools, bits: int) -> str:
    name, trace = pools.tracebacks[bits & 255]
    return (
        f'"level":"ERROR","logger":"automation_orchestrator.workflows",'
        f'"message":"Workflow failed at action {bits >> 8 & 15}",'
        f'"workflow_id":"workflow_{bits >> 12 & 511}","request_id":"{_request_id(bits)}",'
        f'"error_type":"{name}","exc_info":"{trace}",'
        f'"execution_time_ms":{bits >> 21 & 8191},"status":"failed"'
    )


def _event(_pools: _Pools, bits: int) -> str:
    level, logger, message = _EVENTS[bits & 3]
    ended = "" if bits & 3 else f',"execution_time_ms":{bits >> 21 & 1023},"status":"success"'
    return (
        f'"level":"{level}","logger":"automation_orchestrator.{logger}","message":"{message}",'
        f'"workflow_id":"workflow_{bits >> 12 & 511}","request_id":"{_request_id(bits)}"{ended}'
    )


def _request_id(bits: int) -> str:
    return f"req_{bits >> 48 & 0xFFFFFFFFFFFF:012x}"


def _pools(rng: random.Random) -> _Pools:
    return _Pools(
        durations=[round(rng.lognormvariate(3.5, 1.0), 2) for _ in range(4096)],
        addresses=[f"10.0.{rng.randrange(16)}.{rng.randrange(1, 255)}" for _ in range(1024)],
        tracebacks=[_traceback(rng) for _ in range(256)],
    )


def _traceback(rng: random.Random) -> tuple[str, str]:
    name, told = rng.choice(_ERRORS)
    frames = "".join(
        rf"  File \"/srv/orchestrator/{module}.py\", line {rng.randrange(1, 400)}, in {function}\n"
        rf"    {code}\n"
        for module, function, code in (
            ("engine/runner", "execute", "outcome = action.run(context)"),
            ("actions/http", "run", "answer = self.client.send(request, timeout=self.timeout)"),
            ("actions/client", "send", "return self._read(connection)"),
            ("actions/client", "_read", "raise failure from None"),
        )[: rng.randrange(2, 5)]
    )
    told = told.format(rng.randrange(1, 9000))
    return name, rf"Traceback (most recent call last):\n{frames}{name}: {told}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.corpus", description="Write a corpus.")
    parser.add_argument("lines", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    size = write(options.path, options.lines, seed=options.seed)
    print(f"{options.path}: {options.lines:,} lines, {size:,} bytes")


if __name__ == "__main__":
    main()
