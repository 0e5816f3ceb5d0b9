"""
Probes for what applications usually have; each takes the object that the application uses.

They import nothing of it: a pool is known by its methods.
"""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from shipper.instrument.judge import at_least
from shipper.instrument.probes import Probe
from shipper.instrument.resources import read_disk

ANSWER_BYTES: Final = 1024


def disk(place: Path, limits: tuple[float, float] = (5.0, 1.0)) -> Probe:
    """Return a probe of the free space in GB; `limits` are where degraded and unhealthy begin."""

    def probe() -> dict[str, Any]:
        available_gb = read_disk(place)[0] / 1e9
        return {"status": at_least(available_gb, limits), "available_gb": round(available_gb, 1)}

    return probe


def sqlite(path: Path | str) -> Probe:
    """Return a probe that reads a SQLite file; it never makes one."""

    def probe() -> None:
        uri = Path(path).absolute().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    return probe


def sqlalchemy(engine: Any) -> Probe:
    """Return a probe of a SQLAlchemy engine (sync or async), with the numbers of its pool."""
    sync_engine = getattr(engine, "sync_engine", None)
    pool = (sync_engine or engine).pool

    def numbers() -> dict[str, Any]:
        names = {"size": "size", "checkedout": "checked_out", "overflow": "overflow"}
        found = {
            name: max(0, int(getattr(pool, method)()))
            for method, name in names.items()
            if callable(getattr(pool, method, None))
        }
        return {"pool": found} if found else {}

    if sync_engine is not None:

        async def ask_later() -> dict[str, Any]:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
            return numbers()

        return ask_later

    def ask() -> dict[str, Any]:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        return numbers()

    return ask


def asyncpg_pool(pool: Any) -> Probe:
    """Return a probe of a pool of asyncpg."""

    async def probe() -> dict[str, Any]:
        await pool.fetchval("SELECT 1")
        size, idle = pool.get_size(), pool.get_idle_size()
        return {"pool": {"size": size, "checked_out": size - idle, "overflow": 0}}

    return probe


def psycopg_pool(pool: Any) -> Probe:
    """Return a probe of a pool of psycopg_pool, sync or async."""

    def numbers() -> dict[str, Any]:
        found = pool.get_stats()
        size = int(found.get("pool_size", 0))
        used = size - int(found.get("pool_available", 0))
        return {"pool": {"size": size, "checked_out": used, "overflow": 0}}

    if inspect.iscoroutinefunction(pool.getconn):

        async def ask_later() -> dict[str, Any]:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
            return numbers()

        return ask_later

    def ask() -> dict[str, Any]:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
        return numbers()

    return ask


def redis(client: Any) -> Probe:
    """Return a probe of a Redis client, sync or async."""

    async def probe() -> None:
        await _call(client.ping)

    return probe


def redis_queue(client: Any, *keys: str) -> Probe:
    """Return the depth of lists in Redis: of Celery its queues' names, of RQ `rq:queue:<name>`."""

    async def depth() -> int:
        total = 0
        for key in keys:
            total += int(await _call(partial(client.llen, key)))
        return total

    return depth


def rq_queue(queue: Any) -> Probe:
    """Return the depth of a queue of RQ."""

    def depth() -> int:
        return int(queue.count)

    return depth


def http(url: str, seconds: float = 2.0) -> Probe:
    """Return a probe of another service: an answer of 2xx is well; no redirect is followed."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))

    def probe() -> dict[str, Any]:
        with opener.open(url, timeout=seconds) as answer:
            answer.read(ANSWER_BYTES)
            return {"http_status": answer.status}

    return probe


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_request: Any) -> None:
        """Follow none."""


async def _call(function: Callable[[], Any]) -> Any:
    """Call a method of a client in a thread; await what it returns if it is an async one's."""
    found = await asyncio.to_thread(function)
    return await found if isinstance(found, Awaitable) else found
