"""
Makes the page of a transition: what happened, how bad, since when, why, and what to do.

A page is made when it is sent, of the transition (which holds the numbers that were judged), the
rule, and what the store says of the records meanwhile. It is made without a store and without the
rule, too: then it says what is not known. The one for many incidents at once is made of their
pages.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from shipper.alerts.incident import Change, Incident, Transition
from shipper.alerts.page import Page
from shipper.alerts.pages.explain import Explained, explain, narrowed_to
from shipper.alerts.pages.runbooks import steps_of
from shipper.alerts.rules.job import CONDITIONS, Job
from shipper.alerts.rules.rule import Rule
from shipper.alerts.rules.summary import fill
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Verdict
from shipper.kibana.links import discover_link
from shipper.kibana.place import KibanaPlace
from shipper.store.api import Store
from shipper.text import counted, duration, instant

DIGEST: Final = "digest"
_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}

# Of these the reader knows the cause already, or the records are over: no store is asked.
_BRIEF: Final = frozenset({Change.ACKNOWLEDGED, Change.RESOLVED})


@dataclass(frozen=True, slots=True)
class PageComposer:
    """
    What pages are made of.

    `search` is the command that they show, with the options that find this config.
    """

    rules: Mapping[str, Rule]
    runbooks: Path
    kibana_url: str | None = None
    search: str = "shipper search"

    def page_of(self, transition: Transition, key: str, store: Store | None) -> Page:
        """Make the page of a transition, whose key it is; None for a store that can't be asked."""
        incident = transition.incident
        rule = self.rules.get(incident.rule)
        summary = fill(rule.summary, incident.verdict) if rule else incident.verdict.reason
        page = Page(
            transition=transition,
            key=key,
            thread=incident.id,
            title=f"{headline(transition)}: {summary}",
            summary=summary,
            asked=_asked(rule),
            numbers=numbers(incident.verdict),
            runbook=steps_of(rule.runbook, self.runbooks) if rule else (),
            notes=tuple(_notes(incident)),
        )
        if rule is None or not rule.asked:
            return page
        return self._with_records(page, rule, store)

    def _with_records(self, page: Page, rule: Rule, store: Store | None) -> Page:
        incident = page.transition.incident
        window, group = incident.verdict.window, incident.group
        query = narrowed_to(rule.asked, group)
        found = Explained()
        if page.transition.change not in _BRIEF:
            found = explain(store, query, window, group)
        times = f"--since {instant(window.start)} --until {instant(window.end)}"
        typed = shlex.quote(narrowed_to(rule.asked, group, typed=True))
        link = None
        if self.kibana_url is not None:
            place = KibanaPlace.of(self.kibana_url)
            link = discover_link(place, query, window.start, window.end, name=rule.name)
        return replace(
            page,
            shares=found.shares,
            examples=found.examples,
            notes=(*page.notes, *found.notes),
            search=f"{self.search} {typed} {times}",
            link=link,
        )


def headline(transition: Transition) -> str:  # noqa: C901, PLR0911 -- one per change
    """Say in some words what happened."""
    incident = transition.incident
    begun = incident.fired_at if incident.fired_at is not None else incident.opened_at
    lasted = duration(max(0, transition.at - begun) / 1000)
    match transition.change:
        case Change.FIRED:
            return "Firing, found late" if incident.late else "Firing"
        case Change.REMINDED:
            return f"Still firing after {lasted}"
        case Change.UNMUTED:
            return f"Firing for {lasted}, no longer muted"
        case Change.RAISED:
            return _raised(incident)
        case Change.ACKNOWLEDGED:
            return f"Acknowledged by {incident.acknowledged_by or 'somebody'}"
        case Change.RESOLVED:
            return f"Resolved after {lasted}"
        case Change.RESPONSE_DUE:
            return f"Nobody has acknowledged for {lasted}, and the time to respond ends soon"
        case Change.RESPONSE_BREACHED:
            return f"Nobody acknowledged in time ({lasted})"
        case Change.RESOLUTION_DUE:
            return f"Not resolved after {lasted}, and the time for it ends soon"
        case Change.RESOLUTION_BREACHED:
            return f"Not resolved in time ({lasted})"
        case _:
            return transition.change.value.capitalize()


def _raised(incident: Incident) -> str:
    is_worse = any(each.severity != incident.severity for each in incident.raised[-1:])
    return f"Raised to {incident.severity}" if is_worse else "Cause found"


def numbers(verdict: Verdict) -> str:
    """Say what was judged, over which time."""
    window = verdict.window
    lasted = duration((window.end - window.start) / 1000)
    times = f"{instant(window.start, unit_ms=1000)} to {instant(window.end, unit_ms=1000)}"
    return f"{verdict.reason} (the {lasted} from {times})"


def _asked(rule: Rule | None) -> str:
    if rule is None:
        return "the file of the rule was removed"
    if isinstance(rule.kind, Job):
        return f"the alert job itself: {CONDITIONS[rule.kind.condition]}"
    return rule.asked


def _notes(incident: Incident) -> Iterator[str]:
    verdict = incident.verdict
    if verdict.early:
        yield "Evaluated on a part of the records only: the number can only grow."
    if verdict.late or incident.late:
        yield "Found late, when a host or the alert job caught up."
    if verdict.waiting:
        yield f"Without the records of {', '.join(verdict.waiting)}, which have not arrived yet."
    if incident.flapping:
        yield "Flapping: it comes and goes, so notifications are less frequent."


def digest_of(pages: Sequence[Page], at: int) -> Page:
    """Make one page of many, the worst first; its incident stands for all of them."""
    ordered = sorted(pages, key=lambda page: _RANKS[page.transition.incident.severity])
    worst = ordered[0].transition.incident
    together = sha256("\n".join(sorted(page.key for page in pages)).encode()).hexdigest()[:16]
    by_severity = {
        severity: sum(page.transition.incident.severity is severity for page in pages)
        for severity in Severity
    }
    severities = ", ".join(
        f"{count} {severity}" for severity, count in by_severity.items() if count
    )
    incidents = len({page.thread for page in pages})
    incident = replace(
        worst,
        id=f"{DIGEST}-{together}",
        rule=DIGEST,
        group=(),
        fired_at=min(_begun(page.transition.incident) for page in pages),
        resolved_at=None,
        acknowledged_at=None,
        flapping=False,
    )
    return Page(
        transition=Transition(incident, Change.FIRED, at),
        key=f"{DIGEST}-{together}",
        thread=f"{DIGEST}-{together}",
        title=f"{len(pages)} more pages at once: {severities}",
        summary=f"{len(pages)} pages combined in one: {severities}",
        asked="shipper alerts list",
        numbers=f"{len(pages)} pages of {counted(incidents, 'incident')}",
        notes=[
            f"{page.transition.incident.severity.upper()} {page.transition.incident.rule}"
            f" [{page.transition.incident.id}] {page.title}"
            for page in ordered
        ],
        runbook=("See all: shipper alerts list", "See one: shipper alerts show ID"),
    )


def _begun(incident: Incident) -> int:
    return incident.opened_at if incident.fired_at is None else incident.fired_at
