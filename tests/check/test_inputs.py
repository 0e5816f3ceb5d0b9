"""Inputs: patterns without files, files that cannot be read, files of two inputs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.check.finding import FindingLevel
from shipper.config.inputs import InputOptions
from tests.check.checking import NOBODY, as_nobody, config_in, faults, write


def test_a_pattern_that_matches_nothing(place: Path) -> None:
    """No file, or no folder yet, is a warning: the application may be started later."""
    assert faults(config_in(place, "logs/*.txt", "nowhere/*/x.log", "*/app.log")) == [
        (
            "inputs[0].paths[0]",
            FindingLevel.WARNING,
            f"{place}/logs/*.txt matches no file now",
        ),
        ("inputs[0].paths[1]", FindingLevel.WARNING, f"the folder {place}/nowhere does not exist"),
    ]


def test_a_file_that_cannot_be_read(place: Path) -> None:
    """Without the right to read, the error names the file and the user."""
    (place / "logs/app.log").chmod(0)

    with as_nobody() as user:
        found = faults(config_in(place))

    path = place / "logs/app.log"
    assert found[0] == (
        "inputs[0].paths[0]",
        FindingLevel.ERROR,
        f"{path} cannot be read by user {user}",
    )


def test_a_folder_that_cannot_be_listed(place: Path) -> None:
    """A folder that cannot be listed is an error, and not reported as "no file"."""
    (place / "logs").chmod(0)

    with as_nobody() as user:
        found = faults(config_in(place))

    fault = f"the folder {place}/logs cannot be listed by user {user}"
    assert found[0] == ("inputs[0].paths[0]", FindingLevel.ERROR, fault)


def test_a_file_of_two_inputs(place: Path) -> None:
    """A file that matches two inputs is reported with both; twice in one input is no fault."""
    log, everything = str(place / "logs/app.log"), str(place / "logs/*")
    twice = config_in(place, inputs=(InputOptions((log, everything)), InputOptions((everything,))))
    excluded = config_in(
        place, inputs=(InputOptions((log,)), InputOptions((everything,), exclude=("app.log",)))
    )

    fault = f"{log} also matches inputs[0]"
    assert faults(twice) == [("inputs[1].paths[0]", FindingLevel.WARNING, fault)]
    assert faults(excluded) == [
        ("inputs[1].paths[0]", FindingLevel.WARNING, f"{everything} matches no file now")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads every file")
def test_links_that_root_would_follow(place: Path) -> None:
    """What leads out of the folder is named; a link beside its target is not."""
    write(place / "secret", b"secret")
    (place / "logs/current.log").symlink_to("app.log")
    assert faults(config_in(place)) == []
    (place / "logs/evil.log").symlink_to(place / "secret")
    own = place / "logs/own.log"
    own.symlink_to(place / "secret")
    os.lchown(own, NOBODY, NOBODY)

    refused, followed = faults(config_in(place))

    assert f"{own}: a link of user {NOBODY}" in refused[2]
    assert f"{place}/logs/evil.log leads to {place}/secret: user 0 may read" in followed[2]
