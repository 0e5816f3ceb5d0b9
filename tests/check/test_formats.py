"""What the files of inputs are, and whether their lines have the format that the config names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shipper.check.finding import FindingLevel
from shipper.formats.table import FORMATS
from tests.check.checking import config_in, findings, write
from tests.formats.reading import config_of

IIS = "#Fields: time c-ip sc-status\n"
# Options of an input → a line that fits them, and one that does not.
FITTING = {
    "format: nginx": (FORMATS["nginx"].samples[0], "something else"),
    "format: auto": (FORMATS["apache"].samples[1], "something else"),
    "format: json": ('{"msg":"x"}', "something else"),
    "format: w3c": ("14:30:45 203.0.113.7 200", "something else again, longer"),
    "pattern: '%{TIME:time} %{GREEDYDATA:message}'": ("14:30:45 x", "something else"),
}


def warnings(place: Path, options: str, text: str) -> list[str]:
    """Return the warnings about the formats of one file."""
    config = config_in(place)
    source = replace(config_of(options).inputs[0], paths=config.inputs[0].paths)
    write(place / "logs/app.log", text.encode())
    found = findings(replace(config, inputs=(source,)))
    return [
        each.fault
        for each in found
        if each.level is FindingLevel.WARNING and "that were looked at" in each.fault
    ]


@pytest.mark.parametrize("options", FITTING)
def test_more_than_one_in_a_hundred_that_do_not_fit_is_a_warning(place: Path, options: str) -> None:
    """As many as that are none: the format is right, and some lines are odd."""
    fitting, other = FITTING[options]
    head = IIS if "w3c" in options else ""

    few = warnings(place, options, head + f"{fitting}\n" * 99 + f"{other}\n")
    many = warnings(place, options, head + f"{fitting}\n" * 97 + f"{other}\n" * 2)

    assert few == []
    assert len(many) == 1
    assert "2 of 99 lines" in many[0]
    assert ("not_json" if "json" in options else "no_match") in many[0]


def test_the_end_of_a_long_file_is_looked_at(place: Path) -> None:
    """Where the format changed later; what goes on is no misfit."""
    trace = "2026-02-05 14:30:45,123 - app - ERROR - x\nTraceback (most recent call last):\n  a\n"

    assert warnings(place, "format: python", trace * 3000) == []
    assert (
        len(
            warnings(
                place, "format: nginx", f"{FITTING['format: nginx'][0]}\n" * 2000 + "x\n" * 200
            )
        )
        == 1
    )


def test_a_file_without_a_named_format_is_not_looked_at(place: Path) -> None:
    """Lines of emit and others stand side by side there."""
    assert warnings(place, "format: emit", "something\nelse\n") == []
