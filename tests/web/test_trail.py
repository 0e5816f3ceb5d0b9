"""The audit trail on its way into the store, and what happens while it can't be written."""

from __future__ import annotations

import json
import time
from pathlib import Path

from click.testing import CliRunner

from shipper.cli import main
from shipper.config.main import load
from shipper.web.trail import MOST_CHARS, MOST_GIVEN, WebAct, WebTrail
from tests.agent.shipping import ship

CONFIG = """
service: {{name: s}}
data_dir: {folder}/data
inputs: [{{paths: ["{folder}/logs/*.log"]}}]
output: {{embedded: {{path: {folder}/index}}}}
"""


def now() -> int:
    return int(time.time() * 1000)


def lines_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_acts_are_found_in_the_store(tmp_path: Path) -> None:
    """Two processes write the trail; the shipper stores each act once, and the audit agrees."""
    config = tmp_path / "shipper.yml"
    config.write_text(CONFIG.format(folder=tmp_path))
    for number in range(2):
        trail = WebTrail(tmp_path / "data/web.log", now)
        trail.note(WebAct("ack", "ada", "operator", f"incidents/{number}", "192.0.2.9"))
        trail.note(WebAct("ack", "vi", "viewer", f"incidents/{number}", "192.0.2.9", status=403))
        trail.close()

    ship(load(config))
    ship(load(config))

    def counted(query: str) -> int:
        given = ["--config", str(config), "search", query, "--count"]
        return int(CliRunner().invoke(main, given).stdout)

    assert counted("event.dataset:orchestrator.web") == 4
    assert counted("event.dataset:orchestrator.web AND extra.by:ada AND extra.outcome:done") == 2
    assert counted("level:WARNING AND extra.by:vi AND extra.outcome:refused") == 2
    audited = CliRunner().invoke(main, ["--config", str(config), "audit", "--json"])
    assert audited.exit_code == 0, audited.output


def test_an_act_that_cannot_be_written_waits(tmp_path: Path) -> None:
    """A trail that can't be written stops nobody; the act is there when it can be again."""
    folder = tmp_path / "data"
    folder.write_text("in the way")
    trail = WebTrail(folder / "web.log", now)
    trail.note(WebAct("ack", "ada"))
    folder.unlink()
    folder.mkdir()

    trail.note(WebAct("resolve", "ada"))

    assert [each["act"] for each in lines_of(folder / "web.log")] == ["ack", "resolve"]


def test_a_record_is_bounded(tmp_path: Path) -> None:
    """However long a value is, and whatever is in it, a record is one line of bounded length."""
    trail = WebTrail(tmp_path / "web.log", now)
    long = "\n\x1b\u202e\ud800" * 10_000

    trail.note(WebAct(long, long, long, long, long, long))

    (record,) = lines_of(tmp_path / "web.log")
    assert max(len(record[name]) for name in ("act", "by", "role", "on", "address")) <= MOST_CHARS
    assert len(record["given"]) <= MOST_GIVEN
    assert "\n" not in "".join(map(str, record.values()))
