"""A ledger that an older version wrote is led to the layout of this one, and nothing is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec

from shipper.alerts.incident import Phase
from shipper.alerts.ledger.file import LAYOUT
from shipper.alerts.ledger.ledger import Ledger
from tests.alerts.verdicts import START, live_through

RULE = "server_errors"
GROUP = (("service.name", "shop"),)
OLD_REASON = "windows that were missed are being judged"
LAYOUT_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE transitions (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, incident TEXT NOT NULL,
    change TEXT NOT NULL, decided_at INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE outbox (
    key TEXT NOT NULL, alerter TEXT NOT NULL, incident TEXT NOT NULL, state TEXT NOT NULL,
    since INTEGER NOT NULL, next_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER, sent_at INTEGER, digest TEXT,
    reference TEXT, fault TEXT, PRIMARY KEY (key, alerter)
) WITHOUT ROWID;
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, phase TEXT NOT NULL, opened_at INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE standing (
    rule TEXT NOT NULL, grp TEXT NOT NULL, track TEXT NOT NULL, id TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (rule, grp, track)
) WITHOUT ROWID;
INSERT INTO meta VALUES ('layout', '1');
"""


def write_old(path: Path) -> tuple[str, dict[str, object]]:
    """Write a ledger of layout 1 with one incident that waits; return its id and its old form."""
    incident, transitions = live_through("b")
    assert incident is not None
    old = msgspec.to_builtins(replace(incident, muted_by=OLD_REASON))
    del old["catching_up"]
    body = msgspec.json.encode(old)
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(LAYOUT_1)
        group = msgspec.json.encode(GROUP).decode()
        db.execute("INSERT INTO standing VALUES (?, ?, '', ?, ?)", (RULE, group, incident.id, body))
        for each in transitions:
            made = msgspec.to_builtins(each) | {"incident": old}
            db.execute(
                "INSERT INTO transitions (key, incident, change, decided_at, body)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    f"{incident.id}.{each.change}",
                    incident.id,
                    each.change.value,
                    START,
                    msgspec.json.encode(made),
                ),
            )
    return incident.id, old


def test_a_standing_incident_of_an_older_ledger_is_kept_once(tmp_path: Path) -> None:
    """It is in `incidents` afterwards, and is what the next verdict is held against."""
    path = tmp_path / "alerts.db"
    name, _ = write_old(path)

    with closing(Ledger(path)) as ledger:
        standing = ledger.standings(RULE).get((GROUP, ""))
        assert standing is not None
        assert (standing.id, standing.phase) == (name, Phase.FIRING)
        assert ledger.find(name) == [standing]
        assert ledger.incidents([Phase.FIRING]) == [standing]
        columns = [row[1] for row in ledger.rows("PRAGMA table_info(standing)")]
        assert columns == ["rule", "grp", "track", "id"]
        assert ledger.meta("layout") == str(LAYOUT)
    with closing(Ledger(path)) as again:
        assert again.standings(RULE) == {(GROUP, ""): standing}


def test_an_old_reason_that_was_a_state_is_read_as_the_state(tmp_path: Path) -> None:
    """Incidents and transitions that wait for missed windows go on waiting for them."""
    path = tmp_path / "alerts.db"
    name, old = write_old(path)
    assert old["muted_by"] == OLD_REASON

    with closing(Ledger(path)) as ledger:
        (incident,) = ledger.find(name)
        made = ledger.history(name)[-1].transition.incident

    assert (incident.muted_by, incident.catching_up) == (None, True)
    assert (made.muted_by, made.catching_up) == (None, True)
    assert incident.muted == OLD_REASON
