"""What each kind of action does."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import assert_never

from examples.orchestrator.database import Database
from examples.orchestrator.definitions import (
    Action,
    CallService,
    Data,
    Delay,
    Transform,
    WriteRecord,
)
from examples.orchestrator.services import Services, UnknownServiceError

RETRY_SECONDS = 0.05  # before the second try; doubled before each further one

log = logging.getLogger("automation_orchestrator.worker")


class ActionFailedError(Exception):
    """An action cannot do what it should."""


class MissingDataError(Exception):
    """The data lacks a key that an action needs."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What actions work with."""

    database: Database
    services: Services


async def perform(action: Action, data: Data, execution_id: str, tools: Tools) -> Data:
    """
    Do one action and return the data for the next one.

    Raises:
        ActionFailedError: the service is unknown or lost the connection again and again.
        MissingDataError: a key is missing.
        TimeoutError: the service did not answer in time.

    """
    match action:
        case CallService():
            return data | await _call(action, data, tools.services)
        case Transform():
            return data | _transform(action, data)
        case Delay():
            await asyncio.sleep(action.seconds)
            return data
        case WriteRecord():
            await asyncio.to_thread(_write, action.label, data, execution_id, tools.database)
            return data
        case _:
            assert_never(action)


async def _call(action: CallService, data: Data, services: Services) -> Data:
    """Call a service, again after a lost connection; after a time-out it may have acted already."""
    attempt = 1
    while True:
        try:
            async with asyncio.timeout(action.timeout_seconds):
                return await services.call(action.service, data)
        except UnknownServiceError as error:
            raise ActionFailedError(str(error)) from error
        except ConnectionError as error:
            if attempt > action.retries:
                raise ActionFailedError(f"{action.service}: gave up, {error}") from error
            log.warning(
                "Action failed, trying again",
                extra={"service_called": action.service, "attempt": attempt, "reason": str(error)},
            )
        await asyncio.sleep(RETRY_SECONDS * 2**attempt / 2)
        attempt += 1


def _transform(action: Transform, data: Data) -> Data:
    missing = [old for old in action.keys.values() if old not in data]
    if missing:
        raise MissingDataError(f"the data lacks {', '.join(missing)}")
    return {new: data[old] for new, old in action.keys.items()}


def _write(label: str, data: Data, execution_id: str, database: Database) -> None:
    database.run(
        "INSERT INTO records VALUES (?, ?, ?, ?)",
        execution_id,
        label,
        json.dumps(data),
        time.time(),
    )
