"""`shipper alerts alerters` and `send-test`: what they say, and their exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from tests.commands.cli_index import CONFIG
from tests.servers.posts import Posts, Says, recording_server

SECRET = "R0UT1NG-K3Y"


@pytest.fixture
def posts() -> Iterator[Posts]:
    """Run a server that records."""
    with recording_server() as posts:
        yield posts


def call(folder: Path, settings: str, *words: str) -> Result:
    (folder / "key").write_text(SECRET)
    (folder / "alerts.json").write_text(settings.replace("FOLDER", str(folder)))
    config = CONFIG.format(folder=folder) + f"alerts: {{settings: {folder}/alerts.json}}\n"
    (folder / "shipper.yml").write_text(config)
    return CliRunner().invoke(main, ["--config", str(folder / "shipper.yml"), "alerts", *words])


def pager(posts: Posts) -> str:
    return (
        "alerters: {pager: {pagerduty: {routing_key_file: FOLDER/key, "
        f"base_url: '{posts.url}'}}}}}}"
    )


def test_a_test_page_says_what_was_sent_where(tmp_path: Path, posts: Posts) -> None:
    """The incident is made and ended, and no secret is shown."""
    done = call(tmp_path, pager(posts), "send-test", "pager", "--severity", "critical")

    assert done.exit_code == 0, done.output
    assert [each.json["event_action"] for each in posts.posted] == ["trigger", "resolve"]
    assert posts.posted[0].json["payload"]["severity"] == "critical"
    first, second = done.output.splitlines()
    assert "fired: PagerDuty events at http://127.0.0.1" in first
    assert "resolved" in second
    assert SECRET not in done.output


def test_a_test_page_can_stay_open(tmp_path: Path, posts: Posts) -> None:
    """With `--keep-open` somebody can acknowledge it there."""
    assert call(tmp_path, pager(posts), "send-test", "pager", "--keep-open").exit_code == 0
    assert [each.json["event_action"] for each in posts.posted] == ["trigger"]


@pytest.mark.parametrize(("status", "code"), [(403, 1), (503, 3)])
def test_the_exit_code_says_what_came_of_it(
    tmp_path: Path, posts: Posts, status: int, code: int
) -> None:
    """1 for a refusal, 3 for a service that cannot be reached; the reason is told."""
    posts.otherwise = Says(status, {"said": SECRET})

    done = call(tmp_path, pager(posts), "send-test", "pager")

    assert done.exit_code == code
    assert f"PagerDuty answers {status}" in done.output
    assert SECRET not in done.output


def test_an_alerter_that_there_is_not(tmp_path: Path, posts: Posts) -> None:
    """The error names those that there are."""
    done = call(tmp_path, pager(posts), "send-test", "page")

    assert done.exit_code == 2
    assert 'there is no alerter "page"; use one of: pager' in done.output


def test_the_alerters_are_listed_with_their_routes(tmp_path: Path) -> None:
    """Who is told of what is readable, what goes to nobody too."""
    settings = """
alerters:
  chat: {slack: {token_file: FOLDER/key, channel: C0123}, fallback: screen}
  screen: {console: {}}
routes:
  - {severity: [critical, high], service: [shop*], to: [chat], continue: true}
  - {change: [resolved], to: [screen]}
"""
    done = call(tmp_path, settings, "alerters")

    assert done.exit_code == 0
    assert "chat     slack    Slack channel C0123  screen" in done.output
    assert "severity critical or high, service shop* → chat, and continue" in done.output
    assert "change resolved → screen" in done.output
    assert "everything else → nobody" in done.output
    assert SECRET not in done.output


def test_what_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that needs an extra says which."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.delitem(sys.modules, "shipper.alerts.alerters.apprise", raising=False)

    done = call(tmp_path, "alerters: {any: {apprise: {url_file: FOLDER/key}}}", "alerters")

    assert done.exit_code == 2
    assert "alerters.any: apprise is not installed; pip install" in done.output


def test_nobody_to_tell_is_an_answer(tmp_path: Path) -> None:
    """Without an alerter the answer is no."""
    done = call(tmp_path, "{}", "alerters")

    assert done.exit_code == 1
    assert "nobody is notified" in done.output


def test_a_wrong_file_is_told_whole(tmp_path: Path) -> None:
    """All faults of alerts.json come at once, with exit code 2."""
    done = call(tmp_path, "{alerters: {a: {}, b: {console: {x: 1}}}}", "alerters")

    assert done.exit_code == 2
    assert "alerters.a" in done.output
    assert "alerters.b.console.x" in done.output


def test_init_writes_what_is_to_be_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alerters alone, or the rules too; what is there stays; the job can use all of it."""
    monkeypatch.chdir(tmp_path)
    init = ["alerts", "init"]
    first = CliRunner().invoke(main, init)
    assert (first.exit_code, first.output) == (0, "config/alerts.json\n")
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["alerts.json"]
    (tmp_path / "config/alerts.json").write_text("{}")

    second = CliRunner().invoke(main, [*init, "--rules"])

    assert second.exit_code == 0, second.output
    assert "1 already there, not changed" in second.output
    assert (tmp_path / "config/alerts.json").read_text() == "{}"
    assert (tmp_path / "config/rules/tests/timeouts.yml").is_file()
    assert (tmp_path / "config/runbooks/timeouts.md").is_file()


def test_init_elsewhere_says_what_to_set(tmp_path: Path) -> None:
    """The config has to name a folder that is not looked at by itself."""
    done = CliRunner().invoke(main, ["alerts", "init", str(tmp_path / "etc"), "--rules"])

    assert f"settings: {tmp_path}/etc/alerts.json" in done.output
    assert f"rules: {tmp_path}/etc/rules" in done.output
