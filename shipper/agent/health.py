"""
Whether a running shipper lives, and whether it does what it is there for.

Alive: both of its threads turn. The reading thread has been seen at work within `TURN_SECONDS`
(while nothing happens it turns once a second, while the queue is full or the output hangs too);
the publishing thread has not ended. Who is not alive has to be killed and started again, which
loses nothing.

Ready: alive; the output took the last batch, the registry the last save; and nothing that was
read waits for its ack longer than `metrics.ready_seconds`. Who is not ready waits for somebody
else: a restart doesn't help.
"""

from __future__ import annotations

from dataclasses import dataclass

TURN_SECONDS = 60.0  # a scan of very many files on a slow disk is no death


@dataclass(frozen=True, slots=True)
class HealthInputs:
    """What is known of a running shipper at one moment."""

    turned_seconds: float
    publishing: bool
    fault: str | None
    unacked_seconds: float


def ailments(vitals: HealthInputs) -> list[str]:
    """Return why it is not alive; nothing if it is."""
    found = []
    if vitals.turned_seconds > TURN_SECONDS:
        found.append(f"the reading thread was last seen {vitals.turned_seconds:.0f} s ago")
    if not vitals.publishing:
        found.append("the publishing thread has ended")
    return found


def hindrances(vitals: HealthInputs, ready_seconds: float) -> list[str]:
    """Return why it is not ready; nothing if it is."""
    found = ailments(vitals)
    if vitals.fault is not None:
        found.append(vitals.fault)
    if vitals.unacked_seconds > ready_seconds:
        found.append(f"lines that were read wait for their ack for {vitals.unacked_seconds:.0f} s")
    return found
