"""
Brings events into the form in which an output sends them, whatever they hold.

A line that an output cannot prepare, which is a fault of its code, must not stop the lines beside
it and behind it: its event is sent as text with the reason, as one is that the output refuses.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shipper.deliver.wrap import RefusedEvents, wrap
from shipper.errors import bug_of
from shipper.events import Events

if TYPE_CHECKING:
    from shipper.deliver.batch import P
    from shipper.splice import AnyEvents, Preparer

log = logging.getLogger(__name__)


def prepare(events: AnyEvents, output: Preparer[P], read_at: int) -> P:
    """Return events in the form in which `output` sends them; `read_at` is in epoch ms."""
    try:
        return events.prepared_by(output)
    except Exception as error:  # noqa: BLE001 -- any bug; no event stops the others
        bug = bug_of(error)
        log.error("a bug in the output; the event that it cannot prepare is sent as text: %s", bug)  # noqa: TRY400
    fit = Events()
    for index in range(len(events)):
        event = events.part([index])
        try:
            event.prepared_by(output)
            fit.extend(Events(event.ids, event.docs, event.times, event.datasets))
        except Exception as error:  # noqa: BLE001 -- logged above, with its traceback
            fit.extend(_as_text(event, f"it cannot be prepared: {error!r}", read_at))
    return output.prepare(fit)


def _as_text(event: AnyEvents, reason: str, read_at: int) -> Events:
    plain = Events(event.ids, event.docs, [read_at], event.datasets)
    return wrap(RefusedEvents(plain, [reason]))
