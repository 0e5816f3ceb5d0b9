"""The alert job as users run it: real processes, a real index, a server that records pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.alerts.incident import Phase
from tests.acceptance.alerting import Alerting
from tests.servers.posts import Says, recording_server

pytestmark = pytest.mark.slow
STEPS = ("ALERT_DECIDED", "ALERT_LOGGED", "ALERT_TRYING", "ALERT_TOLD")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Alerting]:
    with recording_server() as posts:
        posts.otherwise = Says(200, b"ok")
        made = Alerting(tmp_path, posts)
        made.fail()
        yield made
        made.close()


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step_it_tells_once(site: Alerting, step: str) -> None:
    """Killed at any step each alerter is told once; before it is noted, twice under one key."""
    assert site.start("alerts", "run", step=step).wait(60) == -9
    job = site.start("alerts", "run")
    site.wait(lambda: bool(site.heard("hook")) and bool(site.heard("chat")))
    (incident,) = site.incidents(Phase.FIRING)
    assert site.call("alerts", "ack", incident.id[:5], "--by", "kim").returncode == 0
    site.wait(lambda: len(site.heard("hook")) == 2 and len(site.heard("chat")) == 2)
    assert site.stop(job) == 0

    told = [*site.heard("hook").values(), *site.heard("chat").values()]
    assert len(told) == 4
    assert (sum(told) > 4) is (step == "ALERT_TOLD")
    assert max(told) <= 2
    lines = (site.folder / "data/alerts.log").read_text().splitlines()
    assert len({*lines}) == 3
    assert len(lines) == (5 if step == "ALERT_LOGGED" else 3)
