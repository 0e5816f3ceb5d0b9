"""
What a page of the dashboard costs over a large embedded store.

    python -m bench.web 1000000

The server answers in this process; a page is asked for five times, with all records of the corpus
and with the last of them in its time. CPU time is that of this process with all its threads; the
figures are medians, bytes are those of the page as it is sent, compressed.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx

from bench.store import write
from shipper.alerts.incidents.sla import Sla
from shipper.store.api import Selection
from shipper.store.opening import open_embedded
from shipper.times import iso
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces

ROUNDS = 5
PAGES = ("/", "/logs", "/logs?q=level:ERROR", "/similar?q=level:ERROR", "/pipeline")
TOKEN = "token"


async def measure(path: Path, now: int, spans: dict[str, int]) -> None:
    """Print the median CPU time, wall time and size of each page and time."""
    alerts = AlertPlaces(path / "none.db", path, path, Sla(), "bench")
    app = make_app(
        WebSources(lambda: open_embedded(path), alerts, lambda: now), token=TOKEN, port=1
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await client.get(f"/?token={TOKEN}")
        for name, since in spans.items():
            for page in PAGES:
                address = f"{page}{'&' if '?' in page else '?'}since={iso(since)}&until={iso(now)}"
                cpu, wall, size = [], [], 0
                for _ in range(ROUNDS):
                    before = time.process_time(), time.perf_counter()
                    async with client.stream("GET", address) as answer:
                        size = len(b"".join([part async for part in answer.aiter_raw()]))
                    assert answer.status_code == 200, page
                    cpu.append(time.process_time() - before[0])
                    wall.append(time.perf_counter() - before[1])
                used, took = statistics.median(cpu) * 1e3, statistics.median(wall) * 1e3
                sent = f"{size / 1024:6.1f} KiB"
                print(f"{used:8.1f} ms CPU {took:8.1f} ms {sent}  {page}, {name}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.web")
    parser.add_argument("lines", nargs="?", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write(path, lines)
        with closing(open_embedded(path)) as store:
            (last,) = store.search(Selection(), limit=1).hits
        now = last.time + 1
        asyncio.run(
            measure(path, now, {"300 days": now - 300 * 86_400_000, "last minute": now - 60_000})
        )


if __name__ == "__main__":
    main()
