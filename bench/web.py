"""
What a page of the dashboard costs over a large embedded store.

    python -m bench.web 10000000 --store var/bench/month
    python -m bench.web 10000000 --store var/bench/hour --within 1h

The store holds the corpus, its records spread evenly over `--within` (usually 30 days: of ten
million records, the last hour has 14,000; with 1h it has all of them, which is the worst case).
Writing it takes minutes; with `--store` it is kept, and used again if it is there. `--until-idle`
waits until the server has closed the store, for its memory then.

Pages are asked for over the last hour, and over all of the time. First the server answers in this
process: CPU time is that of all its threads, time is that until the answer has been sent to its
end; printed are the first request of a fresh server, and the medians of those behind it. Bytes are
those of the page as it is sent, compressed.

Then `shipper serve` runs as a process: its memory before the first page, behind the last one, and
when nobody has asked for anything for some minutes; and how long a record takes from being stored
to the event that shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.store import write
from shipper.alerts.incidents.sla import Sla
from shipper.config.options import parse_duration
from shipper.store.api import Selection, Sort
from shipper.store.embedded.layout import list_store
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from shipper.times import iso
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.stores import LOOK_SECONDS, UNUSED_SECONDS

ROUNDS = 5
PAGES = ("/", "/logs", "/logs?q=level:ERROR", "/logs?q=timeout", "/similar?q=level:ERROR")
TOKEN = "token"
HOUR_MS = 3_600_000
TAILED = 10  # records of the live tail
PAUSE_SECONDS = 0.37  # between two, not in step with the tail
WRITER = "bench-live"  # its folder is removed again
CONFIG = "service: {{name: s}}\ndata_dir: data\ninputs: [{{paths: [none.log]}}]\n"
OUTPUT = "output: {{embedded: {{path: {path}}}}}\n"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and time in milliseconds, and the bytes of an answer."""

    cpu: float
    wall: float
    size: int


async def measure(path: Path, now: int, spans: dict[str, int]) -> None:
    """Print what each page costs over each time."""
    print("   CPU ms    time ms  first CPU, time     sent")
    for name, since in spans.items():
        for page in PAGES:
            alerts = AlertPlaces(path / "none.db", path, path, Sla(), "bench")
            sources = WebSources(lambda: open_embedded(path), alerts, lambda: now)
            transport = httpx.ASGITransport(app=make_app(sources, token=TOKEN, port=1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as one:
                await one.get(f"/reports?token={TOKEN}")
                first, *rest = [await ask(one, within(page, since, now)) for _ in range(ROUNDS + 1)]
            cpu, wall = (
                statistics.median(getattr(each, what) for each in rest) for what in ("cpu", "wall")
            )
            sent = f"{rest[0].size / 1024:6.1f} KiB"
            early = f"{first.cpu:8.0f} {first.wall:8.0f}"
            print(f"{cpu:9.0f} {wall:10.0f} {early} {sent}  {page}, {name}", flush=True)


async def ask(client: httpx.AsyncClient, address: str) -> Cost:
    """Ask for a page."""
    before = time.process_time(), time.perf_counter()
    async with client.stream("GET", address) as answer:
        size = len(b"".join([part async for part in answer.aiter_raw()]))
    assert answer.status_code == 200, address
    cpu, wall = time.process_time() - before[0], time.perf_counter() - before[1]
    return Cost(cpu * 1e3, wall * 1e3, size)


def within(page: str, since: int, now: int) -> str:
    """Return the address of a page over a time."""
    return f"{page}{'&' if '?' in page else '?'}since={iso(since)}&until={iso(now)}"


def serve(path: Path, now: int, spans: dict[str, int], *, until_idle: bool) -> None:
    """Print the memory of a server process, and how late a live record is."""
    with served(path) as (pid, address, client):
        print(f"idle, before the first page: {resident(pid)}")
        for since in spans.values():
            for page in PAGES:
                client.get(f"{address}{within(page, since, now)}").raise_for_status()
        print(f"behind the last page: {resident(pid)}")
        late = sorted(tail(path, address, client))
        print(f"a live record is shown after {late[len(late) // 2]:.0f} ms, {late[-1]:.0f} at most")
        if until_idle:
            time.sleep(UNUSED_SECONDS + 2 * LOOK_SECONDS)
            print(f"idle for some minutes: {resident(pid)}")


@contextmanager
def served(path: Path) -> Iterator[tuple[int, str, httpx.Client]]:
    """Run `shipper serve` for the length of a `with`."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "shipper.yml"
        config.write_text((CONFIG + OUTPUT).format(path=json.dumps(str(path.absolute()))))
        command = [sys.executable, "-m", "shipper", "--config", str(config), "serve"]
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            link = re.search(r"(http://\S+?)/\?token=\S+", process.stdout.readline())
            assert link
            with httpx.Client(timeout=120) as client:
                client.get(link[0].replace("/?", "/reports?"))
                yield process.pid, link[1], client
        finally:
            process.terminate()
            process.wait()


def resident(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    return f"{int(status.partition('VmRSS:')[2].split()[0]) / 1024:.0f} MiB"


def tail(path: Path, address: str, client: httpx.Client) -> Iterator[float]:
    """Store records one by one; yield the milliseconds until each of them is shown."""
    writer = EmbeddedWriter(path, keep_seconds=10**9, max_bytes=1 << 40, name=WRITER)
    try:
        with client.stream("GET", f"{address}/live?q=") as answer:
            events = answer.iter_lines()
            next(events)  # it is open
            for number in range(TAILED):
                time.sleep(PAUSE_SECONDS)
                at = int(time.time() * 1000)
                document = {"@timestamp": iso(at), "message": "live", "run": "r", "seq": number}
                writer.write([f"r-{number}"], [json.dumps(document).encode()], [at])
                stored = time.perf_counter()
                next(line for line in events if line.startswith("data:"))
                yield (time.perf_counter() - stored) * 1e3
    finally:
        writer.close()
        for file in (path / WRITER).iterdir():
            file.unlink()
        (path / WRITER).rmdir()


def run(path: Path, lines: int, within_ms: int, *, until_idle: bool) -> None:
    """Make the store if it is not there, and measure."""
    if not path.exists():
        write(path, lines, within_ms / lines)
    with closing(open_embedded(path)) as store:
        (last,) = store.search(Selection(), limit=1).hits
        (first,) = store.search(Selection(), limit=1, sort=Sort.ASC, counted=False).hits
        now = last.time + 1
        lately = store.count(Selection("", now - HOUR_MS, now))
    pieces = sum(file.is_piece for file in list_store(path))
    print(f"{lately:,} records in the last hour, {pieces} pieces")
    spans = {"the last hour": now - HOUR_MS, "all of the time": min(first.time, now - HOUR_MS)}
    if within_ms <= HOUR_MS:
        del spans["all of the time"]
    asyncio.run(measure(path, now, spans))
    serve(path, now, spans, until_idle=until_idle)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.web")
    parser.add_argument("lines", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--within", type=parse_duration, default=30 * 86_400.0)
    parser.add_argument("--until-idle", action="store_true", help="wait for minutes at the end")
    options = parser.parse_args()
    within_ms = round(options.within * 1000)
    if options.store:
        run(options.store, options.lines, within_ms, until_idle=options.until_idle)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "index", options.lines, within_ms, until_idle=options.until_idle)


if __name__ == "__main__":
    main()
