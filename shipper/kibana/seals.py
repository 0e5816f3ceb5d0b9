"""
What Kibana shows of a dashboard, made comparable.

Its description ends with the version that was sent, and with the seal, a digest of all the rest as
it was shown then:

    Where do errors come from? [0123456789ab]                 put, not sealed
    Where do errors come from? [0123456789ab 89abcdef0123]    sealed

Ids of panels do not count: Kibana may make new ones for those that have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from shipper.kibana.bodies import digest
from shipper.kibana.client import KibanaError

Json = dict[str, Any]

_MARK: Final = re.compile(r"^(.*) \[([0-9a-f]{12}) ([0-9a-f]{12})\]$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Seal:
    """The digest of a dashboard as Kibana shows it."""

    digest: str

    @classmethod
    def of(cls, shown: Json) -> Seal:
        """Return the seal of what is shown; KibanaError if it is nested too deeply."""
        rest = {name: value for name, value in shown.items() if name != "description"}
        for name in ("panels", "pinned_panels"):
            if isinstance(rest.get(name), list):
                rest[name] = [_without_id(each) for each in rest[name]]
        try:
            return cls(digest(rest))
        except RecursionError:
            raise KibanaError("Kibana answers with what is no dashboard", "see its log") from None

    @classmethod
    def in_description(cls, shown: Json) -> Seal | None:
        """Return the seal that a description ends with; None if there is none."""
        found = _MARK.search(_description(shown))
        return None if found is None else cls(found[3])

    def is_of(self, shown: Json) -> bool:
        """Return whether a dashboard is as it was when it got this seal."""
        return Seal.of(shown) == self

    def sealed(self, body: Json) -> str:
        """Return the description of a body with this seal."""
        text: str = body["description"]
        return f"{text.removesuffix(']')} {self.digest}]"


def described(shown: Json) -> str:
    """Return the description without a seal, as it was sent."""
    return _MARK.sub(r"\1 [\2]", _description(shown))


def part_of(found: Json, name: str) -> Json:
    """Return an object within an object; an empty one if there is none."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def places_of(body: Json) -> set[tuple[str, ...]]:
    """Return title, type and place of each panel."""
    panels = body.get("panels")
    found = set()
    for panel in panels if isinstance(panels, list) else ():
        if isinstance(panel, dict):
            grid = part_of(panel, "grid")
            place = (str(grid.get(side)) for side in ("x", "y", "w", "h"))
            title = str(part_of(panel, "config").get("title", ""))
            found.add((title, str(panel.get("type")), *place))
    return found


def _description(shown: Json) -> str:
    text = shown.get("description")
    return text if isinstance(text, str) else ""


def _without_id(panel: Any) -> Any:
    if not isinstance(panel, dict):
        return panel
    return {name: value for name, value in panel.items() if name != "id"}
