"""The probes of databases and queues, on the real libraries, PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import celery
import psycopg
import psycopg_pool
import pytest
import redis
import rq
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from shipper.instrument import ready_made
from shipper.instrument.probes import ProbeRunner
from tests.formats.real_programs import (
    free_port,
    is_open,
    postgres,
    program,
    running,
    wait_for,
)
from tests.tail.tailing import open_folder


def test_sqlalchemy_has_the_numbers_of_its_pool(tmp_path: Path) -> None:
    """What is checked out is that of the application, without the connection of the probe."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'app.db'}", pool_size=3)
    probe: Any = ready_made.sqlalchemy(engine)

    with engine.connect() as one, engine.connect() as two:
        one.exec_driver_sql("SELECT 1")
        two.exec_driver_sql("SELECT 1")
        assert probe() == {"pool": {"size": 3, "checked_out": 2, "overflow": 0}}
    assert probe()["pool"]["checked_out"] == 0
    engine.dispose()


@pytest.mark.parametrize("pool", [NullPool, StaticPool, None])
def test_sqlalchemy_without_such_a_pool_is_asked_as_well(pool: type[Any] | None) -> None:
    """A pool that counts nothing has no numbers; the database is asked all the same."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=pool)
    probe: Any = ready_made.sqlalchemy(engine)

    found = probe()

    assert all(number >= 0 for number in found.get("pool", {}).values())
    engine.dispose()


def test_a_database_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """The probe raises what SQLAlchemy raises."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'none/app.db'}")
    probe: Any = ready_made.sqlalchemy(engine)

    with pytest.raises(sqlalchemy.exc.OperationalError):
        probe()
    engine.dispose()


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    with running([*command, "--dir", str(folder), "--save", ""], folder):
        wait_for(lambda: is_open(port))
        yield port


@pytest.fixture(scope="module")
def postgres_address() -> Iterator[str]:
    with open_folder() as folder, postgres(folder) as port:
        address = f"postgresql://app@127.0.0.1:{port}/postgres"
        wait_for(lambda: _is_ready(address))
        yield address


def _is_ready(address: str) -> bool:
    try:
        psycopg.connect(address, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def test_psycopg_has_the_numbers_of_its_pool(postgres_address: str) -> None:
    """Sync or async; the connection of the probe itself does not count."""
    with psycopg_pool.ConnectionPool(postgres_address, min_size=2, max_size=4) as pool:
        pool.wait(timeout=60)
        probe: Any = ready_made.psycopg_pool(pool)
        with pool.connection() as used:
            used.execute("SELECT 1")
            assert probe() == {"pool": {"size": 2, "checked_out": 1, "overflow": 0}}

    async def ask() -> Any:
        later = psycopg_pool.AsyncConnectionPool(
            postgres_address, min_size=2, max_size=4, open=False
        )
        async with later:
            await later.wait(timeout=60)
            probe: Any = ready_made.psycopg_pool(later)
            async with later.connection():
                return await probe()

    assert asyncio.run(ask()) == {"pool": {"size": 2, "checked_out": 1, "overflow": 0}}


def test_asyncpg_has_the_numbers_of_its_pool(postgres_address: str) -> None:
    """The connection of the probe itself does not count."""

    async def ask() -> Any:
        async with asyncpg.create_pool(postgres_address, min_size=3, max_size=4) as pool:
            probe: Any = ready_made.asyncpg_pool(pool)
            async with pool.acquire():
                return await probe()

    assert asyncio.run(ask()) == {"pool": {"size": 3, "checked_out": 1, "overflow": 0}}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_sqlalchemy_on_postgresql(postgres_address: str, driver: str) -> None:
    """A sync and an async engine; both have the numbers of their pool."""
    address = postgres_address.replace("postgresql", f"postgresql+{driver}")

    async def ask() -> Any:
        engine = create_async_engine(address, pool_size=2)
        probe: Any = ready_made.sqlalchemy(engine)
        async with engine.connect() as used:
            await used.exec_driver_sql("SELECT 1")
            found = await probe()
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == {"pool": {"size": 2, "checked_out": 1, "overflow": 0}}


def test_a_pool_that_nobody_returns_connections_to_is_a_timeout(postgres_address: str) -> None:
    """All connections are in use: the probe waits as long as it may, the endpoint no longer."""

    async def ask() -> tuple[Any, Any]:
        async with asyncpg.create_pool(postgres_address, min_size=1, max_size=1) as pool:
            runner = ProbeRunner("database", ready_made.asyncpg_pool(pool), 0.2, 0.0)
            async with pool.acquire():
                bad = await runner.result()
            good = await runner.result()
            return bad.part["status"], good.part["status"]

    assert asyncio.run(ask()) == ("timeout", "ok")


def test_a_server_that_is_gone_is_an_error() -> None:
    """The server is stopped while pools have connections to it: their probes fail, in time."""

    async def ask() -> list[str]:
        with ExitStack() as stack:
            folder = stack.enter_context(open_folder())
            port = stack.enter_context(postgres(folder))
            address = f"postgresql://app@127.0.0.1:{port}/postgres"
            wait_for(lambda: _is_ready(address))
            engine = stack.enter_context(
                psycopg_pool.ConnectionPool(address, min_size=1, max_size=1, timeout=1)
            )
            engine.wait(timeout=60)
            pool = await asyncpg.create_pool(address, min_size=1, max_size=1)
            stack.callback(pool.terminate)
            runners = [
                ProbeRunner("sync", ready_made.psycopg_pool(engine), 20, 0.0),
                ProbeRunner("async", ready_made.asyncpg_pool(pool), 20, 0.0),
            ]
            before = [(await each.result()).part["status"] for each in runners]
            stop(folder)
            return before + [(await each.result()).part["status"] for each in runners]

    assert asyncio.run(ask()) == ["ok", "ok", "error", "error"]


def stop(folder: Path) -> None:
    pid = int((folder / "data/postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGINT)
    wait_for(lambda: not (folder / "data/postmaster.pid").exists())


def test_rq_and_celery_have_a_depth(redis_port: int) -> None:
    """Tasks that real producers send wait in the lists that are counted."""
    with redis.Redis(port=redis_port) as client:
        client.flushall()
        queue = rq.Queue("mails", connection=client)
        app = celery.Celery(broker=f"redis://127.0.0.1:{redis_port}/0")
        app.conf.broker_connection_retry_on_startup = False
        for number in range(3):
            queue.enqueue("builtins.print", number)
            app.send_task("work", [number])
        app.send_task("work", [4], queue="slow")
        app.close()
        rq_depth: Any = ready_made.rq_queue(queue)
        keys: Any = ready_made.redis_queue(client, "rq:queue:mails")
        celery_depth: Any = ready_made.redis_queue(client, "celery", "slow")

        assert rq_depth() == 3
        assert asyncio.run(keys()) == 3
        assert asyncio.run(celery_depth()) == 4


def test_redis_answers_and_its_lists_have_a_depth(redis_port: int) -> None:
    """A client of either kind is asked; the depth is that of all lists together."""

    async def ask() -> tuple[int, int]:
        with redis.Redis(port=redis_port) as client:
            client.delete("rq:queue:a", "celery")
            client.rpush("rq:queue:a", 1, 2)
            client.rpush("celery", 3)
            probes: list[Any] = [ready_made.redis(client)]
            depth: Any = ready_made.redis_queue(client, "rq:queue:a", "celery", "none")
            async with redis.asyncio.Redis(port=redis_port) as other:
                probes.append(ready_made.redis(other))
                later: Any = ready_made.redis_queue(other, "celery")
                for probe in probes:
                    assert await probe() is None
                return await depth(), await later()

    assert asyncio.run(ask()) == (3, 1)


def test_a_redis_that_is_gone_is_an_error() -> None:
    """The probe raises what the client raises."""
    with redis.Redis(port=free_port(), socket_timeout=5) as client:
        probe: Any = ready_made.redis(client)
        with pytest.raises(redis.exceptions.ConnectionError):
            asyncio.run(probe())
