"""
Who is notified of a transition: a function of the routes, the transition, and nothing else.

The first route whose conditions are all met takes the transition; with `continue` the routes below
are tried too. Each alerter is notified once, in the order in which it was found. An incident that
another rule has raised goes where those of that rule go as well, and still where it went before: so
who heard of its beginning hears of its end. Nobody is notified of what an incident goes through
before it fires, nor of one that is muted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from shipper.alerts.incident import SERVICE, Change, Incident, Transition
from shipper.alerts.settings import NOTIFIED, AlertSettings, Route

BREACHES: Final = frozenset({Change.RESPONSE_BREACHED, Change.RESOLUTION_BREACHED})


def alerters_for(transition: Transition, settings: AlertSettings) -> tuple[str, ...]:
    """Return the alerters to notify of a transition; more of them once a time is breached."""
    incident = transition.incident
    if transition.change not in NOTIFIED or incident.muted is not None:
        return ()
    names = [
        name
        for each in _seen_as(incident)
        for route in _taking(settings.all_routes, each, transition.change)
        for name in route.to
    ]
    if transition.change in BREACHES:
        names += settings.escalation.of(incident.severity)
    return tuple(dict.fromkeys(names))


def repeat_after_ms(incident: Incident, settings: AlertSettings) -> int | None:
    """Return after how long (ms) people are reminded of a firing incident; None: never."""
    routes = _taking(settings.all_routes, incident, Change.REMINDED)
    return min((route.repeat_seconds * 1000 for route in routes if route.to), default=None)


def _seen_as(incident: Incident) -> Iterator[Incident]:
    """Yield an incident as routes see it: as it is, as raised by others, and as it was before."""
    yield incident
    for each in incident.raised:
        yield replace(incident, rule=each.rule)
        yield replace(incident, severity=each.severity)


def is_catch_all(route: Route) -> bool:
    """Return whether nothing gets past a route."""
    return not (route.severity or route.service or route.rule or route.change)


def _taking(routes: Sequence[Route], incident: Incident, change: Change) -> Iterator[Route]:
    for route in routes:
        if _is_met(route, incident, change):
            yield route
            if not route.goes_on:
                return


def _is_met(route: Route, incident: Incident, change: Change) -> bool:
    service = dict(incident.group).get(SERVICE, "")
    return (
        (not route.severity or incident.severity in route.severity)
        and (not route.change or change in route.change)
        and _matches(incident.rule, route.rule)
        and _matches(service, route.service)
    )


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
