"""What people did besides the steps of an incident leaves a record with who did it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incident import Change, Incident, Phase
from shipper.alerts.incidents.lifecycle import resolve
from shipper.alerts.incidents.muting import Silence
from shipper.alerts.ledger.acts import MOST_NOTES, NOTE_CHARS, Act, ActKind
from shipper.alerts.ledger.journal import Journal, acts_run
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.pruning import ACTS_LOGGED, prune
from shipper.config.matchers import parse_matcher
from shipper.errors import ConfigError, DataFolderError
from tests.alerts.verdicts import HOUR, MINUTE, START, live_through

RUN = "01KGQ5T4D3ZZZZZZZZZZZZZZZZ"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "alerts.db")) as opened:
        yield opened


@pytest.fixture
def incident(ledger: Ledger) -> Incident:
    """Keep an incident that fires."""
    found, _ = live_through("b")
    assert found is not None
    with ledger.deciding():
        ledger.update(found)
    return found


def silence(name: str = "s1", rule: str = "server_*") -> Silence:
    return Silence(
        name, (parse_matcher(f"rule={rule}"),), START + HOUR, START + 2 * HOUR, "oncall", "deploy"
    )


def logged(ledger: Ledger, path: Path) -> list[dict[str, Any]]:
    with closing(Journal(path, ledger, RUN)) as journal:
        journal.catch_up()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_act_is_a_record_with_who(ledger: Ledger, incident: Incident, tmp_path: Path) -> None:
    """A silence, its end and a note are logged once, in order, numbered without a gap."""
    ledger.silences.put(silence())
    ledger.silences.end("s", "second", START + HOUR + MINUTE)
    ledger.acts.note(incident, "third", START + 2 * HOUR, "it was\nthe pool")

    path = tmp_path / "alerts.log"
    found = logged(ledger, path)
    ledger.set_meta(ACTS_LOGGED, "1")  # as a crash leaves it: written, and not noted as written
    again = logged(ledger, path)

    assert [(each["change"], each["by"]) for each in found] == [
        ("silenced", "oncall"),
        ("unsilenced", "second"),
        ("noted", "third"),
    ]
    assert {each["run"] for each in found} == {acts_run(RUN)} != {RUN}
    assert [each["seq"] for each in found] == [0, 1, 2]
    assert again == [*found, *found[1:]]
    assert found[0]["message"] == "rule=server_* silenced by oncall: deploy"
    assert (found[0]["silence"], found[0]["matchers"]) == ("s1", "rule=server_*")
    assert (found[2]["incident"], found[2]["note"]) == (incident.id, "it was\nthe pool")


def test_there_is_no_silence_without_its_act(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are one transaction: if the act can't be kept, nobody is silenced."""

    def full(_act: Act) -> None:
        raise DataFolderError("the disk is full", "")

    monkeypatch.setattr(ledger.acts, "add", full)

    with pytest.raises(DataFolderError):
        ledger.silences.put(silence())

    assert ledger.silences.active(now=START + HOUR) == ()


def test_who_resolved_what_was_pending_is_recorded(incident: Incident) -> None:
    """An incident that is ended before it fired names who ended it."""
    _, (dropped,) = resolve(replace(incident, phase=Phase.PENDING), "oncall", START, "")

    assert (dropped.change, dropped.by) == (Change.DROPPED, "oncall")


def test_a_history_has_the_silences_of_its_incident(ledger: Ledger, incident: Incident) -> None:
    """Those that were made while it was open, and whose matchers hold for it."""
    ledger.silences.put(silence("mine"))
    ledger.silences.put(silence("other", rule="another"))
    ended = replace(incident, resolved_at=START + HOUR - 1)

    assert [act.silence.id for act in ledger.acts.of(incident) if act.silence] == ["mine"]
    assert ledger.acts.of(ended) == []


@pytest.mark.parametrize("text", ["", " \n", "x" * (NOTE_CHARS + 1)])
def test_a_note_has_a_length(ledger: Ledger, incident: Incident, text: str) -> None:
    """An empty or very long one is refused."""
    with pytest.raises(ConfigError, match="a note has 1 to 2,000 characters"):
        ledger.acts.note(incident, "oncall", START, text)


def test_an_incident_has_so_many_notes(ledger: Ledger, incident: Incident) -> None:
    """More are refused, for the page shows all of them."""
    with ledger.deciding():
        for number in range(MOST_NOTES):
            ledger.acts.add(Act(ActKind.NOTED, START, "oncall", f"{number}", incident))

    with pytest.raises(ConfigError, match="as many as fit"):
        ledger.acts.note(incident, "oncall", START, "one more")


def test_old_acts_go_once_they_are_logged(ledger: Ledger, incident: Incident) -> None:
    """Not those of an open incident, nor what is not logged; no number is used again."""
    ledger.acts.note(incident, "oncall", START, "open")
    ledger.silences.put(silence())

    def left(now: int) -> list[ActKind]:
        prune(ledger, now, keep_ms=HOUR, standing_ms=HOUR)
        return [act.kind for _, act in ledger.acts.after(0)]

    assert left(START + 9 * HOUR) == [ActKind.NOTED, ActKind.SILENCED]
    ledger.set_meta(ACTS_LOGGED, "2")
    assert left(START + HOUR) == [ActKind.NOTED, ActKind.SILENCED]
    assert left(START + 9 * HOUR) == [ActKind.NOTED]
    ledger.silences.put(silence("s2"))
    assert [seq for seq, _ in ledger.acts.after(0)] == [1, 3]
