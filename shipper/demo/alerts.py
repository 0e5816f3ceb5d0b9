"""
The alert job of the demo: the shipped rules with short periods, and the console as only alerter.

So that an incident needs no five minutes, windows are half a minute long and end every ten seconds;
queries and thresholds are the shipped ones. A count that the guide defines per minute keeps its
minute. Rules that compare with hours or days of history are left out. A demo sends no mail.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Final

from shipper.alerts.incident import Incident
from shipper.alerts.judge.decide import FIRING
from shipper.alerts.ledger.ledger import Ledger
from shipper.process import data_folder

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.main import Config

PER_MINUTE: Final = frozenset({"authentication_failures", "timeouts"})
TOO_LONG: Final = frozenset({"error_budget", "error_spike", "new_error_type", "audit_open"})
PERIODS: Final = {"over": "30s", "every": "10s", "for": "0s", "keep_firing": "20s"}


def write_rules(shipped: Path, place: Path) -> None:
    """Write the shipped rules with short periods into a folder, and delete other rules there."""
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.yml"):
        old.unlink()
    for path in shipped.glob("*.yml"):
        if path.stem not in TOO_LONG:
            (place / path.name).write_text(quick(path.stem, path.read_text()))


def write_alerters(path: Path) -> None:
    """Write alerter settings whose only alerter is the console."""
    path.write_text("alerters: {terminal: {console: {}}}\n")


def quick(name: str, text: str) -> str:
    """Return the text of a rule with short periods."""
    for key, period in PERIODS.items():
        if key != "over" or name not in PER_MINUTE:
            text = re.sub(rf"^{key}: \S+", f"{key}: {period}", text, flags=re.MULTILINE)
    return text


def firing(config: Config) -> list[Incident]:
    """Return the firing incidents that are not muted."""
    path = config.data_dir / data_folder.ALERTS_LEDGER
    if not path.exists():
        return []
    with closing(Ledger(path)) as ledger:
        return [each for each in ledger.incidents(FIRING) if each.muted is None]
