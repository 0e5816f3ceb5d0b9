"""
Installs dashboards, data view and Discover sessions in Kibana, or removes them.

What is there in our version stays as it is, so a second setup changes nothing. Kibana answers with
defaults that nobody sent, so what comes back is never compared with what was sent:

    version   the digest of what was sent, at the end of the description
    places    title, type and grid of each panel, which come back as they were sent
    seal      a second digest, of the whole dashboard as Kibana showed it after it was put

So whoever changes anything in one of our dashboards has it put back, and a copy of the changed one
is kept before that (shipper/kibana/copies.py). A dashboard without a seal, of `import.sh` or of a
Kibana that shows the same dashboard in different ways, is known by version and places.

After each write the object is read again, and a warning of Kibana, as of a panel that it dropped,
is an error. What it cannot show of a dashboard that somebody changed is not overwritten.

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
from shipper.kibana.copies import KibanaCopies
from shipper.kibana.dashboards.all import DASHBOARDS
from shipper.kibana.data_view import data_view_body, version_of
from shipper.kibana.panels import Dashboard, DiscoverSession
from shipper.kibana.place import KibanaPlace
from shipper.kibana.seals import Seal, described, part_of, places_of
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


@dataclass(frozen=True, slots=True)
class KibanaFinding:
    """How what is there compares with ours; `changed` is what somebody may have put work into."""

    state: KibanaState
    note: str = ""
    changed: Json | None = None


NEW: Final = KibanaFinding(KibanaState.NEW)
SAME: Final = KibanaFinding(KibanaState.SAME)


class KibanaObject(Protocol):
    """An object that Kibana should have."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def id(self) -> str:
        """Its id in Kibana."""

    def compare(self, client: KibanaClient) -> KibanaFinding:
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
        return f"data view {self.id}"

    @property
    def id(self) -> str:
        """Its id in Kibana."""
        return self.place.data_view

    @property
    def _path(self) -> str:
        return f"/api/data_views/data_view/{self.id}"

    def compare(self, client: KibanaClient) -> KibanaFinding:
        """Return how what is there compares with ours."""
        found = client.get(self._path)
        if found is None:
            return NEW
        ours = version_of(data_view_body(self.place)["data_view"])
        if version_of(part_of(found, "data_view")) == ours:
            return SAME
        return KibanaFinding(KibanaState.CHANGED, changed=found)

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
        return f"Discover session {self.id}"

    @property
    def id(self) -> str:
        """Its id in Kibana."""
        return self.place.session(self.session.key)

    def compare(self, client: KibanaClient) -> KibanaFinding:
        """Return how what is there compares with ours, by its description."""
        asked = {"objects": [{"type": "search", "id": self.id}], "excludeExportDetails": True}
        try:
            found = client.send("POST", "/api/saved_objects/_export", asked)
        except KibanaError as refused:
            if refused.status != 400:  # that is the answer to an id that is not there
                raise
            return NEW
        ours = session_object(self.session, self.place)["attributes"]["description"]
        there = found if isinstance(found, dict) else {}
        if part_of(there, "attributes").get("description") == ours:
            return SAME
        return KibanaFinding(KibanaState.CHANGED, changed=there)

    def write(self, client: KibanaClient, state: KibanaState) -> None:  # noqa: ARG002
        """Import it."""
        text = ndjson([session_object(self.session, self.place)])
        path = "/api/saved_objects/_import?overwrite=true"
        answer = client.upload(path, "session.ndjson", text)
        if not isinstance(answer, dict) or answer.get("success") is not True:
            raise KibanaError(f"{self.name} was not imported: {_short(answer)}", "see the reason")

    def remove(self, client: KibanaClient) -> bool:
        """Remove it."""
        return _deleted(client, f"/api/saved_objects/search/{self.id}")


@dataclass(frozen=True, slots=True)
class InstalledDashboard:
    """A dashboard."""

    dashboard: Dashboard
    place: KibanaPlace

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"dashboard {self.id}"

    @property
    def id(self) -> str:
        """Its id in Kibana."""
        return self.place.dashboard(self.dashboard.key)

    @property
    def _path(self) -> str:
        return f"/api/dashboards/{self.id}"

    def compare(self, client: KibanaClient) -> KibanaFinding:
        """Return how what is there compares with ours, and what of it differs."""
        found = client.get(self._path)
        if found is None:
            return NEW
        there = part_of(found, "data")
        ours = dashboard_body(self.dashboard, DASHBOARDS, self.place)
        sealed = Seal.in_description(there)
        is_untouched = sealed is not None and sealed.is_of(there)
        notes = [] if sealed is None or is_untouched else ["changed in Kibana"]
        moved = places_of(ours) ^ places_of(there)
        if moved:
            notes.append(f"panels that differ: {len({each[0] for each in moved})}")
        elif described(there) != ours["description"]:
            notes.append("another version")
        if not notes:
            return SAME
        if is_untouched:
            return KibanaFinding(KibanaState.CHANGED, ", ".join(notes))
        self._refuse_warnings(found, "has something that is not in its copy")
        return KibanaFinding(KibanaState.CHANGED, ", ".join(notes), there)

    def write(self, client: KibanaClient, state: KibanaState) -> None:  # noqa: ARG002
        """Put it, read it back, and seal it as it is shown."""
        body = dashboard_body(self.dashboard, DASHBOARDS, self.place)
        seal = Seal.of(self._put(client, body))
        if not seal.is_of(self._put(client, {**body, "description": seal.sealed(body)})):
            self._put(client, body)  # it is shown in another way each time

    def _put(self, client: KibanaClient, body: Json) -> Json:
        """Put a body; return how Kibana shows it."""
        client.send("PUT", self._path, body)
        found = client.get(self._path) or {}
        self._refuse_warnings(found, "lost something")
        there = part_of(found, "data")
        if places_of(there) != places_of(body):
            raise KibanaError(f"{self.name} is not as it was put", "see the log of Kibana")
        return there

    def _refuse_warnings(self, found: Json, what: str) -> None:
        warnings = found.get("warnings") or part_of(found, "data").get("warnings")
        if warnings:
            raise KibanaError(
                f"{self.name} {what}: {_short(warnings)}",
                "use the shipper that belongs to this version of Kibana; if somebody changed the "
                "dashboard, save a copy of it in Kibana and delete the original",
            )

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


def set_up_kibana(
    client: KibanaClient, copies: KibanaCopies, *, dry_run: bool = False
) -> Iterator[KibanaStep]:
    """
    Compare each object and, unless it is a dry run, install it; yield how it was before.

    What somebody may have changed is kept in `copies` before.

    Raises:
        ConfigError: this Kibana is too old.
        KibanaError: it cannot be reached, or refuses a request.
        ShipperError: a copy cannot be kept.
    """
    _check_version(client)
    _check_space(client)
    for each in kibana_objects(client.place):
        found = each.compare(client)
        notes = [found.note] if found.note else []
        if found.state is not KibanaState.SAME and not dry_run:
            if found.changed is not None:
                notes.append(f"a copy of the old one is {copies.keep(each.id, found.changed)}")
            each.write(client, found.state)
        yield KibanaStep(each.name, found.state, "; ".join(notes))


def remove_from_kibana(client: KibanaClient, *, dry_run: bool = False) -> Iterator[KibanaStep]:
    """
    Remove each object, the data view last; yield whether it was there.

    Raises:
        KibanaError: it cannot be reached, or refuses a request.
    """
    for each in reversed(kibana_objects(client.place)):
        if dry_run:
            is_there = each.compare(client).state is not KibanaState.NEW
        else:
            is_there = each.remove(client)
        yield KibanaStep(each.name, KibanaState.REMOVED if is_there else KibanaState.ABSENT)


def _check_version(client: KibanaClient) -> None:
    """Refuse a Kibana without the API; one that hides its version is asked all the same."""
    status = client.get("/api/status", anywhere=True) or {}
    number = str(part_of(status, "version").get("number", ""))
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
