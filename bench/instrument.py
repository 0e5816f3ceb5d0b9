"""
What `shipper.instrument` costs a request: processor time, with and without it, in turns.

    python -m bench.instrument [--requests N]

The application answers at once and no server is in between, so all that is measured is the
middleware: counting, timing, the histogram, the window of five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from shipper.instrument import Instrument
from shipper.instrument.middleware import App

ROUNDS = 7
LIMIT_US = 15.0


class Route:
    path = "/items/{item}"
    endpoint = None


async def application(scope: MutableMapping[str, Any], _receive: Any, send: Any) -> None:
    scope["route"] = Route
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def receive() -> MutableMapping[str, Any]:
    return {"type": "http.request"}


async def send(_message: MutableMapping[str, Any]) -> None:
    return None


async def seconds_of(app: App, requests: int) -> float:
    """Return the processor seconds of so many requests."""
    begin = time.process_time()
    for number in range(requests):
        scope = {"type": "http", "method": "GET", "path": f"/items/{number % 1000}", "headers": []}
        await app(scope, receive, send)
    return time.process_time() - begin


async def measure(folder: Path, requests: int) -> float:
    """Return the microseconds that a request costs more."""
    counted = Instrument(folder=folder, disk_of=None).wrap(application)
    await seconds_of(counted, 1000)
    costs = []
    for _ in range(ROUNDS):
        plain = await seconds_of(application, requests)
        costs.append((await seconds_of(counted, requests) - plain) / requests * 1e6)
    return statistics.median(costs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cost = asyncio.run(measure(Path(folder), options.requests))
    print(f"{cost:.1f} µs of processor time a request, of at most {LIMIT_US:g}")
    return 0 if cost <= LIMIT_US else 1


if __name__ == "__main__":
    raise SystemExit(main())
