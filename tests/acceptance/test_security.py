"""Logins, roles, keys and TLS of a real Elasticsearch: each account does its work, and no more."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.server import wait_until
from tests.servers.elasticsearch_secure import PASSWORD, SecureNode

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
LEVELS = ("all", "read")
APPS = "applications"
WRITES = ["write", "delete_index", "manage"]
TEMPLATES = ROOT / "shipper/store/elasticsearch/templates"
CONFIG = """\
service: {{name: automation-orchestrator, environment: test}}
namespace: {namespace}
data_dir: shipper
inputs: [{{paths: [logs/*.log]}}]
tail: {{scan_seconds: 0.2s}}
delivery: {{linger_seconds: 50ms, backoff_seconds: 50ms, backoff_max_seconds: 500ms}}
heartbeat: {{every: 500ms}}
output: {{elasticsearch: {output}}}
search: {{elasticsearch: {search}}}
alerts: {{rules: rules, settings: alerts.json}}
"""
RULE = """\
name: errors
severity: high
summary: "{{ value }} errors"
over: 1m
every: 10s
count: level:ERROR
above: 0
runbook: high-error-rate
"""


class Place:
    """A folder with a config, logs and the accounts of a node."""

    def __init__(self, folder: Path, node: SecureNode) -> None:
        self.folder = folder
        self.node = node
        self.namespace = uuid.uuid4().hex
        (folder / "logs").mkdir()
        (folder / "rules").mkdir()
        (folder / "rules/errors.yml").write_text(RULE)
        (folder / "alerts.json").write_text('{"alerters": {"out": {"console": {}}}}')
        self.config("elastic", "elastic")

    def login(self, user: str) -> str:
        """Return the options of a user whose password lies in a file; `elastic` may do all."""
        path = self.node.folder / f"{user}.password"
        if user == "elastic":
            path.write_text(PASSWORD)
        return (
            f'{{hosts: ["{self.node.url}"], username: {user}, password_file: "{path}",'
            f' tls: {{ca: "{self.node.ca}"}}}}'
        )

    def config(self, writer: str, reader: str, *, output: str | None = None) -> None:
        (self.folder / "shipper.yml").write_text(
            CONFIG.format(
                namespace=self.namespace,
                output=output or self.login(writer),
                search=self.login(reader),
            )
        )

    def write(self, count: int, level: str = "ERROR") -> None:
        with (self.folder / "logs/app.log").open("a") as log:
            for index in range(count):
                now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
                line = {"timestamp": f"{now}.000Z", "level": level, "message": f"line {index}"}
                log.write(json.dumps(line) + "\n")

    def call(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of ours to its end; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "shipper", "--config", "shipper.yml", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, printed
        return printed

    def count(self) -> int:
        """Return the number of records that are stored, heartbeats left out."""
        path = f"/logs-orchestrator.app-{self.namespace}"
        try:
            self.node.ask("POST", f"{path}/_refresh")
            found: int = self.node.ask("GET", f"{path}/_count")["count"]
        except urllib.error.HTTPError as error:
            error.close()
            return 0
        return found


@pytest.fixture(scope="module")
def node(secure_elasticsearch: SecureNode, tmp_path_factory: pytest.TempPathFactory) -> SecureNode:
    """Return a node that was set up, with a user for each role."""
    Place(tmp_path_factory.mktemp("setup"), secure_elasticsearch).call("setup")
    for role in ("writer", "reader", "alerts", "viewer"):
        secure_elasticsearch.add_user(role, f"logs-orchestrator-{role}")
    secure_elasticsearch.add_user("editor", "logs-orchestrator-kibana")  # `kibana` is reserved
    return secure_elasticsearch


@pytest.fixture
def place(node: SecureNode, tmp_path: Path) -> Place:
    return Place(tmp_path, node)


def test_a_second_setup_changes_nothing(place: Place) -> None:
    """What `setup` installed is up to date, roles too, as a cluster with security answers them."""
    dry = place.call("setup", "--dry-run")
    again = place.call("setup")

    assert "missing" not in dry
    assert "updated" not in dry
    assert "role logs-orchestrator-writer: is up to date" in again
    assert "installed" not in again


def test_each_role_is_enough_for_its_work(place: Place) -> None:
    """A writer ships; a reader searches, audits, reports; the alert job judges, with a lease."""
    place.config("writer", "reader")
    place.write(50)

    place.call("run", "--once")
    place.node.ask("POST", f"/logs-orchestrator.*-{place.namespace}/_refresh")

    assert place.call("search", "level:ERROR", "--count").strip().startswith("50")
    assert "0 lost" in place.call("audit")
    place.call("fleet", fails=True)  # how far the host is was not known yet when it stopped
    place.call("report", "daily")
    place.config("writer", "alerts")
    place.call("alerts", "once")
    place.node.ask("POST", "/orchestrator-lease/_refresh")
    assert place.node.ask("GET", "/orchestrator-lease/_count")["count"] > 0


def test_a_writer_can_read_and_change_nothing(place: Place) -> None:
    """Who breaks into a shipper reads no record with its password, and deletes none."""
    place.config("writer", "writer")
    place.write(1)
    place.call("run", "--once")

    refused = place.call("search", "*", fails=True)
    assert "403" in refused or "privilege" in refused
    for method, path, body in [
        ("GET", f"/logs-orchestrator.app-{place.namespace}/_search", None),
        ("DELETE", f"/logs-orchestrator.app-{place.namespace}/_doc/1", None),
        ("PUT", "/_security/user/mallory", {"password": "x" * 20, "roles": ["superuser"]}),
        ("PUT", "/_index_template/logs-orchestrator", {"index_patterns": ["x"]}),
    ]:
        with pytest.raises(urllib.error.HTTPError) as error:
            place.node.ask(method, path, body, user=("writer", "password-of-writer"))
        error.value.close()
        assert error.value.code == 403, path


def test_a_reader_can_write_nothing(place: Place) -> None:
    """A shipper with the password of a reader keeps its records, and says what is missing."""
    place.config("reader", "reader")
    place.write(3)

    printed = place.call("run", "--once", "--timeout", "3s", fails=True)

    assert "403" in printed or "privilege" in printed
    assert place.count() == 0


ASKED = ("dashboard_v2", "discover_v2", "visualize_v2", "indexPatterns", "savedObjectsManagement")


@pytest.mark.parametrize(("user", "may"), [("editor", "all"), ("viewer", "read")])
def test_roles_of_kibana(place: Place, user: str, may: str) -> None:
    """Each reads records, has its privileges in the default space alone, and changes no record."""
    features_of_kibana = {  # as Kibana registers them when it starts
        f"feature_{each}.{level}": {"actions": [f"ui:{each}/{level}"]}
        for each in ASKED
        for level in LEVELS
    }
    place.node.ask("PUT", "/_security/privilege", {"kibana-.kibana": features_of_kibana})
    place.config("writer", user)
    place.write(5)
    place.call("run", "--once")
    place.node.ask("POST", f"/logs-orchestrator.*-{place.namespace}/_refresh")
    asked = {
        "application": [
            {
                "application": "kibana-.kibana",
                "resources": ["space:default", "space:ops"],
                "privileges": [*features_of_kibana],
            }
        ],
        "index": [{"names": [f"logs-orchestrator.app-{place.namespace}"], "privileges": WRITES}],
    }

    login = (user, f"password-of-{user}")
    has = place.node.ask("POST", "/_security/user/_has_privileges", asked, user=login)

    spaces = has["application"]["kibana-.kibana"]
    granted = {name for name, is_given in spaces["space:default"].items() if is_given}
    features = [each for each in ASKED if may == "all" or each != "savedObjectsManagement"]
    assert granted == {f"feature_{each}.{may}" for each in features}
    assert not any(spaces["space:ops"].values())
    assert not any(has["index"][f"logs-orchestrator.app-{place.namespace}"].values())
    assert place.call("search", "level:ERROR", "--count").strip().startswith("5")


def test_a_key_that_was_revoked_and_renewed(place: Place) -> None:
    """A shipper whose API key is revoked waits, and goes on with the next one without a restart."""
    roles = {"writer": json.loads((TEMPLATES / "roles/logs-orchestrator-writer.json").read_text())}
    del roles["writer"]["metadata"], roles["writer"]["description"]
    file = place.folder / "key"
    first, encoded = place.node.add_key("first", roles)
    file.write_text(encoded)
    options = f'{{hosts: ["{place.node.url}"], api_key_file: key, tls: {{ca: "{place.node.ca}"}}}}'
    place.config("", "reader", output=options)
    place.write(20)
    with (place.folder / "run.err").open("wb") as errors:
        shipper = subprocess.Popen(
            [sys.executable, "-m", "shipper", "--config", "shipper.yml", "run"],
            cwd=place.folder,
            stderr=errors,
        )
    try:
        wait_until(lambda: place.count() == 20)
        place.node.ask("DELETE", "/_security/api_key", {"ids": [first]})
        place.write(30)
        wait_until(lambda: "401" in (place.folder / "run.err").read_text())
        file.write_text(place.node.add_key("second", roles)[1])
        wait_until(lambda: place.count() == 50)
    finally:
        shipper.terminate()
        assert shipper.wait(30) == 0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("/ca.pem", "/other-ca.pem", "certificate"),
        ("writer.password", "reader.password", "401"),
        ("https:", "http:", ""),
    ],
)
def test_check_names_what_is_wrong(place: Place, old: str, new: str, named: str) -> None:
    """`check` says that the CA is another one, the password wrong, or the address not https."""
    place.config("writer", "writer")
    config = place.folder / "shipper.yml"
    config.write_text(config.read_text().replace(old, new))

    assert named in place.call("check", fails=True)


def test_the_key_for_dashboards_that_the_docs_make(place: Place) -> None:
    """The privileges that the docs give to an API key are those of the role."""
    text = (ROOT / "docs/kibana.md").read_text()
    found = re.search(r'\{"name": "dashboards".*?\}\]\}\}\}', text, re.DOTALL)
    assert found is not None
    body = json.loads(found[0])
    role = json.loads((TEMPLATES / "roles/logs-orchestrator-kibana.json").read_text())
    assert body["role_descriptors"]["kibana"] == {key: role[key] for key in ("indices", APPS)}

    _id, encoded = place.node.add_key(body["name"], body["role_descriptors"])

    assert encoded


@pytest.mark.parametrize("page", ["docs/outputs-elasticsearch.md", "docs/many-servers.md"])
def test_the_keys_that_the_docs_make(place: Place, page: str) -> None:
    """The role that the docs give to an API key is enough to ship, and no more."""
    text = re.sub(r"\s+", " ", (ROOT / page).read_text())
    found = re.search(r'\{"name": "[\w-]+", "role_descriptors": .*?\}\]\}\}\}', text)
    assert found is not None
    body: dict[str, Any] = json.loads(found[0])
    _id, encoded = place.node.add_key(body["name"], body["role_descriptors"])
    (place.folder / "key").write_text(encoded)
    options = f'{{hosts: ["{place.node.url}"], api_key_file: key, tls: {{ca: "{place.node.ca}"}}}}'
    place.config("", "reader", output=options)
    place.write(10)

    place.call("run", "--once")

    assert place.count() == 10
    assert body["role_descriptors"]["writer"]["indices"][0]["privileges"] == [
        "auto_configure",
        "create_doc",
    ]


def test_the_set_up_job_of_the_stack(place: Place, tmp_path: Path) -> None:
    """stack/setup.sh makes templates, roles and accounts, twice as well as once."""
    if shutil.which("curl") is None:
        pytest.fail("curl is missing: apt install curl")
    templates = tmp_path / "templates"
    shutil.copytree(TEMPLATES, templates)
    # This node has no lifecycle management: see tests/servers/elasticsearch.py.
    for name in (
        "lifecycle_policies/logs-orchestrator",
        "component_templates/logs-orchestrator@ilm",
    ):
        (templates / f"{name}.json").unlink()
    (templates / "lifecycle_policies/none@lifecycle.json").write_text("{}")
    template = templates / "index_templates/logs-orchestrator.json"
    body = json.loads(template.read_text())
    body["ignore_missing_component_templates"].append("logs-orchestrator@ilm")
    template.write_text(json.dumps(body))
    log = tmp_path / "setup.log"
    environment = {
        **os.environ,
        "ELASTICSEARCH_URL": place.node.url,
        "TEMPLATES": str(templates),
        "CA": str(place.node.ca),
        "ELASTIC_PASSWORD": PASSWORD,
        "KIBANA_PASSWORD": "password-of-kibana",
        "LOGSTASH_PASSWORD": "password-of-logstash",
        "ALERTS_PASSWORD": "password-of-alerts",
        "DASHBOARDS_PASSWORD": "password-of-dashboards",
    }
    log.write_text("what was logged before\n")

    for _ in range(2):
        with log.open("a") as output:
            done = subprocess.run(
                ["bash", ROOT / "stack/setup.sh"], env=environment, stderr=output, check=False
            )
        assert done.returncode == 0, log.read_text()

    assert log.read_text().startswith("what was logged before\n")
    assert log.read_text().count("Elasticsearch is set up") == 2
    for user, role in [("logstash_writer", "writer"), ("alert_job", "alerts")]:
        password = "password-of-" + ("logstash" if role == "writer" else "alerts")
        found = place.node.ask("GET", "/_security/_authenticate", user=(user, password))
        assert found["roles"] == [f"logs-orchestrator-{role}"]
    dashboards = ("dashboards", "password-of-dashboards")
    found = place.node.ask("GET", "/_security/_authenticate", user=dashboards)
    assert found["roles"] == ["logs-orchestrator-kibana"]
    kibana = ("kibana_system", "password-of-kibana")
    assert place.node.ask("GET", "/_security/_authenticate", user=kibana)["enabled"]
