"""
Silences: what people do not want to be notified of for a while.

Whatever makes or ends one leaves an act (acts.py) in the same transaction: who did it, and when.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from shipper.alerts.incidents.muting import Silence
from shipper.alerts.ledger.acts import Act, ActKind, ActTable
from shipper.alerts.ledger.file import LedgerFile

_encode = msgspec.json.Encoder().encode
_silence = msgspec.json.Decoder(Silence).decode


class SilenceTable:
    """The table `silences` of a ledger; times in epoch milliseconds."""

    def __init__(self, file: LedgerFile, acts: ActTable) -> None:
        self._file = file
        self._acts = acts

    def put(self, silence: Silence) -> None:
        """Keep a silence that was made, in place of one with the same id."""
        with self._file.deciding():
            self._keep(silence)
            self._acts.add(
                Act(ActKind.SILENCED, silence.start, silence.by, silence.comment, silence=silence)
            )

    def active(self, *, now: int) -> tuple[Silence, ...]:
        """Return the silences that have not ended."""
        found = self._file.rows("SELECT body FROM silences WHERE until > ? ORDER BY until, id", now)
        return tuple(_silence(body) for (body,) in found)

    def end(self, prefix: str, by: str, now: int, note: str = "") -> list[Silence]:
        """End the silences whose id begins so; return them as they were."""
        with self._file.deciding():
            ended = [each for each in self.active(now=now) if each.id.startswith(prefix)]
            for each in ended:
                self._keep(replace(each, end=now))
                self._acts.add(Act(ActKind.UNSILENCED, now, by, note, silence=each))
        return ended

    def _keep(self, silence: Silence) -> None:
        self._file.execute(
            "INSERT OR REPLACE INTO silences VALUES (?, ?, ?)",
            (silence.id, silence.end, _encode(silence)),
        )
