"""
Keeps the ledger bounded: what is over for long enough is deleted, a portion at a time.

An incident goes with all its transitions and notifications, and only if it is over, its end was
recorded before `keep`, nothing of it is still to be sent or routed, and the log of incidents has
all of it. The last transition of all stays: the next number must be one that was never used, for
the log is read by it. A resolved incident is remembered for relapses only for some days. Notes and
other acts go when they are as old, in the log, and of no open incident.
"""

from __future__ import annotations

from typing import Final

from shipper.alerts.incident import Change, Phase
from shipper.alerts.ledger.file import LedgerFile

PORTION: Final = 500  # incidents that are deleted in one transaction
LOGGED: Final = "logged"  # the name of what the journal keeps: up to which number it is written
ACTS_LOGGED: Final = "acts_logged"  # the same of acts

_FORGOTTEN: Final = f"""
DELETE FROM standing WHERE id IN (
    SELECT t.incident FROM transitions t JOIN incidents i ON i.id = t.incident
    WHERE t.change = '{Change.RESOLVED}' AND t.decided_at < ? AND i.phase = '{Phase.RESOLVED}')
"""  # noqa: S608 - ours
_OVER: Final = f"""
SELECT t.incident FROM transitions t
WHERE t.change IN ('{Change.RESOLVED}', '{Change.DROPPED}') AND t.decided_at < ?
    AND t.seq <= (SELECT CAST(value AS INTEGER) FROM meta WHERE name = '{LOGGED}')
    AND t.incident <> (SELECT incident FROM transitions ORDER BY seq DESC LIMIT 1)
    AND t.incident NOT IN (SELECT id FROM standing)
    AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.incident = t.incident
        AND o.state IN ('waiting', 'trying'))
    AND NOT EXISTS (SELECT 1 FROM unrouted JOIN transitions u USING (key)
        WHERE u.incident = t.incident)
LIMIT {PORTION}
"""  # noqa: S608 - ours
_OLD_ACTS: Final = f"""
DELETE FROM acts WHERE seq IN (SELECT seq FROM acts WHERE at < ?
    AND seq <= (SELECT CAST(value AS INTEGER) FROM meta WHERE name = '{ACTS_LOGGED}')
    AND incident NOT IN (SELECT id FROM incidents WHERE phase <> '{Phase.RESOLVED}')
    LIMIT {PORTION})
"""  # noqa: S608 - ours


def prune(ledger: LedgerFile, now: int, *, keep_ms: int, standing_ms: int) -> int:
    """Delete a portion of what is over; return how many incidents went."""
    with ledger.deciding():
        ledger.execute(_FORGOTTEN, (now - standing_ms,))
        ledger.execute("DELETE FROM silences WHERE until < ?", (now - keep_ms,))
        ledger.execute(_OLD_ACTS, (now - keep_ms,))
        found = ledger.rows(_OVER, now - keep_ms)
        ledger.run("DELETE FROM outbox WHERE incident = ?", found)
        ledger.run("DELETE FROM transitions WHERE incident = ?", found)
        ledger.run("DELETE FROM incidents WHERE id = ?", found)
    return len(found)
