"""
Installs in Elasticsearch what the data streams need: templates, a lifecycle policy, roles.

Each is one JSON file of `templates/`, in the form in which Elasticsearch returns it. A resource
that has everything its file says stays as it is, so a second setup changes nothing. The component
template `logs-orchestrator@custom` belongs to the user: the index template names it last, and setup
never creates, reads or changes it. Only the retention comes from the config. What a cluster does
not offer (index lifecycle management, security, the failure store) is reported and skipped.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import StoreUnavailable
from shipper.net.elastic import Cluster, ElasticFailure

DAY_SECONDS = 86_400
ROLLOVER_SECONDS = 30 * DAY_SECONDS
NOT_OFFERED = {400, 405, 410, 500, 501}  # status of an API that a cluster does not have


class SetupState(StrEnum):
    """How a resource in the cluster compares with its file."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True)
class TemplateKind:
    """A kind of resource: its folder, its path in the API, its place in a response."""

    folder: str
    name: str
    path: str
    list_key: str = ""
    item_key: str = ""
    absence: str = ""  # what it means if a cluster has no such API; empty: every cluster has it

    def extract(self, answer: dict[str, Any], name: str) -> dict[str, Any]:
        """Return the resource in the response to a request for it."""
        if not self.list_key:
            return dict(answer[name])
        return dict(answer[self.list_key][0][self.item_key])


# In the order of their dependencies.
KINDS = (
    TemplateKind(
        "lifecycle_policies",
        "lifecycle policy",
        "/_ilm/policy",
        absence="no index lifecycle management; the data stream lifecycle applies",
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
        "roles", "role", "/_security/role", absence="no security; every user may do everything"
    ),
)

RIGHTS = "use a login with manage_index_templates, manage_ilm and manage_security"
NEEDS = {"component template logs-orchestrator@ilm": "lifecycle policy logs-orchestrator"}
MAY_LACK = {"component template logs-orchestrator@failures"}  # came with 9.1


@dataclass(frozen=True, slots=True)
class Resource:
    """One file: a resource that the cluster should have."""

    kind: TemplateKind
    name: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """The state of one resource; `note` explains it, `diff` has the lines of a unified diff."""

    resource: Resource
    state: SetupState
    note: str = ""
    diff: tuple[str, ...] = ()


def resources() -> Iterator[Resource]:
    """Yield the resources that the cluster should have, in the order of their installation."""
    templates = files("shipper.store.elasticsearch") / "templates"
    for kind in KINDS:
        folder = templates / kind.folder
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            yield Resource(kind, file.name.removesuffix(".json"), json.loads(file.read_text()))


def with_retention(resource: Resource, keep_seconds: int) -> Resource:
    """
    Return a resource with the retention of the config.

    A lifecycle policy deletes an index so long after its rollover, which comes after 30 days: with
    a shorter retention, it comes that early, so that nothing is kept for longer than twice of it.
    """
    if resource.kind.folder == "lifecycle_policies":
        body = copy.deepcopy(resource.body)
        phases = body["policy"]["phases"]
        phases["delete"]["min_age"] = _days(keep_seconds)
        phases["hot"]["actions"]["rollover"]["max_age"] = _days(min(keep_seconds, ROLLOVER_SECONDS))
    elif resource.name == "logs-orchestrator@lifecycle":
        body = copy.deepcopy(resource.body)
        body["template"]["lifecycle"]["data_retention"] = _days(keep_seconds)
    else:
        return resource
    return dataclasses.replace(resource, body=body)


def _days(seconds: int) -> str:
    """Return a time as Elasticsearch writes it: whole days, or else hours, rounded up."""
    days, rest = divmod(seconds, DAY_SECONDS)
    return f"{days}d" if not rest else f"{-(-seconds // 3600)}h"


def set_up(output: ElasticsearchOutput, *, dry_run: bool = False) -> Iterator[SetupStep]:
    """
    Compare each resource and, unless it is a dry run, install it; yield how it was before.

    Raises:
        ShipperError: a file of the config cannot be used.
        StoreUnavailable: the cluster cannot be reached, or refuses the request.
    """
    cluster = Cluster(output)
    absent: set[str] = set()
    try:
        for file in resources():
            resource = with_retention(file, output.keep_seconds)
            step = _compare(cluster, resource, absent)
            if step.state in {SetupState.NEW, SetupState.CHANGED} and not dry_run:
                step = _put(cluster, step)
            if step.state is SetupState.NOT_OFFERED:
                absent.add(str(resource))
            yield step
    except ElasticFailure as failure:
        remedy = RIGHTS if failure.status == 403 else failure.remedy
        raise StoreUnavailable(failure.fault, remedy) from failure
    finally:
        cluster.close()


def _compare(cluster: Cluster, resource: Resource, absent: set[str]) -> SetupStep:
    """Compare a resource with what the cluster has under its name."""
    if NEEDS.get(str(resource)) in absent:
        return SetupStep(resource, SetupState.NOT_OFFERED, f"needs the {NEEDS[str(resource)]}")
    try:
        answer = _request(cluster, "GET", resource)
    except ElasticFailure as failure:
        if failure.status == 404:
            return SetupStep(resource, SetupState.NEW, diff=_diff(resource, {}))
        if resource.kind.absence and failure.status in NOT_OFFERED:
            return SetupStep(resource, SetupState.NOT_OFFERED, resource.kind.absence)
        raise
    there = _within(resource.kind.extract(answer, resource.name), resource.body)
    if there == _plain(resource.body):
        return SetupStep(resource, SetupState.SAME)
    return SetupStep(resource, SetupState.CHANGED, diff=_diff(resource, there))


def _put(cluster: Cluster, step: SetupStep) -> SetupStep:
    """Install a resource; a cluster without the feature refuses those of `MAY_LACK`."""
    try:
        _request(cluster, "PUT", step.resource, step.resource.body)
    except ElasticFailure as failure:
        if failure.status != 400 or str(step.resource) not in MAY_LACK:
            raise
        return SetupStep(step.resource, SetupState.NOT_OFFERED, str(failure))
    return step


def _request(
    cluster: Cluster, method: str, resource: Resource, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    flat = "?flat_settings=true" if method == "GET" and resource.kind.list_key else ""
    return dict(cluster.request(method, f"{resource.kind.path}/{resource.name}{flat}", body))


def _within(there: Any, ours: Any) -> Any:
    """Return the part of what the cluster has that our file sets; the rest is the user's."""
    if isinstance(there, dict) and isinstance(ours, dict):
        return {key: _within(there[key], ours[key]) for key in ours if key in there}
    if isinstance(there, list) and isinstance(ours, list) and len(there) == len(ours):
        return [_within(*pair) for pair in zip(there, ours, strict=True)]
    return _plain(there)


def _plain(value: Any) -> Any:
    """Return a value with numbers and booleans as texts, as Elasticsearch returns some."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def _diff(resource: Resource, there: dict[str, Any]) -> tuple[str, ...]:
    def lines(value: Any) -> list[str]:
        return json.dumps(value, indent=2, sort_keys=True).splitlines() if value else []

    return tuple(
        difflib.unified_diff(
            lines(there), lines(_plain(resource.body)), "there", f"{resource}", lineterm="", n=2
        )
    )
