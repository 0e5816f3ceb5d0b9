"""Tests of `shipper alerts rules` and `backtest` on a real index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from tests.store.store_records import access, write_parts

RULE = """\
name: server_errors
severity: high
summary: x
ratio: {of: "status_code:>=500", to: "event.dataset:orchestrator.access", widen_to: 7d}
above: 1%
over: 5m
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config, a rule, and an index with a hundred requests of now, of which a fifth failed."""
    import time  # noqa: PLC0415 - these records have to be of now

    now = int(time.time() * 1000)
    records = [access(seq, 500 if seq % 5 == 0 else 200, 100.0) for seq in range(100)]
    moved = [
        type(each)(each.id, each.doc, now - 90_000 - 1000 * n) for n, each in enumerate(records)
    ]
    write_parts(tmp_path / "var/index", [moved])
    (tmp_path / "config/rules").mkdir(parents=True)
    (tmp_path / "config/rules/server_errors.yml").write_text(RULE)
    (tmp_path / "config/shipper.yml").write_text(
        "service: {name: orders}\ninputs: [{paths: [logs/*.log]}]\noutput: {embedded: {}}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shipper(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["alerts", *arguments])


@pytest.mark.usefixtures("folder")
def test_a_rule_tells_what_it_asks_and_how_it_stands() -> None:
    """The query, the window, the state and the numbers; exit 1 as one is a breach."""
    result = shipper("rules")

    assert result.exit_code == 1
    assert "server_errors  high" in result.output
    assert "query: (event.dataset:orchestrator.access) AND (status_code:>=500)" in result.output
    assert "breach" in result.output
    assert "20 % (20 of 100), 95 % interval" in result.output


@pytest.mark.usefixtures("folder")
def test_programs_get_an_object_per_rule_and_group() -> None:
    """The same as JSON, one object a line."""
    (line,) = shipper("rules", "--json").output.splitlines()

    told = json.loads(line)
    assert (told["rule"], told["state"], told["value"], told["events"]) == (
        "server_errors", "breach", 0.2, 100,
    )  # fmt: skip


def test_a_rule_that_matches_nothing_is_named(folder: Path) -> None:
    """Peace and a query that can never match look alike, so it is said."""
    silly = RULE.replace("server_errors", "typo").replace(
        "orchestrator.access", "orchestrator.acess"
    )
    (folder / "config/rules/typo.yml").write_text(silly)

    text = shipper("rules").output
    (typo,) = [
        found
        for found in map(json.loads, shipper("rules", "--json").output.splitlines())
        if found["rule"] == "typo"
    ]

    assert text.count("its query matched nothing in 30 days") == 1
    assert text.index("typo") < text.index("matched nothing")
    assert typo["idle"]


def test_a_broken_rule_stops_the_command(folder: Path) -> None:
    """All faults are told, and the exit code is that of a wrong config."""
    (folder / "config/rules/other.yml").write_text("name: other\nseverity: bad\n")

    result = shipper("rules")

    assert result.exit_code == 2
    assert "severity (line 2)" in result.output
    assert "summary (line 1): is missing" in result.output


@pytest.mark.usefixtures("folder")
def test_an_unknown_rule_is_told() -> None:
    """A name that is no rule is wrong use."""
    result = shipper("rules", "nope")

    assert result.exit_code == 2
    assert "there is no rule nope; use one of: server_errors" in result.output


@pytest.mark.usefixtures("folder")
def test_a_back_test_shows_what_would_have_fired() -> None:
    """When, how long, what it found; and how many pages a day that makes."""
    result = shipper("backtest", "--since", "1h")

    assert result.exit_code == 0
    first, incident = result.output.splitlines()
    assert first.startswith("server_errors  high  1 page in 1.0 h, 24 a day; firing for")
    assert "still firing" in incident
    assert "95 % interval" in incident


@pytest.mark.usefixtures("folder")
def test_a_back_test_can_try_other_values() -> None:
    """`--set` judges as if the file had the value; `--sweep` several, a line each."""
    high = shipper("backtest", "--since", "1h", "--set", "above=50%")
    swept = shipper("backtest", "--since", "1h", "--sweep", "above=1%,50%", "--json")
    table = shipper("backtest", "--since", "1h", "--sweep", "above=0%..90%")

    assert "no pages in" in high.output
    told = [json.loads(line) for line in swept.output.splitlines()]
    assert [(each["above"], each["pages"]) for each in told] == [("1%", 1), ("50%", 0)]
    assert len(table.output.splitlines()) == 11


@pytest.mark.usefixtures("folder")
def test_a_back_test_gives_programs_an_object_per_incident() -> None:
    """The incident with its times, its numbers and its reason."""
    (line,) = shipper("backtest", "server_errors", "--since", "1h", "--json").output.splitlines()

    told = json.loads(line)
    assert (told["rule"], told["group"], told["resolved"]) == ("server_errors", {}, None)
    assert told["threshold"] == 0.01


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--set", "above"], "has no value; use KEY=VALUE"),
        (["--set", "abvoe=2%"], "cannot set abvoe=2% in server_errors:\n  abvoe: unknown key"),
        (["--set", "above=lots"], "is not a threshold"),
        (["--set", "above=200%"], "is not a share"),
        (["--set", "ratio.too=x"], "too: unknown key; use one of: of, to, widen_to"),
        (["--sweep", "above=1%..x"], "is not a range; use KEY=A..B with one unit"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
    ],
)
def test_a_wrong_value_is_told(arguments: list[str], fault: str) -> None:
    """What can't be set is wrong use, with the remedy."""
    result = shipper("backtest", *arguments)

    assert result.exit_code == 2
    assert fault in result.output
