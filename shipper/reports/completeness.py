"""
Whether all records of a time are stored: by the watermarks of the hosts.

A host's watermark says up to when everything that it will ever send can be searched. So a time is
complete when it is over, and every host that sends heartbeats is past its end. A host that has sent
none for `alerts.forget_hosts` is waited for no longer; if it comes back with older records, the
metrics of their days are made again. Without any heartbeats nobody knows, and an hour is waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shipper.store.fleet import HostBeat
from shipper.times import iso

UNKNOWN_MS: Final = 3_600_000  # how long records may take, where no host says how far it is
NAMED: Final = 3  # hosts that a reason names


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far the hosts have delivered, as of `now` (epoch ms)."""

    beats: Sequence[HostBeat]
    now: int

    def reason(self, until: int) -> str | None:
        """Return why the time up to `until` is not complete; None if it is."""
        if self.now < until:
            return f"it is not over before {iso(until)[:16]}Z"
        if not self.beats:
            is_settled = self.now >= until + UNKNOWN_MS
            return None if is_settled else "records may still arrive, and no host sends heartbeats"
        behind = sorted(beat.host for beat in self.beats if beat.watermark < until)
        if not behind:
            return None
        more = f" and {len(behind) - NAMED} more" if len(behind) > NAMED else ""
        return f"not all was delivered by {', '.join(behind[:NAMED])}{more}"
