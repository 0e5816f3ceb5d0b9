"""
Puts into Elasticsearch what the data streams need: templates, a lifecycle policy, three roles.

Each is one JSON file of `templates/`, written as Elasticsearch gives it back. A piece is left alone
when all that its file says is so already; so a second setup changes nothing. The component template
`logs-orchestrator@custom` is the user's: the index template names it last, and it is never made,
read or changed here. What a cluster does not offer (index lifecycle management, security, the
failure store) is told and left out.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from shipper.config.main import ElasticsearchOutput
from shipper.errors import StoreUnavailable
from shipper.net.elastic import Cluster, ElasticFailure

NOT_OFFERED = {400, 405, 410, 500, 501}  # what clusters answer for what they do not have
HEADERS = {"accept": "application/json", "content-type": "application/json"}


class SetupState(StrEnum):
    """What is to be done, or was done, about a piece."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class TemplateKind:
    """A kind of piece: its folder, its path in the API, where an answer holds it."""

    folder: str
    name: str
    path: str
    list_key: str = ""
    item_key: str = ""
    absence: str = ""  # what it means where a cluster has none of this kind; empty: all have it

    def found(self, answer: dict[str, Any], name: str) -> dict[str, Any]:
        """Take a piece out of the answer to the question for it."""
        if not self.list_key:
            return dict(answer[name])
        return dict(answer[self.list_key][0][self.item_key])


# In the order in which they need each other.
KINDS = (
    TemplateKind(
        "lifecycle_policies",
        "lifecycle policy",
        "/_ilm/policy",
        absence="no index lifecycle management; the lifecycle of the data streams holds",
    ),
    TemplateKind(
        "component_templates",
        "component template",
        "/_component_template",
        "component_templates",
        "component_template",
    ),
    TemplateKind(
        "index_templates",
        "index template",
        "/_index_template",
        "index_templates",
        "index_template",
    ),
    TemplateKind(
        "roles", "role", "/_security/role", absence="no security; everybody may do everything"
    ),
)

RIGHTS = "log in with the rights manage_index_templates, manage_ilm and manage_security"
NEEDS = {"component template logs-orchestrator@ilm": "lifecycle policy logs-orchestrator"}
MAY_LACK = {"component template logs-orchestrator@failures"}  # came with 9.1


@dataclass(frozen=True, slots=True)
class Piece:
    """One file: what has to be there under a name."""

    kind: TemplateKind
    name: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """What is so about a piece; `note` says more, `diff` has the lines of a unified diff."""

    piece: Piece
    state: SetupState
    note: str = ""
    diff: tuple[str, ...] = ()


def pieces() -> Iterator[Piece]:
    """Give what has to be there, in the order in which it is put there."""
    templates = files("shipper.store.elasticsearch") / "templates"
    for kind in KINDS:
        folder = templates / kind.folder
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            yield Piece(kind, file.name.removesuffix(".json"), json.loads(file.read_text()))


def set_up(output: ElasticsearchOutput, *, dry_run: bool = False) -> Iterator[SetupStep]:
    """
    Look at each piece and, unless it is a dry run, put it in place; give what was so before.

    Raises:
        ShipperError: a file of the config cannot be used.
        StoreUnavailable: the cluster cannot be reached, or refuses.
    """
    cluster = Cluster(output)
    absent: set[str] = set()
    try:
        for piece in pieces():
            step = _look(cluster, piece, absent)
            if step.state in {SetupState.NEW, SetupState.CHANGED} and not dry_run:
                step = _put(cluster, step)
            if step.state is SetupState.NOT_OFFERED:
                absent.add(str(piece))
            yield step
    except ElasticFailure as failure:
        told, _, remedy = str(failure).partition("; ")
        remedy = RIGHTS if failure.status == 403 else remedy
        raise StoreUnavailable(f"{told}; {remedy}" if remedy else told) from failure
    finally:
        cluster.close()


def _look(cluster: Cluster, piece: Piece, absent: set[str]) -> SetupStep:
    """See what the cluster has in the place of a piece."""
    if NEEDS.get(str(piece)) in absent:
        return SetupStep(piece, SetupState.NOT_OFFERED, f"there is no {NEEDS[str(piece)]} to name")
    try:
        answer = _request(cluster, "GET", piece)
    except ElasticFailure as failure:
        if failure.status == 404:
            return SetupStep(piece, SetupState.NEW, diff=_diff(piece, {}))
        if piece.kind.absence and failure.status in NOT_OFFERED:
            return SetupStep(piece, SetupState.NOT_OFFERED, piece.kind.absence)
        raise
    there = _within(piece.kind.found(answer, piece.name), piece.body)
    if there == _plain(piece.body):
        return SetupStep(piece, SetupState.SAME)
    return SetupStep(piece, SetupState.CHANGED, diff=_diff(piece, there))


def _put(cluster: Cluster, step: SetupStep) -> SetupStep:
    """Put a piece in its place; what a cluster may lack, it may refuse."""
    try:
        _request(cluster, "PUT", step.piece, step.piece.body)
    except ElasticFailure as failure:
        if failure.status != 400 or str(step.piece) not in MAY_LACK:
            raise
        return SetupStep(step.piece, SetupState.NOT_OFFERED, str(failure))
    return step


def _request(
    cluster: Cluster, method: str, piece: Piece, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    flat = method == "GET" and bool(piece.kind.list_key)
    answer = cluster.ask(
        lambda client: client.perform_request(
            method,
            f"{piece.kind.path}/{piece.name}",
            params={"flat_settings": "true"} if flat else None,
            headers={key: HEADERS[key] for key in HEADERS if body or key == "accept"},
            body=body,
        )
    )
    return dict(answer.body)


def _within(there: Any, ours: Any) -> Any:
    """Give what the cluster has for what our file says; more than that is not ours to judge."""
    if isinstance(there, dict) and isinstance(ours, dict):
        return {key: _within(there[key], ours[key]) for key in ours if key in there}
    if isinstance(there, list) and isinstance(ours, list) and len(there) == len(ours):
        return [_within(*pair) for pair in zip(there, ours, strict=True)]
    return _plain(there)


def _plain(value: Any) -> Any:
    """Write numbers and switches as texts, as Elasticsearch does with some."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def _diff(piece: Piece, there: dict[str, Any]) -> tuple[str, ...]:
    def lines(value: Any) -> list[str]:
        return json.dumps(value, indent=2, sort_keys=True).splitlines() if value else []

    return tuple(
        difflib.unified_diff(
            lines(there), lines(_plain(piece.body)), "there", f"{piece}", lineterm="", n=2
        )
    )
