"""All checks together: a config that works has a finding per place."""

from __future__ import annotations

import os
from pathlib import Path

from shipper.check.finding import FindingLevel
from tests.check.checking import config_in, findings


def test_all_is_well(place: Path) -> None:
    """A config that works has one OK finding per place, and checking creates nothing."""
    found = findings(config_in(place))

    assert [(each.place, each.level) for each in found] == [
        ("inputs[0].paths[0]", FindingLevel.OK),
        ("data_dir", FindingLevel.OK),
        ("holds", FindingLevel.OK),
        ("output.embedded.path", FindingLevel.OK),
    ]
    assert found[0].fault == "files: 1, 3 B"
    assert sorted(os.listdir(place)) == ["logs"]
