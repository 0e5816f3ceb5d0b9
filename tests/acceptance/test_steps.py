"""kill -9 at a named step: whatever was done by then, every record is stored once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shipper.steps import Step

if TYPE_CHECKING:
    from tests.acceptance.server import Site

PACKAGE = Path(__file__).parent.parent.parent / "shipper"

# What every run comes by; the others have tests of their own.
ON_THE_WAY = (
    Step.READ,
    Step.ENRICHED,
    Step.QUEUED,
    Step.PUBLISHING,
    Step.INDEXING,
    Step.INDEXED,
    Step.PUBLISHED,
    Step.ACKED,
    Step.SAVING,
    Step.SAVED,
)


def crash(site: Site, step: Step, count: int = 1) -> int:
    """Run the shipper until it is killed at a step; give its exit code."""
    command = [sys.executable, "-m", "tests.crashing", step.name, str(count)]
    command += ["--config", str(site.config), "run", "--once", "--timeout", "60s"]
    env = {"PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.run(command, cwd=site.folder, env=env, check=False, timeout=90).returncode


@pytest.mark.parametrize("step", ON_THE_WAY, ids=lambda step: step.name)
def test_killed_at_a_step(site: Site, step: Step) -> None:
    """Killed at any step of a record's way, the shipper loses and doubles nothing."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    site.write(300).wait()

    assert crash(site, step) == -9
    done = site.run("run", "--once", "--timeout", "60s")

    assert done.returncode == 0, done.stderr
    assert site.origins() == Counter(site.written())


def test_every_step_is_one_of_the_code() -> None:
    """A step that the code reaches nowhere would be tested in vain."""
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    later = {"HOLD_LINKED", "HOLD_UNLINKED", "RECEIPT_SEALED"}
    later |= {"LETTERS_REWRITTEN", "LETTERS_REPLACED"}

    used = {*re.findall(r"steps\.reached\(Step\.(\w+)\)", source)}

    assert {step.name for step in Step} - later == used - later
