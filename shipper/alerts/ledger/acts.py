"""
Acts: what people did that is no step of one incident: silences made and ended, notes.

They are kept beside the transitions, with who did it and when; the journal logs them as records. An
act is written in the transaction of what it does, so there is neither without the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from shipper.alerts.incident import Incident
from shipper.alerts.incidents.muting import Silence, hold
from shipper.alerts.ledger.file import LedgerFile
from shipper.errors import ConfigError

MOST_NOTES: Final = 200  # of one incident
NOTE_CHARS: Final = 2000


class ActKind(StrEnum):
    """What people can do besides the steps of an incident."""

    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did, in epoch milliseconds; about a silence or an incident as it was then."""

    kind: ActKind
    at: int
    by: str
    note: str = ""
    incident: Incident | None = None
    silence: Silence | None = None

    def is_about(self, incident: Incident) -> bool:
        """Return whether it belongs to the history of an incident."""
        if self.silence is None:
            return self.incident is not None and self.incident.id == incident.id
        return hold(self.silence.matchers, incident)


_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Act).decode


class ActTable:
    """The table `acts` of a ledger; its numbers have no gaps and are never used again."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def add(self, act: Act) -> None:
        """Append an act, within `deciding`."""
        incident = "" if act.incident is None else act.incident.id
        self._file.execute(
            "INSERT INTO acts (incident, at, body) VALUES (?, ?, ?)",
            (incident, act.at, _encode(act)),
        )

    def note(self, incident: Incident, by: str, now: int, text: str) -> None:
        """
        Add a note to an incident.

        Raises:
            ConfigError: it is empty or too long, or the incident has too many.
        """
        if not text.strip() or len(text) > NOTE_CHARS:
            raise ConfigError(
                f"a note has 1 to {NOTE_CHARS:,} characters, this one {len(text):,}",
                "write less" if text.strip() else "write what you found",
            )
        with self._file.deciding():
            ((count,),) = self._file.rows(
                "SELECT COUNT(*) FROM acts WHERE incident = ?", incident.id
            )
            if count >= MOST_NOTES:
                raise ConfigError(
                    f"{incident.id} has {count} notes, as many as fit", "keep them elsewhere"
                )
            self.add(Act(ActKind.NOTED, now, by, text.strip(), incident=incident))

    def after(self, seq: int, limit: int = 1000) -> list[tuple[int, Act]]:
        """Return the acts after a number, each with its own, in order."""
        found = self._file.rows(
            "SELECT seq, body FROM acts WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit
        )
        return [(number, _read(body)) for number, body in found]

    def notes(self, most: int = 1000) -> list[Act]:
        """Return the newest notes of all incidents, oldest first."""
        found = self._file.rows(
            "SELECT body FROM acts WHERE incident <> '' ORDER BY seq DESC LIMIT ?", most
        )
        return [_read(body) for (body,) in reversed(found)]

    def of(self, incident: Incident) -> list[Act]:
        """Return the notes of an incident, and the silences that were made for it while open."""
        until = incident.resolved_at
        found = self._file.rows(
            "SELECT body FROM acts WHERE incident = ? OR (incident = '' AND at >= ? AND at <= ?)"
            " ORDER BY seq",
            *(incident.id, incident.opened_at, 2**62 if until is None else until),
        )
        return [act for act in map(_read, (body for (body,) in found)) if act.is_about(incident)]
