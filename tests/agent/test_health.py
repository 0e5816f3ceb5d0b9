"""Alive and ready: what each means, and that the reason is told."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shipper.agent.health import TURN_SECONDS, HealthInputs, ailments, hindrances

WELL = HealthInputs(turned_seconds=0.1, publishing=True, fault=None, unacked_seconds=2.0)


def test_who_is_well() -> None:
    """Who turns, publishes and is up to date is alive and ready."""
    assert (ailments(WELL), hindrances(WELL, 60)) == ([], [])


@pytest.mark.parametrize(
    ("vitals", "told"),
    [
        (replace(WELL, turned_seconds=TURN_SECONDS + 1), "reading thread .* 61 s ago"),
        (replace(WELL, publishing=False), "publishing thread has ended"),
    ],
)
def test_who_is_not_alive(vitals: HealthInputs, told: str) -> None:
    """A thread that does not turn is told, and who is not alive is not ready."""
    (reason,) = ailments(vitals)

    assert re.search(told, reason)
    assert hindrances(vitals, 60) == [reason]


@pytest.mark.parametrize(
    ("vitals", "told"),
    [
        (replace(WELL, fault="the disk is full"), "the disk is full"),
        (replace(WELL, unacked_seconds=61.0), "lines that were read wait for their ack for 61 s"),
    ],
)
def test_who_waits_for_others(vitals: HealthInputs, told: str) -> None:
    """Who waits for an output or a disk is alive, and not ready."""
    assert (ailments(vitals), hindrances(vitals, 60)) == ([], [told])
