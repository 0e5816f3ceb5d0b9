"""The log of the alert job, and how it gets into the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shipper.agent.loop import run as ship
from shipper.alerts.incidents.lifecycle import acknowledge
from shipper.alerts.ledger.journal import Journal
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.pruning import LOGGED
from shipper.config.main import load
from shipper.store.api import Selection
from shipper.store.opening import open_embedded
from tests.alerts.verdicts import MINUTE, START, live_through

RUN = "01KGQ5T4D3ZZZZZZZZZZZZZZZZ"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "data" / "alerts.db")) as opened:
        yield opened


def live(ledger: Ledger, letters: str) -> None:
    _, transitions = live_through(letters)
    with ledger.deciding():
        for each in transitions:
            ledger.record(each, [], each.at + 1500)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_transition_is_a_record(ledger: Ledger, tmp_path: Path) -> None:
    """Each transition is logged once, in order, without a gap in its numbers; none is an ERROR."""
    path = tmp_path / "data" / "alerts.log"
    live(ledger, "bo")
    live(ledger, "b")  # known already
    with closing(Journal(path, ledger, RUN)) as journal:
        assert journal.catch_up() == 3
        assert journal.catch_up() == 0
    live(ledger, "bob")
    with closing(Journal(path, ledger, "another run")) as journal:
        assert journal.catch_up() == 2

    found = lines(path)
    assert [each["change"] for each in found] == ["opened", "fired", "resolved", "opened", "fired"]
    assert [(each["run"], each["seq"]) for each in found] == [(RUN, seq) for seq in range(5)]
    assert {each["level"] for each in found} == {"INFO", "WARNING"}
    assert found[1]["message"] == "server_errors (service.name=shop) fired: it is breach"
    assert found[1]["timestamp"] == "2026-05-28T20:26:01.500Z"
    assert {"note", "by", "muted_by", "late", "flapping"} & {*found[0]} == set()


def test_who_did_it_is_told(ledger: Ledger, tmp_path: Path) -> None:
    """A record names the person who took an incident over, and what was said."""
    path = tmp_path / "data" / "alerts.log"
    incident, _ = live_through("b")
    assert incident is not None
    with ledger.deciding():
        for each in acknowledge(incident, "oncall", START + MINUTE, "on it")[1]:
            ledger.record(each, [], START + MINUTE)
    with closing(Journal(path, ledger, RUN)) as journal:
        journal.catch_up()

    (found,) = lines(path)
    assert (found["by"], found["note"], found["phase"]) == ("oncall", "on it", "acknowledged")


@pytest.mark.slow
def test_the_shipper_stores_it_once(tmp_path: Path) -> None:
    """`shipper run` reads the log beside its inputs; what a crash wrote twice is stored once."""
    config = tmp_path / "shipper.yml"
    config.write_text(
        f"service: {{name: shop}}\ndata_dir: {tmp_path}/data\n"
        f"inputs: [{{paths: ['{tmp_path}/logs/*.log']}}]\n"
        f"output: {{embedded: {{path: {tmp_path}/index}}}}\n"
    )
    with closing(Ledger(tmp_path / "data" / "alerts.db")) as ledger:
        live(ledger, "bo")
        path = tmp_path / "data" / "alerts.log"
        with closing(Journal(path, ledger, RUN)) as journal:
            journal.catch_up()
            ledger.set_meta(LOGGED, "0")
            journal.catch_up()
    assert len(lines(path)) == 6

    assert ship(load(config), once=True, timeout_seconds=60) == 0

    with closing(open_embedded(tmp_path / "index")) as store:
        found = store.search(Selection("event.dataset:orchestrator.alerts"), limit=10)
        assert found.total == 3
        assert store.count(Selection("rule:server_errors AND change:fired AND severity:high")) == 1
        assert store.count(Selection("level:ERROR")) == 0
