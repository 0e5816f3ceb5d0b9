"""
Where things are in Kibana, and under which ids.

Ids of dashboards and data views are those of the whole cluster, not of a space: the same id in a
second space is refused. So every space but the default one has its name in the ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DEFAULT_SPACE: Final = "default"
_OF_A_SPACE: Final = re.compile(r"(.+)/s/([a-z0-9_-]+)/?")


@dataclass(frozen=True, slots=True)
class KibanaPlace:
    """A space of a Kibana; no space is the default one."""

    url: str = ""
    space: str = ""

    @classmethod
    def of(cls, url: str) -> KibanaPlace:
        """Return the place of an address that may end with `/s/SPACE`."""
        found = _OF_A_SPACE.fullmatch(url)
        return cls(url) if found is None else cls(found[1], found[2])

    @property
    def base(self) -> str:
        """Return the address that paths of the space are put behind."""
        url = self.url.rstrip("/")
        return url if self._is_default else f"{url}/s/{self.space}"

    @property
    def data_view(self) -> str:
        """Return the id of the data view."""
        return self._within("logs-orchestrator")

    def dashboard(self, key: str) -> str:
        """Return the id of a dashboard."""
        return self._within(f"shipper-{key}")

    def session(self, key: str) -> str:
        """Return the id of a saved Discover session."""
        return self._within(f"shipper-search-{key}")

    @property
    def _is_default(self) -> bool:
        return self.space in ("", DEFAULT_SPACE)

    def _within(self, name: str) -> str:
        return name if self._is_default else f"{name}-{self.space}"
