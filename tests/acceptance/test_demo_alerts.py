"""The demo's alert job: break the application, and the right incident opens, and ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shipper.alerts.incident import Incident
from shipper.alerts.judge.decide import FIRING
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.settings import load as load_settings
from shipper.demo.alerts import TOO_LONG, write_alerters, write_rules
from shipper.process import data_folder

pytestmark = pytest.mark.xdist_group("demo")

ROOT = Path(__file__).parents[2]
SHIPPER = [sys.executable, "-m", "shipper", "--config", str(ROOT / "config/shipper.yml")]
LIMIT_SECONDS = 120


def test_rules_of_the_demo_are_the_shipped_ones(tmp_path: Path) -> None:
    """Names, questions and thresholds stay; only the periods are shorter, and nobody gets mail."""
    shipped = load_rules(ROOT / "config/rules").rules
    write_rules(ROOT / "config/rules", tmp_path)
    write_alerters(tmp_path / "alerters.yaml")

    found = {rule.name: rule for rule in load_rules(tmp_path).rules}
    assert set(found) == {rule.name for rule in shipped} - TOO_LONG
    for rule in shipped:
        if rule.name in found:
            short = found[rule.name]
            assert (short.asked, short.above, short.below) == (rule.asked, rule.above, rule.below)
            assert short.over_ms <= 60_000 or short.kind_name == "job"
    alerters = load_settings(tmp_path / "alerters.yaml").all_alerters
    assert [each.kind for each in alerters.values()] == ["console"]


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_database_that_is_gone_is_told_and_its_return_too(tmp_path: Path) -> None:
    """Taken away, the database is an incident with a page; `ack` stops its clock; back, it ends."""
    ledger, out = tmp_path / "var/shipper" / data_folder.ALERTS_LEDGER, tmp_path / "demo.out"

    def firing() -> list[Incident]:
        if not ledger.exists():
            return []
        with closing(Ledger(ledger)) as opened:
            return [each for each in opened.incidents(FIRING) if each.muted is None]

    def break_it(rate: float) -> None:
        found = re.search(r"application at (http://[\d.:]+)", out.read_text())
        assert found is not None
        body = json.dumps({"database_gone": rate}).encode()
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(f"{found[1]}/api/faults", body, headers)
        urllib.request.urlopen(asked, timeout=30).close()

    with out.open("wb") as printed:
        command = [*SHIPPER, "demo", "--directory", str(tmp_path), "--rate", "20"]
        demo = subprocess.Popen(command, stdout=printed, stderr=printed, cwd=ROOT)
    try:
        until(lambda: ledger.exists() and "behind" in out.read_text())
        break_it(1)
        until(firing)
        (incident,) = firing()
        assert incident.rule == "database_disconnected"
        acked = subprocess.run(
            [*SHIPPER, "alerts", "ack", incident.id], cwd=tmp_path, check=False, timeout=60
        )
        assert acked.returncode == 0
        break_it(0)
        until(lambda: incident.id not in {each.id for each in firing()})
        until(lambda: "Resolved after" in (tmp_path / "var/demo/alerts.out").read_text())
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0, out.read_text()
    pages = (tmp_path / "var/demo/alerts.out").read_text()
    for told in ("Firing: ", "Acknowledged by", "Resolved after"):
        assert told in pages
