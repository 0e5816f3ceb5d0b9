"""
The places where a crash can fall, by name.

Every promise of what survives a crash is one of an order: this is durable before that begins. The
code calls `crashpoints.reached(CrashPoint.…)` where one thing is done and the next has not begun;
the call does nothing. The tests replace the function, and end the process there as `kill -9` does
(tests/crashing.py).

Always called as `crashpoints.reached`, never imported by its name, so that the replacement counts.
"""

from __future__ import annotations

from enum import Enum


class CrashPoint(Enum):
    """What has just been done; in the order of a record's way."""

    SPOOL_WRITTEN = "lines that came in are in the spool, not synced"
    SPOOL_SYNCED = "lines that came in are on the disk, and their sender may go on"
    READ = "a block was read"
    ENRICHED = "its lines are documents, and what was taken before is left out"
    QUEUED = "its events are in the queue"
    PUBLISHING = "a batch is about to be published"
    PUBLISHED = "the output has answered, nothing is acked"
    INDEXING = "the lines of a commit are made, nothing is written"
    INDEXED = "the commit has its name in the embedded store"
    PIECE_WRITTEN = "a Parquet piece is written and synced, without its name"
    PIECE_PUBLISHED = "a piece has its name, what it replaces is still there"
    REPLACED_REMOVED = "a file that a piece has replaced is removed"
    DROP_NOTED = "retention has noted what it is about to drop"
    WRAPPED = "refused events are about to be sent once more as text"
    LETTER_WRITTEN = "dead letters are written, not synced"
    LETTER_SYNCED = "dead letters are synced, not acked"
    ACKED = "a batch is acked, no position has moved"
    SAVING = "the registry is written, its transaction not committed"
    SAVED = "the registry has committed, positions and receipts"
    SPOOL_PRUNED = "a file of a spool is removed"
    HOLD_LINKED = "a hold was linked"
    HOLD_UNLINKED = "a hold was unlinked"
    LETTERS_REWRITTEN = "the dead letters that stay are in a new file, not yet renamed"
    LETTERS_REPLACED = "the new file of dead letters has the name of the old one"
    ALERT_DECIDED = "what happened to incidents is durable, and nobody is notified yet"
    ALERT_LOGGED = "transitions are in the log of the alert job, which is not noted"
    ALERT_TRYING = "an alerter is about to be notified, which is noted"
    ALERT_TOLD = "an alerter has sent a notification, which is not noted"


def reached(point: CrashPoint) -> None:
    """Note that this point is reached; does nothing, a test replaces it."""
