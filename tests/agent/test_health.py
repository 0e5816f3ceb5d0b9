"""Alive and ready: what each means, and which reason is given."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shipper.agent.health import TURN_SECONDS, HealthInputs, not_alive, not_ready

WELL = HealthInputs(turned_seconds=0.1, publishing=True, error=None, unacked_seconds=2.0)


def test_all_is_well() -> None:
    """A shipper that turns, publishes and is up to date is alive and ready."""
    assert (not_alive(WELL), not_ready(WELL, 60)) == ([], [])


@pytest.mark.parametrize(
    ("inputs", "reason_like"),
    [
        (replace(WELL, turned_seconds=TURN_SECONDS + 1), "reading thread .* 61 s ago"),
        (replace(WELL, publishing=False), "publishing thread has ended"),
    ],
)
def test_not_alive(inputs: HealthInputs, reason_like: str) -> None:
    """A thread that does not turn is named; a shipper that is not alive is not ready."""
    (reason,) = not_alive(inputs)

    assert re.search(reason_like, reason)
    assert not_ready(inputs, 60) == [reason]


@pytest.mark.parametrize(
    ("inputs", "reason_like"),
    [
        (replace(WELL, error="the disk is full"), "the disk is full"),
        (replace(WELL, unacked_seconds=61.0), "lines have waited for their ack for 61 s"),
    ],
)
def test_not_ready(inputs: HealthInputs, reason_like: str) -> None:
    """A shipper that waits for an output or a disk is alive, but not ready."""
    assert (not_alive(inputs), not_ready(inputs, 60)) == ([], [reason_like])
