"""
What a new config changes in a running shipper.

Live: what is read and how (`inputs`, `tail`), how it is handed over (`delivery`), what every
record gets (`service`, `host`), where it goes (`output`, `namespace`). Not live: `data_dir`, whose
lock and registry the process holds, and `holds`. Everything else is for other commands.
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
        """Return whether records go elsewhere, or in another way."""
        return not OF_THE_OUTPUT.isdisjoint(self.sections)


def differences(old: Config, new: Config) -> Differences:
    """
    Compare two configs.

    Raises:
        ConfigError: the new one needs a restart.

    """
    if old.data_dir != new.data_dir:
        raise ConfigError(
            f"data_dir: {new.data_dir} is not {old.data_dir}, which this shipper holds; restart it"
            " for that"
        )
    if old.holds != new.holds:
        raise ConfigError("holds: is another; restart the shipper for that")
    names = [field.name for field in dataclasses.fields(old)]
    return Differences(tuple(name for name in names if getattr(old, name) != getattr(new, name)))
