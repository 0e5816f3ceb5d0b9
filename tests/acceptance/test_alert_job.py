"""The alert job as users run it: real processes, a real index, a server that records pages."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.alerts.incident import Phase
from tests.acceptance.alerting import CONFIG, RULE, Alerting
from tests.servers.posts import Hang, Says, recording_server

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
    assert site.call("alerts", "ack", incident.id[:5], "--by", "oncall").returncode == 0
    site.wait(lambda: len(site.heard("hook")) == 2 and len(site.heard("chat")) == 2)
    assert site.stop(job) == 0

    told = [*site.heard("hook").values(), *site.heard("chat").values()]
    assert len(told) == 4
    assert (sum(told) > 4) is (step == "ALERT_TOLD")
    assert max(told) <= 2
    lines = (site.folder / "data/alerts.log").read_text().splitlines()
    assert len({*lines}) == 3
    assert len(lines) == (5 if step == "ALERT_LOGGED" else 3)


def test_once_finds_what_run_would_find(site: Alerting) -> None:
    """Called again and again, as by cron, it tells once and exits with 0; it resolves as well."""
    (site.folder / "rules/errors.yml").write_text(RULE.replace("over: 10m", "over: 5s"))

    def told(count: int) -> bool:
        assert site.call("alerts", "once").returncode == 0
        return len(site.heard("hook")) == count

    site.wait(lambda: told(1))
    site.fail(0)
    site.wait(lambda: told(2))

    (incident,) = site.incidents()
    assert incident.resolved_by == "rule"
    assert [*site.heard("hook").values()] == [1, 1]


def test_a_second_job_on_the_same_folder_says_so(site: Alerting) -> None:
    """The data folder has one alert job; the lock ends with its process."""
    job = site.start("alerts", "run")
    site.wait(lambda: len(site.incidents(Phase.FIRING)) == 1)

    refused = site.call("alerts", "once")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "another alert job" in refused.stderr
    job.kill()
    job.wait(60)

    assert site.call("alerts", "once").returncode == 0


def test_sighup_reads_the_rules_again(site: Alerting) -> None:
    """A rule that is broken changes nothing; one that is gone ends its incidents."""
    job = site.start("alerts", "run")
    site.wait(lambda: len(site.incidents(Phase.FIRING)) == 1)
    rule = site.folder / "rules/errors.yml"
    text = rule.read_text()
    rule.write_text("name: errors\n")
    job.send_signal(signal.SIGHUP)
    site.wait(lambda: "the old one stays in force" in site.output())
    assert len(site.incidents(Phase.FIRING)) == 1

    rule.write_text(text.replace("above: 2", "above: 20").replace("name: errors", "name: many"))
    rule.rename(rule.with_name("many.yml"))
    job.send_signal(signal.SIGHUP)
    site.wait(lambda: not site.incidents(Phase.FIRING))
    site.wait(lambda: len(site.heard("hook")) == 2)

    assert site.stop(job) == 0
    (incident,) = site.incidents()
    assert incident.resolved_by == "config"


def test_one_that_hangs_holds_up_nobody(site: Alerting) -> None:
    """While one alerter hangs, the other tells; the stop waits for its limit and no longer."""
    with recording_server() as hanging:
        hanging.otherwise = Hang()
        site.alerters(
            {
                "hook": {"webhook": {"url": f"{site.posts.url}/hook"}},
                "stuck": {"webhook": {"url": f"{hanging.url}/x", "seconds": 1}},
            }
        )
        job = site.start("alerts", "run")
        site.wait(lambda: bool(site.heard("hook")) and bool(hanging.posted))
        assert site.stop(job) == 0

    (telling,) = [each for each in site.notifications() if each.alerter == "stuck"]
    assert telling.state == "waiting"
    assert "did not answer" in (telling.fault or "")


def test_a_ping_goes_out_while_all_is_well(site: Alerting) -> None:
    """The dead man's ping is heard while the store answers, and not without a store."""
    ping = f"  ping: {{url: '{site.posts.url}/ping', every: 5s}}\n"
    section = CONFIG.replace("alerts: {", "alerts:\n  {").partition("alerts:\n  {")
    options = [f"  {each.strip()}\n" for each in section[2].strip().rstrip("}").split(",")]
    site.config.write_text(section[0] + "alerts:\n" + "".join(options) + ping)
    job = site.start("alerts", "run")

    def pings() -> int:
        return sum(each.path == "/ping" and each.method == "GET" for each in site.posts.posted)

    site.wait(lambda: pings() > 0)
    assert site.stop(job) == 0
    shutil.rmtree(site.folder / "index")
    before = pings()
    job = site.start("alerts", "run")
    site.wait(lambda: "no rule can be evaluated" in site.output())
    assert site.stop(job) == 0
    assert pings() == before


def test_what_cannot_be_used_stops_the_start(site: Alerting) -> None:
    """All faults of all rules are told; with --skip-broken the rest runs, and that is told."""
    (site.folder / "rules/odd.yml").write_text("name: odd\nseverity: big\n")
    (site.folder / "rules/bad.yml").write_text("nonsense")

    refused = site.call("alerts", "once")
    assert refused.returncode == 2
    for word in ("odd.yml", "bad.yml", "severity", "--skip-broken"):
        assert word in refused.stderr

    job = site.start("alerts", "run", "--skip-broken")
    site.wait(lambda: len(site.incidents(Phase.FIRING)) == 3)
    assert site.stop(job) == 0
    rules = [each.rule for each in site.incidents(Phase.FIRING)]
    assert sorted(rules) == ["errors", "rule_broken", "rule_broken"]


def test_people_act_from_the_command_line(site: Alerting) -> None:
    """Show, acknowledge, silence, resolve and the history, beside the running job."""
    job = site.start("alerts", "run")
    site.wait(lambda: len(site.incidents(Phase.FIRING)) == 1)
    (incident,) = site.incidents()

    listed = site.call("alerts", "list")
    assert incident.id in listed.stdout
    assert "acknowledge in 1" in listed.stdout
    assert site.call("alerts", "silence", "rule=err*", "--for", "1h").returncode == 0
    assert "rule=err*" in site.call("alerts", "silence").stdout
    site.wait(lambda: "muted" in site.call("alerts", "list").stdout)
    silence = site.call("alerts", "silence").stdout.splitlines()[1].split()[0]
    assert site.call("alerts", "unsilence", silence[:3], "--by", "second").returncode == 0
    assert site.call("alerts", "note", incident.id[:4], "it was the pool").returncode == 0
    assert site.call("alerts", "ack", incident.id[:4], "--by", "oncall").returncode == 0
    again = site.call("alerts", "ack", incident.id)
    assert (again.returncode, again.stdout) == (1, "")
    assert "acknowledged by oncall" in again.stderr
    shown = site.call("alerts", "show", incident.id[:4]).stdout
    assert "acknowledged by oncall" in shown
    assert "fired" in shown
    assert "unsilenced by second" in shown
    assert "it was the pool" in shown
    assert site.call("alerts", "resolve", incident.id, "--note", "fixed").returncode == 0
    kept = site.call("alerts", "history", "--sla")
    assert kept.returncode == 0
    assert "high" in kept.stdout
    assert json.loads(site.call("alerts", "history", "--json").stdout.splitlines()[0])["id"]
    assert site.call("alerts", "ack", "nothing").returncode == 2
    assert site.stop(job) == 0
