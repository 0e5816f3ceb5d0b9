"""
The log of the alert job: every transition and every act as a record, for the store and Kibana.

The shipper is the only writer of its index, so the job does not write to the store: it appends to
`alerts.log` in the data folder, in the form of an application's log, and `shipper run` on the same
data folder reads that file beside its inputs. The logger `shipper.alerts` makes it the dataset
`orchestrator.alerts`.

Once only: the `run` of the records belongs to the ledger, made with it, and `seq` is the number of
the transition. The ledger keeps how far it is logged, after the lines are in the file. What a crash
between the two has written again is the same origin, and is stored once. No number is left out, so
the audit finds no gap. What people did besides (acts.py) has numbers and a `run` of its own, and is
logged in the same way.

No record is an ERROR: a rule that counts errors must not count its own records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from shipper import crashpoints
from shipper.alerts.incident import Change
from shipper.alerts.ledger.acts import Act
from shipper.alerts.ledger.ledger import Ledger, Recorded
from shipper.alerts.ledger.pruning import ACTS_LOGGED, LOGGED
from shipper.crashpoints import CrashPoint
from shipper.emit.appending import Appender
from shipper.times import iso

MAX_BYTES: Final = 10 * 2**20
BACKUPS: Final = 5
LOGGER: Final = "shipper.alerts"
RUN: Final = "run"  # names of the ledger's own values

_LOUD: Final = frozenset(
    {
        Change.FIRED,
        Change.RAISED,
        Change.UNMUTED,
        Change.RESPONSE_BREACHED,
        Change.RESOLUTION_BREACHED,
    }
)
_encode = msgspec.json.Encoder().encode


class Journal:
    """Writes what the ledger has recorded to the log file; one process, which holds the lock."""

    def __init__(self, path: Path, ledger: Ledger, run: str) -> None:
        """Go on after what is logged; `run` is for a ledger that has none yet."""
        self._ledger = ledger
        self._appender = Appender(path, MAX_BYTES, BACKUPS)
        if ledger.meta(RUN) is None:
            ledger.set_meta(RUN, run)
        self._run = ledger.meta(RUN) or run

    def catch_up(self) -> int:
        """
        Write what was recorded since the last time, and count it.

        Raises:
            OSError: it could not be written; it is tried again the next time.
        """
        logged = int(self._ledger.meta(LOGGED) or 0)
        count = self._catch_up_acts()
        while found := self._ledger.recorded_after(logged):
            for recorded in found:
                self._appender.append(_encode(line_of(recorded, self._run)) + b"\n")
            logged = found[-1].seq
            count += len(found)
            crashpoints.reached(CrashPoint.ALERT_LOGGED)
            self._ledger.set_meta(LOGGED, str(logged))
        return count

    def _catch_up_acts(self) -> int:
        first = logged = int(self._ledger.meta(ACTS_LOGGED) or 0)
        while found := self._ledger.acts.after(logged):
            for seq, act in found:
                record = line_of_act(act, seq, acts_run(self._run))
                self._appender.append(_encode(record) + b"\n")
            logged = found[-1][0]
            crashpoints.reached(CrashPoint.ALERT_LOGGED)
            self._ledger.set_meta(ACTS_LOGGED, str(logged))
        return logged - first

    def close(self) -> None:
        """Close the file."""
        self._appender.close()


def acts_run(run: str) -> str:
    """Return the run of the records of acts, for the run of those of transitions."""
    return run[:-1] + ("1" if run.endswith("0") else "0")


def line_of_act(act: Act, seq: int, run: str) -> dict[str, Any]:
    """Return the record of an act; what it does not know is left out."""
    incident, silence = act.incident, act.silence
    group = ", ".join(f"{field}={value}" for field, value in incident.group) if incident else ""
    about = incident.rule if incident else ""
    if silence is not None:
        about = " ".join(map(str, silence.matchers)) or "everything"
    subject = f"{about} ({group})" if group else about
    fields = {
        "timestamp": iso(act.at),
        "level": "INFO",
        "logger": LOGGER,
        "message": f"{subject} {act.kind} by {act.by}" + (f": {act.note}" if act.note else ""),
        "change": act.kind.value,
        "incident": incident.id if incident else None,
        "rule": incident.rule if incident else None,
        "severity": incident.severity.value if incident else None,
        "group": group or None,
        "silence": silence.id if silence else None,
        "matchers": about if silence else None,
        "silenced_until": iso(silence.end) if silence else None,
        "by": act.by,
        "note": act.note or None,
        "run": run,
        "seq": seq - 1,
    }
    return {name: value for name, value in fields.items() if value is not None}


def line_of(recorded: Recorded, run: str) -> dict[str, Any]:
    """Return the record of a transition; what it does not know is left out."""
    transition = recorded.transition
    incident, verdict = transition.incident, transition.incident.verdict
    group = ", ".join(f"{field}={value}" for field, value in incident.group)
    subject = f"{incident.rule} ({group})" if group else incident.rule
    fields = {
        "timestamp": iso(recorded.decided_at),
        "level": "WARNING" if transition.change in _LOUD else "INFO",
        "logger": LOGGER,
        "message": f"{subject} {transition.change.replace('_', ' ')}: {verdict.reason}",
        "incident": incident.id,
        "rule": incident.rule,
        "severity": incident.severity.value,
        "change": transition.change.value,
        "phase": incident.phase.value,
        "group": group or None,
        "value": verdict.value,
        "threshold": verdict.threshold,
        "since": iso(incident.opened_at),
        "until": iso(transition.at),
        "open_seconds": max(0, transition.at - incident.opened_at) / 1000,
        "by": transition.by,
        "note": transition.note or None,
        "muted_by": incident.muted,
        "late": incident.late or None,
        "flapping": incident.flapping or None,
        "run": run,
        "seq": recorded.seq - 1,
    }
    return {name: value for name, value in fields.items() if value is not None}
