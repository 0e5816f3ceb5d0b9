"""
Mixed traffic as clients of the orchestrator make it: `python -m examples.orchestrator.load`.

Requests start at an even rate, whether or not the ones before are answered, as those of independent
clients do. When too many are unanswered the new ones are left out and counted.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from examples.orchestrator.auth import DEMO_USERS

MAX_IN_FLIGHT = 200
WORKFLOWS = ("workflow_welcome_mail", "workflow_invoice_import", "workflow_customer_sync")
WORKFLOWS_KEPT = 5  # of those that the load creates; the oldest is deleted first
BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_3) AppleWebKit/605.1.15 Safari/605.1.15",
    "orchestrator-client/1.0",
)


@dataclass(slots=True)
class Summary:
    """What came of it."""

    answers: Counter[int] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    total_ms: float = 0.0
    slowest_ms: float = 0.0

    def note(self, status_code: int, duration_ms: float) -> None:
        """Count an answer."""
        self.answers[status_code] += 1
        self.total_ms += duration_ms
        self.slowest_ms = max(self.slowest_ms, duration_ms)

    def __str__(self) -> str:
        count = self.answers.total()
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(self.answers.items()))
        lost = ", ".join(f"{name}: {n}" for name, n in self.unanswered.items()) or "none"
        mean_ms = self.total_ms / count if count else 0.0
        return (
            f"{count} answers ({codes or 'none'})\n"
            f"mean {mean_ms:.1f} ms, slowest {self.slowest_ms:.1f} ms\n"
            f"unanswered: {lost}; left out: {self.left_out}"
        )


class Visitor:
    """All the clients in one: what they know of the application, and what they do next."""

    def __init__(self, client: httpx.AsyncClient, rng: random.Random) -> None:
        self.summary = Summary()
        self._client = client
        self._random = rng
        self._created: deque[str] = deque()
        self._executions: deque[str] = deque(maxlen=50)
        self._token = ""
        self._steps: dict[Callable[[], Awaitable[Any]], int] = {
            self._list: 18,
            self._show: 12,
            self._run: 20,
            self._webhook: 10,
            self._poll: 20,
            self._create: 3,
            self._delete: 3,
            self._login: 5,
            self._login_badly: 2,
            self._ask_for_nothing: 3,
            self._send_nonsense: 2,
            self._look_at_health: 2,
        }

    async def visit(self) -> None:
        """Make one request, of a kind drawn by weight."""
        (step,) = self._random.choices(list(self._steps), list(self._steps.values()))
        try:
            await step()
        except httpx.TransportError as error:
            self.summary.unanswered[type(error).__name__] += 1

    async def _send(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        headers = {"User-Agent": self._random.choice(BROWSERS)}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        started = time.perf_counter()
        answer = await self._client.request(method, path, json=body, headers=headers)
        self.summary.note(answer.status_code, (time.perf_counter() - started) * 1000)
        return answer.json() if answer.is_success and answer.content else None

    async def _list(self) -> None:
        await self._send("GET", "/api/workflows?limit=10")

    async def _show(self) -> None:
        workflow_id = self._random.choice((*WORKFLOWS, *self._created))
        await self._send("GET", f"/api/workflows/{workflow_id}")

    async def _run(self) -> None:
        workflow_id = self._random.choice(WORKFLOWS)
        body = {"data": {"amount": self._random.randint(1, 5000), "customer": "C-1001"}}
        execution = await self._send("POST", f"/api/workflows/{workflow_id}/run", body)
        if execution:
            self._executions.append(execution["execution_id"])

    async def _webhook(self) -> None:
        hook = self._random.choice(("invoices", "customers"))
        body = {"amount": self._random.randint(1, 5000), "customer": "C-1002"}
        started = await self._send("POST", f"/api/webhooks/{hook}", body)
        self._executions.extend(execution["execution_id"] for execution in started or ())

    async def _poll(self) -> None:
        if not self._executions:
            await self._run()
        else:
            await self._send("GET", f"/api/executions/{self._random.choice(self._executions)}")

    async def _create(self) -> None:
        actions = [{"type": "http", "service": "crm"}, {"type": "record", "label": "lead"}]
        body = {"name": f"Lead {self._random.randint(1, 999)}", "actions": actions}
        workflow = await self._send("POST", "/api/workflows", body)
        if workflow:
            self._created.append(workflow["workflow_id"])

    async def _delete(self) -> None:
        if len(self._created) > WORKFLOWS_KEPT:
            path = f"/api/workflows/{self._created.popleft()}"
            await self._send("DELETE", path, token=self._token)

    async def _login(self) -> None:
        username, password = self._random.choice(list(DEMO_USERS.items()))
        body = {"username": username, "password": password}
        session = await self._send("POST", "/api/login", body)
        if session:
            self._token = session["token"]

    async def _login_badly(self) -> None:
        username = self._random.choice((*DEMO_USERS, "root", "admin"))
        await self._send("POST", "/api/login", {"username": username, "password": "123456"})

    async def _ask_for_nothing(self) -> None:
        path = self._random.choice(("/api/workflows/workflow_none", "/api/report", "/wp-login.php"))
        await self._send("GET", path)

    async def _send_nonsense(self) -> None:
        await self._send("POST", "/api/workflows", {"name": "", "trigger": {"type": "moon"}})

    async def _look_at_health(self) -> None:
        await self._send("GET", "/health")


async def make_load(url: str, *, rate: float, seconds: float, seed: int | None) -> Summary:
    """
    Send requests for some seconds, wait for their answers, and sum up.

    Raises:
        httpx.TransportError: nothing answers at the address.

    """
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        await client.get("/health")
        visitor = Visitor(client, random.Random(seed))
        visits: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - loop.time()))
            if len(visits) >= MAX_IN_FLIGHT:
                visitor.summary.left_out += 1
                continue
            visit = loop.create_task(visitor.visit())
            visits.add(visit)
            visit.add_done_callback(visits.discard)
        await asyncio.gather(*visits)
        return visitor.summary


def main() -> int:
    """Make the load that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m examples.orchestrator.load")
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:8000", help="the orchestrator (%(default)s)")
    add("--rate", type=float, default=50, help="requests a second (%(default)s)")
    add("--seconds", type=float, default=30, help="for how long (%(default)s)")
    add("--seed", type=int, help="draws the same requests again")
    options = parser.parse_args()
    work = make_load(options.url, rate=options.rate, seconds=options.seconds, seed=options.seed)
    try:
        summary = asyncio.run(work)
    except httpx.TransportError as error:
        sys.stderr.write(f"nothing answers at {options.url}: {error}; is the application up?\n")
        return 3
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(f"{summary}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
