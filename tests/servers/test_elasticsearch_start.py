"""A node that cannot start says why once; nobody waits for it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import elasticsearch
from tests.servers.elasticsearch import LocalNode, NoServerError


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where a runner writes a line each time it is started, and ends."""
    runner, started = tmp_path / "run.sh", tmp_path / "started"
    runner.write_text(f"#!/bin/sh\necho no JDK here; echo x >> {started}; exit 1\n")
    runner.chmod(0o700)
    monkeypatch.setattr(elasticsearch, "RUNNER", runner)
    monkeypatch.setattr(LocalNode, "first_failure", None)
    monkeypatch.setattr(LocalNode, "has_started", False)
    return started


def test_it_is_tried_once(broken: Path, tmp_path: Path) -> None:
    """The second node fails at once, with the reason of the first."""
    for number in range(3):
        with pytest.raises(NoServerError, match="no JDK here"):
            LocalNode(tmp_path / f"node-{number}").start()

    assert broken.read_text().count("x") == 1


def test_one_that_fails_after_others_ran_says_so_itself(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a node has started before, the machine is fit: each failure is one of its own."""
    monkeypatch.setattr(LocalNode, "has_started", True)

    for number in range(2):
        with pytest.raises(NoServerError, match="no JDK here"):
            LocalNode(tmp_path / f"node-{number}").start()

    assert broken.read_text().count("x") == 2
