"""
What a new config changes in a running shipper.

Applied live: `inputs`, `tail`, `delivery`, `service`, `host`, `health`, `processors`, `redact`,
`output` and `namespace`. Not applied live: `data_dir`, whose lock and registry the process holds,
and `holds`. The other sections are for other commands.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.errors import ConfigError

if TYPE_CHECKING:
    from shipper.config.main import Config

OF_THE_OUTPUT = {"output", "namespace"}


@dataclass(frozen=True, slots=True)
class Differences:
    """The sections that differ between two configs."""

    sections: tuple[str, ...]

    @property
    def has_output(self) -> bool:
        """Whether the destination changes, or how it is reached."""
        return not OF_THE_OUTPUT.isdisjoint(self.sections)


def differences(old: Config, new: Config) -> Differences:
    """
    Compare two configs.

    Raises:
        ConfigError: the new one needs a restart.

    """
    if old.data_dir != new.data_dir:
        raise ConfigError(
            f"data_dir: cannot change from {old.data_dir} to {new.data_dir} while running",
            "restart the shipper",
        )
    if old.holds != new.holds:
        raise ConfigError("holds: cannot change while running", "restart the shipper")
    names = [field.name for field in dataclasses.fields(old)]
    return Differences(tuple(name for name in names if getattr(old, name) != getattr(new, name)))
