"""
A month with planted truths: February 2026, and what a report of it has to find.

    disk        free space falls by half a gigabyte a day, from 45 GB; 5 GB are left after 80 days
    guessing    one client fails to log in 40 times within an hour
    scan, tool, flood, storm of 429, and a new client on a sensitive path
    outage      on the 12th, 10:00 to 10:30 UTC, six of ten requests fail; people acknowledge the
                incident after 20 minutes (the limit is 15), and it ends after 45
    noise       on the 20th, two of a hundred requests fail; nobody answers the incident
"""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from pathlib import Path

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Verdict, VerdictState, Window
from tests.commands.cli_index import config_in, store_records
from tests.reports import seeded
from tests.reports.seeded import HOUR, MINUTE, Made

FIRST = date(2026, 2, 1)
DAYS = 28
BEGINNING = seeded.midnight(FIRST, UTC)
END = seeded.midnight(FIRST + timedelta(days=DAYS), UTC)
DAY = 24 * HOUR

GUESSER, SCANNER, FLOODER, NEWCOMER = "203.0.113.66", "203.0.113.7", "203.0.113.8", "203.0.113.9"
TOOL = "sqlmap/1.7.2#stable (https://sqlmap.org)"
GUESSED_AT = BEGINNING + 9 * DAY + 3 * HOUR
OUTAGE_AT = BEGINNING + 11 * DAY + 10 * HOUR
NOISE_AT = BEGINNING + 19 * DAY + 3 * HOUR
DISK_FULL = date(2026, 4, 22)  # 45 GB less 0.5 GB a day = 5 GB, 80 days after the first
DISK_SLOPE = 0.5


@dataclass(frozen=True, slots=True)
class Planted:
    """The folder of the store and the config, and all records of the month."""

    folder: Path
    records: list[Made] = field(repr=False)

    @property
    def config(self) -> Path:
        return self.folder / "shipper.yml"


def plant(folder: Path, *, rules: Path, seed: int = 1, scale: int = 20) -> Planted:
    """Store the month, write the config, and put the incidents into the ledger."""
    rng = random.Random(seed)
    records: list[Made] = []
    for day in seeded.days_of(FIRST - timedelta(days=3), DAYS + 3):
        made = seeded.a_day(rng, day, UTC, scale=scale)
        records += made if day >= FIRST else _known(made)
    leak(rng, records)
    records += attacks(rng) + outage(rng) + noise(rng)
    store_records(folder, records)
    path = config_in(folder)
    path.write_text(f"{path.read_text()}alerts: {{rules: {rules}}}\n")
    incidents(folder)
    return Planted(folder, [each for each in records if BEGINNING <= each["at"] < END])


def _known(made: list[Made]) -> list[Made]:
    """Return records of the days before, by which the usual clients are known."""
    for each in made:
        if "status_code" in each:
            each |= {"path": "/login", "status_code": 200}
            each.pop("error", None)
    return made


def leak(rng: random.Random, records: list[Made]) -> None:
    """Have the disk run full, by a straight line with a little noise."""
    for each in records:
        if "extra" in each:
            days = (each["at"] - BEGINNING) / DAY
            free = 45 - DISK_SLOPE * days + rng.uniform(-0.05, 0.05)
            each["extra"]["storage"]["available_gb"] = round(free, 3)


def attacks(rng: random.Random) -> list[Made]:
    """Return what the security audit has to find."""
    made = []
    for number in range(40):
        at = GUESSED_AT + number * MINUTE
        login = {"route": "/login", "path": "/login", "status_code": 401}
        made.append(seeded.request(rng, at, client_ip=GUESSER, **login))
        made.append(
            seeded.base(at, rng)
            | {
                "level": "WARNING",
                "logger": "automation_orchestrator.auth",
                "message": "Login failed",
                "event": {"dataset": "orchestrator.app", "category": ["authentication"]},
                "extra": {"username": "root"},
            }
        )
    for number, path in enumerate(
        ["/wp-login.php", "/.env", "/.git/config", "/a/../../etc/passwd"] * 2
    ):
        at = BEGINNING + 5 * DAY + number * MINUTE
        made.append(seeded.request(rng, at, client_ip=SCANNER, path=path, status_code=404))
    at = BEGINNING + 6 * DAY
    made += [
        seeded.request(rng, at + 90 * n, client_ip=FLOODER, status_code=200) for n in range(650)
    ]
    at = BEGINNING + 7 * DAY + HOUR
    made += [seeded.request(rng, at + 3000 * n, status_code=429) for n in range(80)]
    at = BEGINNING + 8 * DAY
    made += [seeded.request(rng, at, user_agent=TOOL, status_code=400)]
    made += [seeded.request(rng, at, client_ip=NEWCOMER, path="/admin/users", status_code=200)]
    return made


def outage(rng: random.Random) -> list[Made]:
    """Return half an hour in which most requests fail."""
    return [
        seeded.request(rng, OUTAGE_AT + 6000 * n, status_code=500 if n % 10 < 6 else 200)
        for n in range(300)
    ]


def noise(rng: random.Random) -> list[Made]:
    """Return ten minutes in which a few requests of very many fail: enough for the rule."""
    return [
        seeded.request(rng, NOISE_AT + 300 * n, status_code=500 if n % 33 == 0 else 200)
        for n in range(2000)
    ]


def incidents(folder: Path) -> None:
    """Put the incidents of the month into the ledger."""
    (folder / "data").mkdir(exist_ok=True)
    with closing(Ledger(folder / "data" / "alerts.db")) as ledger, ledger.deciding():
        for each in (real(), noisy()):
            ledger.update(each)
        ledger.progress.set_judged("error_rate_high", OUTAGE_AT + 60 * 24 * HOUR)


def real() -> Incident:
    """Return the incident of the outage, answered five minutes too late."""
    fired = OUTAGE_AT + 2 * MINUTE
    return _incident(
        "realone", fired, acknowledged_at=fired + 20 * MINUTE, resolved_at=fired + 45 * MINUTE
    )


def noisy() -> Incident:
    """Return the incident of the noise, which ended before anybody had to answer."""
    fired = NOISE_AT + 6 * MINUTE
    return _incident("noisyone", fired, acknowledged_at=None, resolved_at=fired + 10 * MINUTE)


def _incident(name: str, fired: int, *, acknowledged_at: int | None, resolved_at: int) -> Incident:
    rule, window = "error_rate_high", Window(fired - 5 * MINUTE, fired)
    return Incident(
        id=name,
        rule=rule,
        group=(),
        severity=Severity.HIGH,
        phase=Phase.RESOLVED,
        opened_at=fired - MINUTE,
        verdict=Verdict(rule, (), window, VerdictState.BREACH, "errors", 0.6, 0.01, events=100),
        fired_at=fired,
        told_at=fired,
        acknowledged_at=acknowledged_at,
        resolved_at=resolved_at,
    )
