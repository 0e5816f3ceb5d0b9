"""Settings of one process: from the environment, where `__main__` puts its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["development", "production"]
MODES: dict[str, Mode] = {"development": "development", "production": "production"}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What an operator can set.

    Server processes are started afresh with nothing of their parent but the environment, so every
    setting has a variable: `ORCHESTRATOR_LOGS`, `ORCHESTRATOR_DATA` and so on.
    """

    logs: Path = Path("logs")
    data: Path = Path("var/orchestrator")
    mode: Mode = "production"
    faults: str = "demo"
    queue_workers: int = 4
    max_queue_depth: int = 1000
    slow_query_ms: float = 100.0
    poll_seconds: float = 0.2  # how soon an idle worker looks at the queue again
    tick_seconds: float = 1.0  # how exact schedules are, and the pause after a lost database

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "orchestrator.db"

    @property
    def fault_rates(self) -> Path:
        """The file that holds the switches, which must outlive a lost database."""
        return self.data / "faults.json"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """
        Read the settings, each from its variable or else its default.

        Raises:
            ValueError: a number is none, or the mode is unknown.

        """
        usual = cls()

        def given(name: str, default: object) -> str:
            return environment.get(f"ORCHESTRATOR_{name}", str(default))

        return cls(
            logs=Path(given("LOGS", usual.logs)),
            data=Path(given("DATA", usual.data)),
            mode=_mode(given("MODE", usual.mode)),
            faults=given("FAULTS", usual.faults),
            queue_workers=int(given("QUEUE_WORKERS", usual.queue_workers)),
            max_queue_depth=int(given("MAX_QUEUE_DEPTH", usual.max_queue_depth)),
            slow_query_ms=float(given("SLOW_QUERY_MS", usual.slow_query_ms)),
            poll_seconds=float(given("POLL_SECONDS", usual.poll_seconds)),
            tick_seconds=float(given("TICK_SECONDS", usual.tick_seconds)),
        )

    def to_environment(self) -> dict[str, str]:
        """Write the settings as the variables that `from_environment` reads."""
        return {f"ORCHESTRATOR_{name.upper()}": str(getattr(self, name)) for name in self.__slots__}


def _mode(text: str) -> Mode:
    if text not in MODES:
        raise ValueError(f"unknown mode {text!r}; use {' or '.join(MODES)}")
    return MODES[text]
