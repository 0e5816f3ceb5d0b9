"""What people are shown by a running alert job: a page that explains itself, from real records."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.alerting import ROOT, Alerting
from tests.servers.posts import Says, recording_server

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Alerting]:
    """Make a site where three errors have just happened."""
    with recording_server() as posts:
        posts.otherwise = Says(200, b"ok")
        made = Alerting(tmp_path, posts)
        made.fail()
        yield made
        made.close()


def test_pages_show_on_the_console(site: Alerting) -> None:
    """With `--console` the page is shown here, others are told too, and its command works."""
    shown: list[str] = []

    def is_shown() -> bool:
        shown.append(site.call("alerts", "once", "--console").stdout)
        return "[HIGH] errors" in shown[-1]

    site.wait(is_shown)

    page = shown[-1]
    assert "Firing: 3 errors" in page
    assert "Examples:" in page
    assert len(site.heard("hook")) == 1
    command = re.search(r"Show the records:\n +(shipper .*)", page)
    assert command is not None
    done = subprocess.run(
        [sys.executable, "-m", "shipper.cli", *shlex.split(command[1])[1:], "--count"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "3"
