"""
A Kibana that takes what the real one takes, by what is known of it, and refuses the rest.

It demands a login, `kbn-xsrf` on writes and JSON; it keeps objects by their ids, which are those of
all spaces; it validates bodies with the schema of the API where that is there; it answers with
defaults that nobody sent. `script` has answers that come before its own, such as a 429.
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.servers.posts import Posted, Posts, Says, recording_server

KEY = "a-key-of-the-tests"
READ_ONLY = "a-key-that-may-only-read"

Check = Callable[[str, Any], list[str]]


@dataclass
class ScriptedKibana:
    """The state of a Kibana, and its answers."""

    check: Check
    version: str = "9.5.3"
    spaces: set[str] = field(default_factory=lambda: {"default", "ops"})
    login: bool = True
    dashboards: dict[str, tuple[str, Any]] = field(default_factory=dict)
    views: dict[str, tuple[str, Any]] = field(default_factory=dict)
    saved: dict[str, tuple[str, Any]] = field(default_factory=dict)
    warnings: list[Any] = field(default_factory=list)
    restless: bool = False  # it shows the same dashboard in another way each time
    refused: list[str] = field(default_factory=list)
    posts: Posts = field(default_factory=Posts)

    @property
    def url(self) -> str:
        return self.posts.url

    def writes(self) -> list[str]:
        """Return what was written, one `METHOD path` each."""
        return [
            f"{each.method} {each.path}"
            for each in self.posts.posted
            if each.method != "GET" and not each.path.endswith("/_export")
        ]

    def __call__(self, posted: Posted) -> Says:
        answer = self.answer(posted)
        if answer.status >= 400:
            self.refused.append(f"{answer.status} {posted.method} {posted.path}: {answer.body}")
        return answer

    def answer(self, posted: Posted) -> Says:  # noqa: PLR0911 -- one a rule
        found = re.fullmatch(r"(?:/s/([a-z0-9_-]+))?(/api/.*)", posted.path)
        if found is None:
            return no(404, "Not Found")
        space, path = found[1] or "default", urlsplit(found[2]).path
        if path == "/api/status" and posted.method == "GET":
            return Says(200, {"name": "kibana", "version": {"number": self.version}})
        is_read = posted.method == "GET" or path.endswith("/_export")
        if self.login:
            given = posted.headers.get("authorization", "")
            if given not in (f"ApiKey {KEY}", f"ApiKey {READ_ONLY}", "Basic a2liYW5hX3NldHVwOnB3"):
                return no(401, "[security_exception] unable to authenticate")
            if given.endswith(READ_ONLY) and not is_read:
                return no(403, f"API [{posted.method} {path}] is unauthorized for user")
        if posted.method != "GET" and not posted.headers.get("kbn-xsrf"):
            return no(400, "Request must contain a kbn-xsrf header.")
        if space not in self.spaces:
            return no(404, "Not Found")
        return self.route(posted, space, path)

    def route(self, posted: Posted, space: str, path: str) -> Says:  # noqa: PLR0911 -- one a rule
        head, _, name = path.rpartition("/")
        if head == "/api/spaces/space":
            return Says(200, {"id": name}) if name in self.spaces else no(404, "Not Found")
        if head == "/api/dashboards":
            return self.dashboard(posted, space, name)
        if path.startswith("/api/data_views/data_view"):
            return self.view(posted, space, path)
        if path == "/api/saved_objects/_import":
            return self.imported(posted, space)
        if path == "/api/saved_objects/_export":
            (wanted,) = body_of(posted)["objects"]
            held = self.saved.get(f"{wanted['type']}/{wanted['id']}")
            if held is None or held[0] != space:
                return no(400, "Error fetching objects to export")
            return Says(200, json.dumps(held[1]).encode())
        if head == "/api/saved_objects/search" and posted.method == "DELETE":
            held = self.saved.pop(f"search/{name}", None)
            return no(404, "Not Found") if held is None else Says(200, {})
        return no(404, "Not Found")

    def dashboard(self, posted: Posted, space: str, id_: str) -> Says:
        owner, _ = self.dashboards.get(id_, (space, None))
        if posted.method == "PUT":
            body = body_of(posted)
            faults = self.check("kbn-dashboard-data", body)
            if faults or not isinstance(body.get("title"), str):
                return no(400, f"[request body.{faults[:1]}]: Additional properties")
            if owner != space:
                return no(409, f"A dashboard with ID {id_} already exists.")
            is_new = id_ not in self.dashboards
            self.dashboards[id_] = (space, body)
            for panel in body.get("pinned_panels", ()):  # those without an id get a new one
                panel.setdefault("id", str(uuid.uuid4()))
            return self.shown(id_, body, 201 if is_new else 200)
        if id_ not in self.dashboards or owner != space:
            return no(404, f"A dashboard with ID {id_} was not found.")
        if posted.method == "DELETE":
            del self.dashboards[id_]
            return Says(200, {})
        return self.shown(id_, self.dashboards[id_][1], 200)

    def shown(self, id_: str, body: Any, status: int) -> Says:
        """Return a dashboard as it is read back: with defaults, in Kibana's own order."""
        data = copy.deepcopy(body)
        data["options"] = {"auto_apply_filters": True, "use_margins": True, **data["options"]}
        for panel in data["panels"]:
            panel["config"].setdefault("hide_border", False)
            if panel["type"] == "vis":
                panel["config"].setdefault("filters", [])
            if self.restless:
                panel["config"]["seen"] = str(uuid.uuid4())
        made = {"id": id_, "data": data, "meta": {"version": "WzEsMV0="}}
        return Says(status, {**made, "warnings": self.warnings})

    def view(self, posted: Posted, space: str, path: str) -> Says:  # noqa: PLR0911 -- one a rule
        name = path.removeprefix("/api/data_views/data_view").strip("/").partition("/")[0]
        if not name:
            body = body_of(posted)
            faults = self.check("data-view-create", body)
            view = body["data_view"]
            if faults:
                return no(400, f"[request body.{faults[:1]}]")
            if view["id"] in self.views:
                return no(409, "Data view with this id exists")
            if any(view["name"] == each["name"] for _, each in self.views.values()):
                return no(400, f"Duplicate data view: {view['name']}")
            self.views[view["id"]] = (space, view)
            return Says(200, {"data_view": view})
        owner, view = self.views.get(name, ("", {}))
        if owner != space:
            return no(404, f"Saved object [index-pattern/{name}] not found")
        if posted.method == "DELETE":
            del self.views[name]
            return Says(200, b"")
        if posted.method == "POST" and path.endswith("/fields"):
            view["fieldAttrs"] = {**view.get("fieldAttrs", {}), **body_of(posted)["fields"]}
        elif posted.method == "POST":
            changed = body_of(posted)["data_view"]
            if {"id", "fieldAttrs"} & changed.keys():
                return no(400, "[request body.data_view]: Additional properties are not allowed")
            view |= changed
        shown = {**copy.deepcopy(view), "version": "WzEsMV0=", "sourceFilters": [], "fields": {}}
        shown["runtimeFieldMap"] = {
            key: {**each, "customLabel": "x"} for key, each in view["runtimeFieldMap"].items()
        }
        return Says(200, {"data_view": shown})

    def imported(self, posted: Posted, space: str) -> Says:
        assert parse_qs(urlsplit(posted.path).query) == {"overwrite": ["true"]}
        head = f"content-type: {posted.headers['content-type']}\r\n\r\n".encode()
        (part,) = cast("list[Message]", message_from_bytes(head + posted.body).get_payload())
        assert str(part.get_filename()).endswith(".ndjson")
        lines = cast("bytes", part.get_payload(decode=True)).splitlines()
        objects = [json.loads(line) for line in lines if line]
        errors = []
        for each in objects:
            for reference in each["references"]:
                there = {*self.views, *(key.partition("/")[2] for key in self.saved)}
                if reference["id"] not in there:
                    errors.append({"id": each["id"], "error": {"type": "missing_references"}})
                    break
            else:
                self.saved[f"{each['type']}/{each['id']}"] = (space, each)
        done = {"success": not errors, "successCount": len(objects) - len(errors)}
        return Says(200, {**done, **({"errors": errors} if errors else {})})


def no(status: int, message: str) -> Says:
    return Says(status, {"statusCode": status, "error": "no", "message": message})


def body_of(posted: Posted) -> Any:
    assert posted.headers.get("content-type") == "application/json"
    return posted.json


@contextmanager
def scripted_kibana(check: Check, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedKibana]:
    """Run such a Kibana on a port of its own; `check` returns what a schema has against a body."""
    kibana = ScriptedKibana(check)
    with recording_server(tls) as posts:
        kibana.posts = posts
        posts.otherwise = kibana
        yield kibana
