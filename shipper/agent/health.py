"""
Whether a running shipper is alive, and whether it is ready.

Alive: both of its threads work. The reading thread has been seen at work within `TURN_SECONDS` (it
turns once a second even when idle, when the queue is full, or while the output hangs), and the
publishing thread has not ended. A shipper that is not alive has to be killed and started again,
which loses nothing.

Ready: alive, the last publish and the last save succeeded, and no line has waited for its ack for
longer than `metrics.ready_seconds`. A shipper that is not ready waits for something else, so a
restart does not help.
"""

from __future__ import annotations

from dataclasses import dataclass

TURN_SECONDS = 60.0  # a scan of very many files on a slow disk may take this long


@dataclass(frozen=True, slots=True)
class HealthInputs:
    """What health is judged by, at one moment; `error` is why the last publish or save failed."""

    turned_seconds: float
    publishing: bool
    error: str | None
    unacked_seconds: float


def not_alive(inputs: HealthInputs) -> list[str]:
    """Return why the shipper is not alive; nothing if it is."""
    reasons = []
    if inputs.turned_seconds > TURN_SECONDS:
        reasons.append(f"the reading thread was last seen {inputs.turned_seconds:.0f} s ago")
    if not inputs.publishing:
        reasons.append("the publishing thread has ended")
    return reasons


def not_ready(inputs: HealthInputs, ready_seconds: float) -> list[str]:
    """Return why the shipper is not ready; nothing if it is."""
    reasons = not_alive(inputs)
    if inputs.error is not None:
        reasons.append(inputs.error)
    if inputs.unacked_seconds > ready_seconds:
        reasons.append(f"lines have waited for their ack for {inputs.unacked_seconds:.0f} s")
    return reasons
