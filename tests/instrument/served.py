"""An application for real servers: `python -m uvicorn tests.instrument.served:app`."""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI, HTTPException

from shipper.instrument import Instrument

instrument = Instrument(folder=os.environ["NUMBERS"], disk_of=None, networks=["127.0.0.0/8"])
app = FastAPI()
instrument.install(app)
instrument.queue("tasks", lambda: 3)


@app.get("/ok/{number}")
async def ok(number: int) -> dict[str, int]:
    return {"number": number, "pid": os.getpid()}


@app.get("/fails")
async def fails() -> None:
    raise HTTPException(503)


@app.get("/slow")
async def slow() -> dict[str, int]:
    await asyncio.sleep(0.05)
    return {"pid": os.getpid()}


@app.get("/works")
def works() -> None:
    with instrument.workflow("workflow_123"):
        pass
