"""What the checkpointer does at a start."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import EmbeddedOutput
from shipper.registry import owner
from tests.agent.shipping import ship

TOLD = "is a copy or an old backup"


def test_a_copy_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also if nothing is read: the next start of a quiet shipper finds the one that it uses."""
    (tmp_path / "data").mkdir()
    (tmp_path / "app.log").write_text("one\n")
    config = Config(
        service=ServiceOptions("app"),
        data_dir=tmp_path / "data",
        inputs=(InputOptions((f"{tmp_path}/*.log",)),),
        output=EmbeddedOutput(tmp_path / "index"),
    )
    ship(config)
    saves = tmp_path / "data" / owner.SAVES
    count, written_at = saves.read_text().split()
    saves.write_text(f"{count} {int(written_at) - 10**10:020d}\n")  # as chown: a new ctime

    told = []
    for _ in range(3):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "shipper"):
            ship(config)
        told.append(TOLD in caplog.text)

    assert told == [True, False, False]
