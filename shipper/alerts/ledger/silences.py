"""Silences: what people do not want to be notified of for a while."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from shipper.alerts.incidents.muting import Silence
from shipper.alerts.ledger.file import LedgerFile

_encode = msgspec.json.Encoder().encode
_silence = msgspec.json.Decoder(Silence).decode


class SilenceTable:
    """The table `silences` of a ledger; times in epoch milliseconds."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def put(self, silence: Silence) -> None:
        """Keep a silence, in place of one with the same id."""
        with self._file.deciding():
            self._file.execute(
                "INSERT OR REPLACE INTO silences VALUES (?, ?, ?)",
                (silence.id, silence.end, _encode(silence)),
            )

    def active(self, *, now: int) -> tuple[Silence, ...]:
        """Return the silences that have not ended."""
        found = self._file.rows("SELECT body FROM silences WHERE until > ? ORDER BY until, id", now)
        return tuple(_silence(body) for (body,) in found)

    def end(self, prefix: str, now: int) -> list[Silence]:
        """End the silences whose id begins so; return them."""
        ended = [each for each in self.active(now=now) if each.id.startswith(prefix)]
        for each in ended:
            self.put(replace(each, end=now))
        return ended
