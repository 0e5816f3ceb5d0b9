"""
The alert job of the demo: the shipped rules with short periods, told on a terminal.

Nobody wants to wait five minutes for an incident in a demo. So windows are half a minute long and
end every ten seconds; the questions and thresholds are the shipped ones. A count that the guide
gives per minute keeps its minute. Rules that compare with hours or days have nothing to compare
with. Nobody else is told: a demo sends no mail.
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
    """Write the shipped rules with short periods into a folder, and nothing else."""
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.yml"):
        old.unlink()
    for path in shipped.glob("*.yml"):
        if path.stem not in TOO_LONG:
            (place / path.name).write_text(quick(path.stem, path.read_text()))


def write_alerters(path: Path) -> None:
    """Write a file of alerters that tell the terminal alone."""
    path.write_text("alerters: {terminal: {console: {}}}\n")


def quick(name: str, text: str) -> str:
    """Return a rule with short periods."""
    for key, period in PERIODS.items():
        if key != "over" or name not in PER_MINUTE:
            text = re.sub(rf"^{key}: \S+", f"{key}: {period}", text, flags=re.MULTILINE)
    return text


def firing(config: Config) -> list[Incident]:
    """Return the incidents that people have to look after, muted ones not."""
    path = config.data_dir / data_folder.ALERTS_LEDGER
    if not path.exists():
        return []
    with closing(Ledger(path)) as ledger:
        return [each for each in ledger.incidents(FIRING) if each.muted_by is None]
