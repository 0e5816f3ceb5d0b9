"""
What a notification of a transition says, before any alerter gives it its form.

Everything in a page is text that may come from a log line. An alerter escapes all of it for its
service and cuts it to the limits of that service; none of it is ever a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipper.alerts.incident import Transition


@dataclass(frozen=True, slots=True)
class Share:
    """A value of a field, with its share (0 to 1) of the breach's records now and before."""

    field: str
    value: str
    now: float
    before: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """A record of the breach: its time (epoch ms), its line for people, its request."""

    time: int
    text: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """
    All that is said of one transition.

    `key` names the transition for ever, for services that drop a second copy; `thread` names its
    incident, for those that put messages together. `asked` is the rule's question in the query
    language. `search` is a command to type, `link` an address to open, None where there is none.
    `notes` are further lines: the pages of a digest, or why something is not known. How long it has
    been so is reckoned up to `sent_at` (epoch ms).
    """

    transition: Transition
    key: str
    thread: str
    title: str
    summary: str
    asked: str
    numbers: str
    shares: Sequence[Share] = ()
    examples: Sequence[Example] = ()
    runbook: Sequence[str] = ()
    search: str | None = None
    link: str | None = None
    notes: Sequence[str] = ()
    sent_at: int | None = None
