"""The probes of databases and queues, on the real libraries and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy
from sqlalchemy.pool import NullPool, StaticPool

from shipper.instrument import ready_made
from tests.formats.real_programs import free_port, is_open, program, running, wait_for


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
