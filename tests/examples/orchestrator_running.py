"""The example application in this process, its HTTP client, and the lines that it logs."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from examples.orchestrator.app import create_app, install
from examples.orchestrator.settings import Settings
from shipper import emit

LIMIT_SECONDS = 10.0


class Lines(logging.Handler):
    """Keeps every record as the fields that its line in a log file would have."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []
        self.setFormatter(emit.JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(json.loads(self.format(record)))

    def of(self, logger: str, **fields: object) -> list[dict[str, Any]]:
        """List the records of a logger that have all these fields."""
        return [
            record
            for record in self.records
            if record["logger"] == f"automation_orchestrator.{logger}"
            and fields.items() <= record.items()
        ]


@dataclass(frozen=True, slots=True)
class Running:
    """An application that runs."""

    client: httpx.AsyncClient
    log: Lines

    async def run(self, workflow_id: str, data: object = None) -> dict[str, Any]:
        """Run a workflow and return how the execution ended."""
        answer = await self.client.post(
            f"/api/workflows/{workflow_id}/run", json={"data": data or {}}
        )
        assert answer.status_code == 202, answer.text
        return await self.outcome(answer.json()["execution_id"])

    async def outcome(self, execution_id: str) -> dict[str, Any]:
        """Wait until an execution has ended."""
        execution: dict[str, Any] = {}

        async def has_ended() -> bool:
            answer = await self.client.get(f"/api/executions/{execution_id}")
            execution.update(answer.json())
            return execution["status"] in {"success", "failed"}

        deadline = time.monotonic() + LIMIT_SECONDS
        while not await has_ended():
            assert time.monotonic() < deadline, execution
            await asyncio.sleep(0.01)
        return execution

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            await asyncio.sleep(0.01)


async def health_until(app: Running, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask for the health until it is so; probes are kept for a second or so."""
    deadline = time.monotonic() + 3 * LIMIT_SECONDS
    while not is_so(found := (await app.client.get("/health")).json()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)
    return dict(found)


@asynccontextmanager
async def running(folder: Path, faults: str = "none", **settings: Any) -> AsyncIterator[Running]:
    """Install and run the application in a folder."""
    wanted = Settings(
        logs=folder,
        data=folder / "data",
        faults=faults,
        poll_seconds=0.01,
        tick_seconds=0.05,
        **settings,
    )
    install(wanted)
    app = create_app(wanted)
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 50_000))
    with _captured() as log:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://orchestrator") as client,
        ):
            yield Running(client, log)


@contextmanager
def _captured() -> Iterator[Lines]:
    lines = Lines()
    logger = logging.getLogger("automation_orchestrator")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.setLevel(level)
        logger.removeHandler(lines)
