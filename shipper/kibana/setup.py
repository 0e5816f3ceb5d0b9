"""
Installs dashboards, data view and Discover sessions in Kibana, or removes them.

What is there in our version stays as it is, so a second setup changes nothing. Kibana answers with
defaults that nobody sent, so a version is known by the digest in the description, and by the places
of the panels: who moves, adds or removes one in Kibana has it put back. After each write the object
is read again, and a warning of Kibana, as of a panel that it dropped, is an error.

Order: the data view first, as the others name it; they are removed in the reverse order. Each step
is complete in itself, so a setup that is interrupted is finished by the next one. A dashboard is
put whole and a session overwritten, so either may be sent twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from shipper.errors import ConfigError
from shipper.kibana.bodies import dashboard_body
from shipper.kibana.client import KibanaClient, KibanaError
from shipper.kibana.dashboards.all import DASHBOARDS
from shipper.kibana.data_view import data_view_body, version_of
from shipper.kibana.panels import Dashboard, DiscoverSession
from shipper.kibana.place import KibanaPlace
from shipper.kibana.sessions import SESSIONS, ndjson, session_object

Json = dict[str, Any]

LEAST: Final = (9, 4)


class KibanaState(StrEnum):
    """How an object in Kibana compares with ours, or what became of it."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    REMOVED = "removed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class KibanaStep:
    """The state of one object before it was written or removed; `note` says what differs."""

    name: str
    state: KibanaState
    note: str = ""


class KibanaObject(Protocol):
    """An object that Kibana should have."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    def compare(self, client: KibanaClient) -> tuple[KibanaState, str]:
        """Return how what is there compares with ours, and what differs."""

    def write(self, client: KibanaClient, state: KibanaState) -> None:
        """Put ours in its place."""

    def remove(self, client: KibanaClient) -> bool:
        """Remove it; return whether it was there."""


@dataclass(frozen=True, slots=True)
class InstalledDataView:
    """The data view."""

    place: KibanaPlace

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"data view {self.place.data_view}"

    @property
    def _path(self) -> str:
        return f"/api/data_views/data_view/{self.place.data_view}"

    def compare(self, client: KibanaClient) -> tuple[KibanaState, str]:
        """Return how what is there compares with ours."""
        found = client.get(self._path)
        if found is None:
            return KibanaState.NEW, ""
        ours = version_of(data_view_body(self.place)["data_view"])
        if version_of(found.get("data_view", {})) == ours:
            return KibanaState.SAME, ""
        return KibanaState.CHANGED, ""

    def write(self, client: KibanaClient, state: KibanaState) -> None:
        """Make it, or update its parts: a new one of the same id would replace that of others."""
        body = data_view_body(self.place)
        if state is KibanaState.NEW:
            try:
                client.send("POST", "/api/data_views/data_view", body)
            except KibanaError:
                if client.get(self._path) is None:  # else only the answer was lost
                    raise
            return
        view = dict(body["data_view"])
        attributes = view.pop("fieldAttrs")
        del view["id"]
        client.send("POST", self._path, {"data_view": view, "refresh_fields": False})
        client.send("POST", f"{self._path}/fields", {"fields": attributes})

    def remove(self, client: KibanaClient) -> bool:
        """Remove it."""
        return _deleted(client, self._path)


@dataclass(frozen=True, slots=True)
class InstalledSession:
    """A saved Discover session."""

    session: DiscoverSession
    place: KibanaPlace

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"Discover session {self.place.session(self.session.key)}"

    def compare(self, client: KibanaClient) -> tuple[KibanaState, str]:
        """Return how what is there compares with ours, by its description."""
        id_ = self.place.session(self.session.key)
        asked = {"objects": [{"type": "search", "id": id_}], "excludeExportDetails": True}
        try:
            found = client.send("POST", "/api/saved_objects/_export", asked)
        except KibanaError as refused:
            if refused.status != 400:  # that is the answer to an id that is not there
                raise
            return KibanaState.NEW, ""
        ours = session_object(self.session, self.place)["attributes"]["description"]
        there = found.get("attributes", {}) if isinstance(found, dict) else {}
        same = there.get("description") == ours
        return (KibanaState.SAME if same else KibanaState.CHANGED), ""

    def write(self, client: KibanaClient, state: KibanaState) -> None:  # noqa: ARG002
        """Import it."""
        text = ndjson([session_object(self.session, self.place)])
        path = "/api/saved_objects/_import?overwrite=true"
        answer = client.upload(path, "session.ndjson", text)
        if not isinstance(answer, dict) or answer.get("success") is not True:
            raise KibanaError(f"{self.name} was not imported: {_short(answer)}", "see the reason")

    def remove(self, client: KibanaClient) -> bool:
        """Remove it."""
        return _deleted(client, f"/api/saved_objects/search/{self.place.session(self.session.key)}")


@dataclass(frozen=True, slots=True)
class InstalledDashboard:
    """A dashboard."""

    dashboard: Dashboard
    place: KibanaPlace

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"dashboard {self.place.dashboard(self.dashboard.key)}"

    @property
    def _path(self) -> str:
        return f"/api/dashboards/{self.place.dashboard(self.dashboard.key)}"

    def compare(self, client: KibanaClient) -> tuple[KibanaState, str]:
        """Return how what is there compares with ours, and how many panels differ."""
        found = client.get(self._path)
        if found is None:
            return KibanaState.NEW, ""
        ours = dashboard_body(self.dashboard, DASHBOARDS, self.place)
        there = found.get("data", {})
        moved = _places(ours) ^ _places(there)
        if moved:
            return KibanaState.CHANGED, f"panels that differ: {len({each[0] for each in moved})}"
        if there.get("description") != ours["description"]:
            return KibanaState.CHANGED, "another version"
        return KibanaState.SAME, ""

    def write(self, client: KibanaClient, state: KibanaState) -> None:  # noqa: ARG002
        """Put it, and read it back."""
        body = dashboard_body(self.dashboard, DASHBOARDS, self.place)
        client.send("PUT", self._path, body)
        found = client.get(self._path) or {}
        warnings = found.get("warnings") or found.get("data", {}).get("warnings")
        if warnings:
            raise KibanaError(
                f"{self.name} lost something: {_short(warnings)}",
                "use the shipper that belongs to this version of Kibana",
            )
        if _places(found.get("data", {})) != _places(body):
            raise KibanaError(f"{self.name} is not as it was put", "see the log of Kibana")

    def remove(self, client: KibanaClient) -> bool:
        """Remove it."""
        return _deleted(client, self._path)


def kibana_objects(place: KibanaPlace) -> list[KibanaObject]:
    """Return what Kibana should have, in the order of their dependencies."""
    return [
        InstalledDataView(place),
        *(InstalledSession(each, place) for each in SESSIONS),
        *(InstalledDashboard(each, place) for each in DASHBOARDS),
    ]


def set_up_kibana(client: KibanaClient, *, dry_run: bool = False) -> Iterator[KibanaStep]:
    """
    Compare each object and, unless it is a dry run, install it; yield how it was before.

    Raises:
        ConfigError: this Kibana is too old.
        KibanaError: it cannot be reached, or refuses a request.
    """
    _check_version(client)
    _check_space(client)
    for each in kibana_objects(client.place):
        state, note = each.compare(client)
        if state is not KibanaState.SAME and not dry_run:
            each.write(client, state)
        yield KibanaStep(each.name, state, note)


def remove_from_kibana(client: KibanaClient, *, dry_run: bool = False) -> Iterator[KibanaStep]:
    """
    Remove each object, the data view last; yield whether it was there.

    Raises:
        KibanaError: it cannot be reached, or refuses a request.
    """
    for each in reversed(kibana_objects(client.place)):
        if dry_run:
            is_there = each.compare(client)[0] is not KibanaState.NEW
        else:
            is_there = each.remove(client)
        yield KibanaStep(each.name, KibanaState.REMOVED if is_there else KibanaState.ABSENT)


def _check_version(client: KibanaClient) -> None:
    """Refuse a Kibana without the API; one that hides its version is asked all the same."""
    status = client.get("/api/status", anywhere=True)
    version = status.get("version", {}) if isinstance(status, dict) else {}
    number = str(version.get("number", "")) if isinstance(version, dict) else ""
    found = re.match(r"(\d+)\.(\d+)\.", number)
    if found is not None and (int(found[1]), int(found[2])) < LEAST:
        raise ConfigError(
            f"Kibana {number} has no API for dashboards",
            "upgrade it to 9.4 or newer, or import the .ndjson files of kibana/ by hand",
        )


def _check_space(client: KibanaClient) -> None:
    space = client.place.space
    if client.place.base == client.server.url:
        return
    if client.get(f"/api/spaces/space/{space}", anywhere=True) is None:
        raise ConfigError(
            f"Kibana has no space {space}, or this login may not see it",
            "create it under Stack Management > Spaces",
        )


def _places(body: Json) -> set[tuple[str, ...]]:
    """Return title, type and place of each panel."""
    found = set()
    for panel in body.get("panels", []):
        grid = panel.get("grid", {})
        place = (str(grid.get(side)) for side in ("x", "y", "w", "h"))
        title = str(panel.get("config", {}).get("title", ""))
        found.add((title, str(panel.get("type")), *place))
    return found


def _deleted(client: KibanaClient, path: str) -> bool:
    try:
        client.send("DELETE", path)
    except KibanaError as refused:
        if refused.status != 404:
            raise
        return False
    return True


def _short(value: Any) -> str:
    """Return the beginning of a value of an answer."""
    try:
        return msgspec.json.encode(value).decode()[:300]
    except (TypeError, ValueError):
        return json.dumps(str(value))[:300]
