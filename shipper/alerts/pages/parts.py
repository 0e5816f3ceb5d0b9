"""
A page as parts, in the order in which a person needs them; every alerter gives them its own form.

All text is made safe here: on one line, with control characters, escape sequences and marks that
turn the direction of writing shown as escapes. What the markup of a service would take for its own
is escaped by its alerter. Nothing here is ever a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shipper.alerts.incident import Change, Incident
from shipper.alerts.page import Page, Share
from shipper.text import duration, instant, safe

WORDS: Final = {
    Change.OPENED: "pending",
    Change.DROPPED: "dropped",
    Change.FIRED: "firing",
    Change.REMINDED: "still firing",
    Change.ACKNOWLEDGED: "acknowledged",
    Change.RESOLVED: "resolved",
    Change.RESPONSE_DUE: "nobody has acknowledged it, and the time to respond ends soon",
    Change.RESPONSE_BREACHED: "nobody acknowledged it in time",
    Change.RESOLUTION_DUE: "the time to resolve it ends soon",
    Change.RESOLUTION_BREACHED: "it was not resolved in time",
    Change.RAISED: "another rule sees the same fault",
    Change.UNMUTED: "firing, no longer muted",
}

LONGEST_LINE: Final = 1000  # a line of a page is never longer, whatever the log line was
LONGEST_COMMAND: Final = 4000
MOST_LINES: Final = 40  # of a part; a digest has the most
MOST_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class PagePart:
    """
    One part of a page: what it is about, and its lines.

    Those of `code` are to be copied, those of `steps` are sentences that hold what is to be copied.
    """

    label: str
    lines: tuple[str, ...]
    code: bool = False
    steps: bool = False


def line(text: str, limit: int = LONGEST_LINE) -> str:
    """Return text on one line, safe to show, cut to a limit."""
    head = text[: limit + 1]  # what is made safe is never shorter
    return cut(safe(head.strip() if len(head) > limit else text.strip()), limit)


def cut(text: str, limit: int) -> str:
    """Cut text to a number of characters, with a sign that it was."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def fitted(text: str, limit: int, escape: Callable[[str], str]) -> str:
    """Return text escaped, cut before that so that the result has at most `limit` characters."""
    escaped = escape(text)
    while len(escaped) > limit:
        text = cut(text, len(text) - max(1, (len(escaped) - limit) // 6))
        escaped = escape(text)
    return escaped


def subject(page: Page, limit: int = 200) -> str:
    """Name the incident in a line that is the same for all its pages."""
    incident = page.transition.incident
    group = ", ".join(f"{field}={value}" for field, value in incident.group)
    rule = f"{incident.rule} ({group})" if group else incident.rule
    return line(f"[{incident.severity.upper()}] {rule}", limit)


def headline(page: Page) -> str:
    """Say what happened to the incident, in the words of the page."""
    return line(page.title)


def state(page: Page) -> str:
    """Say how the incident stands, and by whom."""
    transition = page.transition
    incident = transition.incident
    words = WORDS[transition.change]
    if transition.change is Change.ACKNOWLEDGED and incident.acknowledged_by:
        words += f" by {incident.acknowledged_by}"
    if transition.change is Change.RESOLVED and incident.resolved_by:
        words += f" by {incident.resolved_by}"
    if incident.flapping:
        words += ", flapping"
    return line(f"{words}; {transition.note}" if transition.note else words)


def parts_of(page: Page) -> list[PagePart]:
    """Return the parts that have something to say."""
    parts = [
        PagePart("", () if page.summary in page.title else (line(page.summary),)),
        PagePart("State", (state(page),)),
        PagePart("Numbers", (line(page.numbers),)),
        PagePart("Since", (since(page.transition.incident, page.sent_at or page.transition.at),)),
        PagePart("Notes", _some(map(line, page.notes), len(page.notes))),
        *islice(_shares(page.shares), MOST_FIELDS),
        PagePart("Examples", _some(_examples(page), len(page.examples)), code=True),
        PagePart("What to do", _steps(page.runbook), steps=True),
        PagePart("Query", (line(page.asked),), code=True),
        PagePart("Show the records", (line(page.search or "", LONGEST_COMMAND),), code=True),
        PagePart("Incident", (line(page.transition.incident.id),)),
    ]
    return [part for part in parts if any(part.lines)]


def since(incident: Incident, at: int) -> str:
    """Say when it began and how long it has been so."""
    begun = incident.fired_at if incident.fired_at is not None else incident.opened_at
    lasted = duration(max(0, at - begun) / 1000)
    return f"{instant(begun, unit_ms=1000)}, {lasted} {'in all' if incident.resolved_at else 'ago'}"


def _some(lines: Iterable[str], count: int) -> tuple[str, ...]:
    """Return so many lines as anybody reads, and how many there are besides."""
    more = (f"… and {count - MOST_LINES} more",) if count > MOST_LINES else ()
    return (*islice(lines, MOST_LINES), *more)


def _steps(runbook: Sequence[str]) -> tuple[str, ...]:
    numbered = (f"{number}. {line(step)}" for number, step in enumerate(runbook, 1))
    return _some(numbered, len(runbook))


def _shares(shares: Sequence[Share]) -> Iterator[PagePart]:
    for field in dict.fromkeys(share.field for share in shares):
        of_it = [share for share in shares if share.field == field]
        yield PagePart(f"By {line(field, 60)}", _some(map(_share, of_it), len(of_it)))


def _share(share: Share) -> str:
    before = "" if share.before is None else f" (before: {100 * share.before:.0f} %)"
    return f"{100 * share.now:.0f} % {line(share.value, 120)}{before}"


def _examples(page: Page) -> Iterator[str]:
    for example in page.examples:
        text = line(example.text, 300)
        request = line(example.request_id or "", 80)
        request_text = "" if not request or request in text else f" request_id={request}"
        yield text + request_text


def as_text(page: Page) -> str:
    """Write the page as plain text, for a mail or a terminal."""
    lines = [headline(page), ""]
    for part in parts_of(page):
        if part.label and (len(part.lines) > 1 or part.code or part.steps):
            lines += ["", f"{part.label}:", *(f"    {each}" for each in part.lines)]
        else:
            lines += [f"{part.label}: {each}" if part.label else each for each in part.lines]
    if page.link:
        lines += ["", line(page.link, 4000)]
    return "\n".join(lines) + "\n"
