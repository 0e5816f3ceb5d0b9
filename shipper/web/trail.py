"""
The audit trail of the dashboard: who did what, when, from where, as records.

`web.log` in the data folder has the form of an application's log, and `shipper run` on the same
data folder reads it beside its inputs (own_log.py says what survives). The logger `shipper.web`
makes it the dataset `orchestrator.web`. It is rotated by size. Whatever comes from outside is a
value of JSON of bounded length, so nobody can forge a line; a password is in none, and neither is
a name of which no user is known, for people type their password there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from shipper.emit.ulid import ulid
from shipper.files import make_folder
from shipper.own_log import OwnLog
from shipper.text import safe
from shipper.times import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shipper.web.people import Person

LOGGER: Final = "shipper.web"
MOST_CHARS: Final = 500
MOST_GIVEN: Final = 2000
REFUSED: Final = 400  # from this status on


@dataclass(frozen=True, slots=True)
class WebAct:
    """Something that somebody did, or tried; `given` are the fields of the form."""

    act: str
    by: str = ""
    role: str = ""
    on: str = ""
    address: str = ""
    given: str = ""
    status: int = 200

    @classmethod
    def of_form(
        cls,
        person: Person,
        path: str,
        fields: Sequence[tuple[str, str]],
        address: str,
        status: int,
    ) -> WebAct:
        """Return what a form did: the end of its address is the act, the rest on what."""
        on, _, act = path.strip("/").rpartition("/")
        given = ", ".join(f"{name}={value}" for name, value in fields if value)
        return cls(act, person.name, person.role, on, address, given, status)


class Trail(Protocol):
    """What notes acts."""

    def note(self, act: WebAct) -> None:
        """Note an act."""


class WebTrail:
    """Writes acts to the log; safe for threads."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        """`now` returns epoch milliseconds."""
        self._now = now
        with suppress(OSError):  # the log says what is wrong
            make_folder(path.parent)
        self._log = OwnLog(path, ulid(now(), os.urandom(10)), "acts on the dashboard")

    def note(self, act: WebAct) -> None:
        """Write an act; one that can't be written now waits for the next."""
        self._log.append([record_of(act, self._now())])

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def record_of(act: WebAct, now: int) -> dict[str, Any]:
    """Return the record of an act; what it does not know is left out."""
    outcome = "refused" if act.status >= REFUSED else "done"
    who = act.by or "somebody"
    about = f" {act.on}" if act.on else ""
    fields = {
        "timestamp": iso(now),
        "level": "WARNING" if outcome == "refused" else "INFO",
        "logger": LOGGER,
        "message": f"{who}: {act.act}{about}: {outcome}",
        "act": act.act,
        "by": act.by,
        "role": act.role,
        "on": act.on,
        "address": act.address,
        "given": act.given[:MOST_GIVEN],
        "outcome": outcome,
    }
    return {
        name: safe(value)[: MOST_GIVEN if name == "given" else MOST_CHARS]
        for name, value in fields.items()
        if value
    }
