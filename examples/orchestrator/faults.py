"""
Switches that make the application fail, to see what its logs say then.

A switch breaks a part and logs nothing itself: it mangles a password, hides the database, lets a
partner hang. The error in the logs is the one that the application really met.

The rates are in a small file, replaced as a whole, that every server process reads again when it
has changed. They are in no table because they must answer while the database is gone.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Rate = Annotated[float, Field(ge=0, le=1)]
Fault = Literal[
    "server_error",
    "workflow_failure",
    "timeout",
    "flaky_action",
    "failed_login",
    "database_gone",
    "slow_query",
    "queue_stuck",
]


class FaultRates(BaseModel):
    """How often each part breaks: 0 never, 1 always; `false` and `true` mean the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    server_error: Rate = 0
    """a request runs into a bug: 500"""
    workflow_failure: Rate = 0
    """an execution has a bad trigger, action or data"""
    timeout: Rate = 0
    """a partner service does not answer in time"""
    flaky_action: Rate = 0
    """a partner service resets the connection; it is tried again"""
    failed_login: Rate = 0
    """a login arrives with a mangled password: 401"""
    database_gone: Rate = 0
    """a connection to the database fails: 503"""
    slow_query: Rate = 0
    """a query takes three times the limit"""
    queue_stuck: Rate = 0
    """a worker takes nothing from the queue"""


# Mostly well, so that a first look at the logs shows the ordinary and a little of everything that
# can go wrong except a lost database, which is an incident and not an everyday thing.
PROFILES = {
    "none": FaultRates(),
    "demo": FaultRates(
        server_error=0.005,
        workflow_failure=0.03,
        timeout=0.01,
        flaky_action=0.03,
        failed_login=0.05,
        slow_query=0.005,
    ),
}


def parse(text: str) -> FaultRates:
    """
    Read rates as an operator writes them: `demo`, `none,timeout=0.2`, `demo,database_gone=1`.

    A profile sets all the rates, `NAME=RATE` one; later words win.

    Raises:
        ValueError: a word is no profile, no switch, or its rate is not between 0 and 1.

    """
    rates: dict[str, object] = {}
    for word in filter(None, map(str.strip, text.split(","))):
        name, equals, rate = word.partition("=")
        if equals:
            rates[name] = rate
        elif name in PROFILES:
            rates = PROFILES[name].model_dump()
        else:
            raise ValueError(f"{word!r} is no profile of faults; use {' or '.join(PROFILES)}")
    try:
        return FaultRates.model_validate(rates)
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(FaultRates.model_fields)
        raise ValueError(f"fault {first['loc'][0]}: {first['msg']}; known are {known}") from error


class Faults:
    """The switches as every server process sees them."""

    def __init__(self, path: Path, initial: FaultRates) -> None:
        self._path = path
        self._rates = initial
        self._read_at = -1
        self.random = random.Random()  # no secret depends on it

    @property
    def rates(self) -> FaultRates:
        """The rates of now."""
        try:
            changed_at = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return self._rates
        if changed_at != self._read_at:
            self._rates = FaultRates.model_validate_json(self._path.read_bytes())
            self._read_at = changed_at
        return self._rates

    def change(self, wanted: FaultRates) -> FaultRates:
        """Set the rates that `wanted` names, for all server processes; leave the others."""
        rates = self.rates.model_copy(update=wanted.model_dump(exclude_unset=True))
        unfinished = self._path.with_suffix(f".{os.getpid()}.tmp")
        unfinished.write_text(rates.model_dump_json())
        unfinished.replace(self._path)
        return self.rates

    def strikes(self, fault: Fault) -> bool:
        """Say whether the part is broken this time."""
        rate: float = getattr(self.rates, fault)
        return self.random.random() < rate

    def damage(self, definition: str) -> str:
        """Break a workflow's definition in its trigger, an action, or the data it relies on."""
        workflow = json.loads(definition)
        part = self.random.choice(("trigger", "action", "data"))
        if part == "trigger":
            workflow["trigger"] = {"type": "schedule", "every_seconds": -1}
        elif part == "action":
            workflow["actions"].insert(0, {"type": "http", "service": "discontinued"})
        else:
            workflow["actions"].insert(0, {"type": "transform", "keys": {"vat": "vat_rate"}})
        return json.dumps(workflow)

    def run_into_a_bug(self) -> None:
        """Call one of a few functions that are really wrong."""
        self.random.choice(BUGS)()


def _parse_half_an_answer() -> None:
    json.loads('{"total": 12')


def _average_nothing(durations: tuple[float, ...] = ()) -> float:
    return sum(durations) / len(durations)


def _read_a_missing_column() -> str:
    row = {"workflow_id": "workflow_123"}
    return row["owner"]


BUGS: tuple[Callable[[], object], ...] = (
    _parse_half_an_answer,
    _average_nothing,
    _read_a_missing_column,
)
