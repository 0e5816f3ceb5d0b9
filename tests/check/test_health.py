"""Applications that are polled are asked once by the check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shipper.check.finding import FindingLevel
from shipper.config.health import HealthTargetOptions
from tests.check.checking import config_in, faults, findings
from tests.poll.answering import HEALTHY, answer, answering, http


def test_an_application_that_does_not_answer_is_a_warning(place: Path) -> None:
    """With what to do about it; one that answers is well, whatever it says of itself."""
    with (
        answering(answer({**HEALTHY, "status": "degraded"})) as url,
        answering(http(302, b"")) as elsewhere,
    ):
        targets = (
            HealthTargetOptions("api", url),
            HealthTargetOptions("old", elsewhere),
            HealthTargetOptions("gone", "http://127.0.0.1:1/health"),
        )
        config = replace(config_in(place), health=targets)
        bad, all_found = faults(config), findings(config)

    assert bad == [
        ("health[1] (old)", FindingLevel.WARNING, "it redirects to another address (302)"),
        ("health[2] (gone)", FindingLevel.WARNING, "it refuses connections"),
    ]
    assert "it answers: degraded" in [each.fault for each in all_found]
