"""
What the forms of the pages do: incidents, dead letters, reports.

Every form is a POST that the gate (access.py) has let through, and leads back to its page. What
changes anything is done by the code, or the very command, that a terminal has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import ImmutableMultiDict
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from shipper.errors import ConfigError, ShipperError
from shipper.text import counted
from shipper.web.searches import STATE

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from shipper.web.incidents import AlertPlaces
    from shipper.web.searches import SavedSearches
    from shipper.web.tasks import TaskRunner

LETTERS, REPORT = "dead letters", "report"  # kinds of tasks
REPORTS: Final = ("daily", "weekly", "monthly")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d|today|yesterday", re.ASCII)

Form = ImmutableMultiDict[str, str]


@dataclass(frozen=True, slots=True)
class FormActs:
    """The addresses that forms are sent to."""

    alerts: AlertPlaces
    tasks: TaskRunner
    searches: SavedSearches
    now: Callable[[], int]
    reports: Path | None = None  # the folder of reports

    async def incident(self, request: Request) -> Response:
        """Acknowledge, resolve, note, silence or unsilence an incident."""
        name, act = str(request.path_params["id"]), str(request.path_params["act"])

        def do(form: Form) -> str:
            self.alerts.act(name, act, form, self.now(), _name_of(request))
            return f"/incidents/{quote(name, safe='')}"

        return await self._done(request, do)

    async def letters(self, request: Request) -> Response:
        """Send dead letters again, or drop them; those that were chosen, or all."""
        act = str(request.path_params["act"])

        def do(form: Form) -> str:
            self.tasks.start(LETTERS, *letters_command(act, form), _name_of(request))
            return "/deadletters"

        return await self._done(request, do)

    async def report(self, request: Request) -> Response:
        """Make a report."""

        def do(form: Form) -> str:
            kind, day = form.get("kind", ""), form.get("day", "") or "yesterday"
            if kind not in REPORTS or not _DAY.fullmatch(day):
                raise ConfigError("there is no such report", "choose its kind and a day")
            given: tuple[str, ...] = ("report", kind, "--date", day, "--progress")
            if kind == "daily" and self.reports is not None:
                given += ("--directory", str(self.reports))  # of its summary
            self.tasks.start(REPORT, f"{kind} report of {day}", given, _name_of(request))
            return "/reports"

        return await self._done(request, do)

    async def search(self, request: Request) -> Response:
        """Save a search, or delete a saved one."""
        act = str(request.path_params["act"])

        def do(form: Form) -> str:
            name = form.get("name", "")
            if act == "save":
                self.searches.save(name, form)
            elif act == "delete":
                self.searches.delete(name)
            else:
                raise ConfigError("this cannot be done to a search", "open the page again")
            state = {key: form[key] for key in STATE if form.get(key)}
            return f"/logs?{urlencode(state)}"

        return await self._done(request, do)

    async def _done(self, request: Request, do: Callable[[Form], str]) -> Response:
        """Do what a form asks for, which the gate let through; `do` returns where to go then."""
        body = await request.body()  # the gate has bounded it (access.py)
        form = Form(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        try:
            return RedirectResponse(await run_in_threadpool(do, form), 303)
        except ConfigError as error:
            return PlainTextResponse(f"{error}\n", 404)
        except ShipperError as error:
            return PlainTextResponse(f"{error}\n", 503)


def _name_of(request: Request) -> str:
    name: str = request.state.person.name
    return name


def letters_command(act: str, form: Form) -> tuple[str, tuple[str, ...]]:
    """
    Return the title and the arguments of what a form asks of dead letters.

    Raises:
        ConfigError: it asks for nothing, or to drop letters without saying so twice.
    """
    ids = tuple(form.getlist("id"))
    given: tuple[str, ...]
    if form.get("all"):
        which, given = "all dead letters", ("--all",)
    elif ids:
        which, given = counted(len(ids), "dead letter"), ("--", *ids)
    else:
        raise ConfigError("no dead letter is chosen", "go back and choose some, or all")
    if act == "replay":
        return f"send {which} again", ("deadletters", "replay", "--wait", "120s", *given)
    if act != "drop":
        raise ConfigError("this cannot be done to dead letters", "open the page again")
    if not form.get("sure"):
        raise ConfigError(
            "the records of dropped letters are lost", "go back and confirm it below the list"
        )
    return f"drop {which}", ("deadletters", "drop", "--yes", *given)
