"""An application with an instrument, called without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI, HTTPException

from shipper.instrument import Instrument

Found = TypeVar("Found")


def made(folder: Path, **options: Any) -> Instrument:
    return Instrument(folder=folder, disk_of=options.pop("disk_of", folder), **options)


def app_of(instrument: Instrument) -> FastAPI:
    app = FastAPI()

    @app.get("/items/{item}")
    async def get_item(item: int) -> dict[str, int]:
        return {"item": item}

    @app.get("/fails/{status}")
    async def fail(status: int) -> None:
        raise HTTPException(status)

    @app.get("/raises")
    async def get_raises() -> None:
        raise KeyError

    instrument.install(app)
    return app


@asynccontextmanager
async def client_of(app: Any, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


def run(scenario: Coroutine[Any, Any, Found]) -> Found:
    return asyncio.run(scenario)
