"""`shipper setup`: files and code agree, it is idempotent, and never changes `@custom`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shipper.cli import main
from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import StoreUnavailable
from shipper.fields import ALIASES, FIELDS, FieldKind
from shipper.store.elasticsearch.setup import SetupState, resources, set_up, with_retention
from tests.servers.elasticsearch import StartNode
from tests.servers.elasticsearch_scripted import Asked, Says, Scripted, scripted_server

ROOT = Path(__file__).parents[2]
FILES = {str(resource): resource.body for resource in resources()}
MAPPINGS = FILES["component template logs-orchestrator@mappings"]["template"]["mappings"]
TYPES = {
    FieldKind.KEYWORD: "keyword",
    FieldKind.TEXT: "text",
    FieldKind.INTEGER: "long",
    FieldKind.FLOAT: "double",
    FieldKind.DATE: "date",
}
CONFIG = """\
service: {{name: app}}
inputs: [{{paths: [logs/*.log]}}]
output: {output}
"""


def leaves(properties: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, mapping in properties.items():
        if "type" in mapping:
            yield path + name, mapping
        yield from leaves(mapping.get("properties", {}), f"{path}{name}.")
        yield from leaves(mapping.get("fields", {}), f"{path}{name}.")


FOUND = dict(leaves(MAPPINGS["properties"]))


def test_every_field_has_its_type() -> None:
    """The mapping has the fields of `shipper.fields` with their kinds, and no others."""
    for name, field in FIELDS.items():
        if field.kind is not FieldKind.OBJECT:
            assert FOUND[name]["type"] == TYPES[field.kind], name
    heads = {name.partition(".")[0] for name in FOUND}
    assert heads == {*FIELDS} | {name.partition(".")[0] for name in ALIASES}
    assert FOUND["extra"]["type"] == "flattened"
    assert MAPPINGS["dynamic"] is False


def test_every_key_of_an_object_has_its_type() -> None:
    """The mapping has the keys of the objects that enrichment adds."""
    for name in ("host.name", "service.version", "event.dataset", "error.category", "log.stream"):
        assert FOUND[name]["type"] == "keyword"
    assert FOUND["log.offset"]["type"] == "long"
    assert FOUND["event.created"]["type"] == "date"


def test_every_alias_leads_to_its_field() -> None:
    """An ECS name is an alias; below a field, which cannot have aliases, it is a multi-field."""
    for name, target in ALIASES.items():
        mapping = FOUND[name]
        if mapping["type"] == "alias":
            assert mapping["path"] == target
        else:
            assert name.startswith(f"{target}.")


def test_the_files_are_where_they_are_looked_for() -> None:
    """`elasticsearch/` at the top has what is installed: one JSON file each."""
    found = sorted((ROOT / "elasticsearch").glob("*/*.json"))
    assert len(found) == len(FILES)
    assert all(isinstance(json.loads(path.read_text()), dict) for path in found)


def test_the_writer_may_only_add() -> None:
    """The role of a shipper cannot read, change or delete records."""
    role = FILES["role logs-orchestrator-writer"]
    (index,) = role["indices"]
    assert index["privileges"] == ["auto_configure", "create_doc"]
    assert index["names"] == FILES["index template logs-orchestrator"]["index_patterns"]


def test_the_users_own_comes_last() -> None:
    """`@custom` overrides all others, is optional, and is never changed."""
    template = FILES["index template logs-orchestrator"]
    assert template["composed_of"][-1] == "logs-orchestrator@custom"
    assert "logs-orchestrator@custom" in template["ignore_missing_component_templates"]
    assert not [name for name in FILES if "@custom" in name]


def run(tmp_path: Path, url: str, *arguments: str) -> tuple[int, str]:
    path = tmp_path / "shipper.yml"
    path.write_text(CONFIG.format(output=f'{{elasticsearch: {{hosts: ["{url}"]}}}}'))
    result = CliRunner().invoke(main, ["setup", "--config", str(path), *arguments])
    return result.exit_code, result.output


def test_the_cluster_behind_logstash(tmp_path: Path, server: Scripted) -> None:
    """With output.logstash it is the one that is searched; without one, the error says so."""
    path = tmp_path / "shipper.yml"
    path.write_text(CONFIG.format(output="{logstash: {hosts: ['localhost:1']}}"))
    command = ["setup", "--config", str(path)]
    missing = CliRunner().invoke(main, command)
    assert missing.exit_code == 2
    assert "search.elasticsearch: the cluster behind Logstash" in missing.output

    with path.open("a") as file:
        file.write(f"search: {{elasticsearch: {{hosts: ['{server.url}']}}}}\n")
    assert CliRunner().invoke(main, command).exit_code == 0
    assert {step.state for step in set_up(ElasticsearchOutput((server.url,)))} == {SetupState.SAME}


@pytest.mark.server
def test_twice_is_once(tmp_path: Path, start_elasticsearch: StartNode) -> None:
    """A dry run changes nothing and says what is missing; a second setup finds nothing to do."""
    url = start_elasticsearch().url
    code, output = run(tmp_path, url, "--dry-run")
    assert code == 1
    assert "index template logs-orchestrator: is missing" in output
    assert '+  "priority": "250"' in output
    code, output = run(tmp_path, url)
    assert code == 0
    assert "index template logs-orchestrator: installed" in output
    assert "lifecycle policy logs-orchestrator: not offered (no index lifecycle" in output
    assert "role logs-orchestrator-writer: not offered (no security" in output
    code, output = run(tmp_path, url, "--dry-run")
    assert code == 0
    assert {line.partition(":")[2][:14] for line in output.splitlines()} == {
        " is up to date",
        " not offered (",
    }


class Cluster:
    """A cluster with every feature: its resources by path."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def __call__(self, asked: Asked) -> Says:
        path = asked.path.partition("?")[0]
        if asked.method == "PUT":
            self.held[path] = json.loads(asked.body)
            return Says(200, {"acknowledged": True})
        if path not in self.held:
            return Says(404, {})
        name, body = path.rpartition("/")[2], self.held[path]
        for key in ("component_template", "index_template"):
            if key in path:
                return Says(200, {f"{key}s": [{"name": name, key: {**body, "version": 3}}]})
        return Says(200, {name: {**body, "version": 3}})


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server(Cluster()) as scripted:
        yield scripted


def states(server: Scripted, *, dry_run: bool = False) -> set[SetupState]:
    return {step.state for step in set_up(ElasticsearchOutput((server.url,)), dry_run=dry_run)}


def test_a_cluster_with_everything(server: Scripted) -> None:
    """Everything is installed in the order of dependencies, and `@custom` is not touched."""
    assert states(server, dry_run=True) == {SetupState.NEW}
    assert states(server) == {SetupState.NEW}
    put = [asked.path for asked in server.asked if asked.method == "PUT"]
    assert len(put) == len(FILES)
    assert put[0].startswith("/_ilm/policy/")
    assert put.index("/_index_template/logs-orchestrator") > put.index(
        "/_component_template/logs-orchestrator@mappings"
    )
    assert not [asked for asked in server.asked if "@custom" in asked.path]
    assert states(server) == {SetupState.SAME}


def test_what_differs_is_shown(server: Scripted, tmp_path: Path) -> None:
    """A dry run shows a difference as a diff, and the next setup corrects it."""
    assert states(server) == {SetupState.NEW}
    assert isinstance(server.otherwise, Cluster)
    server.otherwise.held["/_index_template/logs-orchestrator"]["priority"] = 7
    code, output = run(tmp_path, server.url, "--dry-run")
    assert code == 1
    assert '-  "priority": "7"' in output
    assert '+  "priority": "250"' in output
    assert run(tmp_path, server.url)[0] == 0
    assert states(server) == {SetupState.SAME}


def test_what_a_cluster_may_lack(server: Scripted) -> None:
    """A missing failure store is reported, and everything else is installed."""
    held = Cluster()

    def answer(asked: Asked) -> Says:
        if asked.method == "PUT" and "@failures" in asked.path:
            return Says(400, {"error": {"type": "x_content_parse_exception", "reason": "r"}})
        return held(asked)

    server.otherwise = answer
    found = {str(step.resource): step for step in set_up(ElasticsearchOutput((server.url,)))}
    lacking = [name for name, step in found.items() if step.state is SetupState.NOT_OFFERED]
    assert lacking == ["component template logs-orchestrator@failures"]
    assert "x_content_parse_exception" in found[lacking[0]].note


def test_a_cluster_that_refuses(server: Scripted, tmp_path: Path) -> None:
    """Missing privileges and an unreachable cluster exit with 3 and the reason."""
    server.otherwise = Says(403, {"error": {"type": "security_exception", "reason": "no"}})
    with pytest.raises(StoreUnavailable, match="security_exception: no"):
        states(server)
    code, output = run(tmp_path, server.url)
    assert code == 3
    assert "answered 403" in output
    assert "manage_index_templates" in output
    assert run(tmp_path, "http://127.0.0.1:1")[0] == 3


def test_the_retention_of_the_config(server: Scripted, tmp_path: Path) -> None:
    """It goes into the policy and into the lifecycle; a changed one is an update of these two."""
    assert states(server) == {SetupState.NEW}
    config = f'{{elasticsearch: {{hosts: ["{server.url}"], keep: 36h}}}}'
    path = tmp_path / "shipper.yml"
    path.write_text(CONFIG.format(output=config))

    result = CliRunner().invoke(main, ["setup", "--config", str(path)])

    changed = [line for line in result.output.splitlines() if "is up to date" not in line]
    assert changed == [
        "lifecycle policy logs-orchestrator: updated",
        "component template logs-orchestrator@lifecycle: updated",
    ]
    assert isinstance(server.otherwise, Cluster)
    phases = server.otherwise.held["/_ilm/policy/logs-orchestrator"]["policy"]["phases"]
    assert phases["delete"]["min_age"] == "36h"
    assert phases["hot"]["actions"]["rollover"]["max_age"] == "36h"
    lifecycle = server.otherwise.held["/_component_template/logs-orchestrator@lifecycle"]
    assert lifecycle["template"]["lifecycle"]["data_retention"] == "36h"


@pytest.mark.parametrize(
    ("seconds", "deleted", "rolled"),
    [(30 * 86_400, "30d", "30d"), (365 * 86_400, "365d", "30d"), (7 * 86_400, "7d", "7d")],
)
def test_a_short_retention_rolls_over_early(seconds: int, deleted: str, rolled: str) -> None:
    """Nothing is kept for longer than the retention and the time until a rollover."""
    (policy,) = [each for each in resources() if each.kind.folder == "lifecycle_policies"]

    phases = with_retention(policy, seconds).body["policy"]["phases"]

    assert phases["delete"]["min_age"] == deleted
    assert phases["hot"]["actions"]["rollover"]["max_age"] == rolled
    assert policy == with_retention(policy, 30 * 86_400)  # the files have the default


def test_another_output_needs_no_setup(tmp_path: Path) -> None:
    """Setup with another output exits with 2."""
    path = tmp_path / "shipper.yml"
    path.write_text(CONFIG.format(output="{embedded: {}}"))
    result = CliRunner().invoke(main, ["setup", "--config", str(path)])
    assert result.exit_code == 2
    assert "use output.elasticsearch" in result.output
