"""Checks of inputs that are no files."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.check.intake import check_intake
from shipper.check.machine import CheckContext, Machine
from shipper.config.main import load

HEAD = "service: {name: app}\noutput: {embedded: {}}\n"


def said(folder: Path, inputs: str) -> list[str]:
    path = folder / "shipper.yml"
    path.write_text(f"{HEAD}data_dir: {folder}/data\ninputs: {inputs}\n")
    context = CheckContext(load(path), Machine(), {})
    return [f"{each.place}: {each.fault}" for each in check_intake(context)]


@pytest.mark.parametrize(
    ("listen", "text"),
    [
        ("tcp://0.0.0.0:5514", "can be reached from other machines"),
        ("udp://127.0.0.1:5514", "udp://127.0.0.1:5514"),
        ("unix:///nowhere-that-is/a/file.sock", ""),
    ],
)
def test_who_can_send_is_said(tmp_path: Path, listen: str, text: str) -> None:
    """An address that others can reach is a warning."""
    found = said(tmp_path, f'[{{syslog: {{listen: ["{listen}"]}}}}]')

    assert text in "\n".join(found)


def test_standard_input_is_no_fault(tmp_path: Path) -> None:
    """It has no files that could be missing."""
    assert said(tmp_path, "[{stdin: {}}]") == ["inputs[0].stdin: received by shipper run --stdin"]
