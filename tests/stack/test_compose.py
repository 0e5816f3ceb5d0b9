"""The compose files: what they need is there, nothing is open or unbounded by accident."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shipper.config.main import load
from shipper.config.outputs import ElasticsearchOutput
from tests.stack.composing import read_compose
from tests.stack.layout import COMPOSE, ENVIRONMENT, INSECURE, ROOT, compose, settings, variables

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
ONCE = {"certificates", "setup"}
LAST = {"dashboards"}  # runs once too, and nobody waits for it
STANDING = sorted(set(SERVICES) - ONCE - LAST)
SECRETS = {name for name, value in settings().items() if not value}


def ports(path: Path) -> list[tuple[str, str, str]]:
    """Return (address, port of this machine, port of the container) of every port."""
    return [
        tuple(port.rsplit(":", 2))
        for service in compose(path)["services"].values()
        for port in service.get("ports", ())
    ]


def test_the_services_of_the_guide() -> None:
    """Names, ports and the volume are those that the guide has."""
    opened = {inside for _, _, inside in ports(COMPOSE)}

    assert {"elasticsearch", "logstash", "kibana"} <= set(SERVICES)
    assert opened == {"9200", "5000", "5044", "5601"}
    assert "elasticsearch_data" in compose()["volumes"]


@pytest.mark.parametrize("path", [COMPOSE, INSECURE], ids=lambda path: path.name)
def test_every_mounted_path_exists(path: Path) -> None:
    """Docker makes an empty folder of a path that is missing, and Logstash an empty pipeline."""
    volumes = set(compose()["volumes"])
    for name, service in compose(path)["services"].items():
        for mount in service.get("volumes", ()):
            source = re.sub(r"\$\{LOGS:-(.*?)\}", r"\1", mount).split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists() or source == "./logs", f"{name}: {source}"
            else:
                assert source in volumes, f"{name}: {source}"


def test_what_is_mounted_cannot_be_changed() -> None:
    """A container writes to its own volume alone."""
    for service in SERVICES.values():
        for mount in service["volumes"]:
            own = mount.startswith(("elasticsearch_data", "logstash_data", "shipper_data"))
            assert own or mount.endswith(":ro") or mount == "certificates:/certs", mount


def test_every_variable_is_in_the_example() -> None:
    """Whoever reads .env.example has read of every switch, and each switch there does something."""
    used = variables(COMPOSE.read_text()) | variables(INSECURE.read_text())

    assert used == set(settings())


def test_there_are_no_default_passwords() -> None:
    """A secret is empty in the example, and without one the stack does not start."""
    text = COMPOSE.read_text()

    assert {name for name in settings() if name.endswith(("_PASSWORD", "_KEY"))} == SECRETS
    for name in SECRETS:
        assert f"${{{name}:?" in text  # once is enough: the file is read as a whole
        assert f"${{{name}:-" not in text


def test_versions_are_in_one_place() -> None:
    """All three parts have the version of .env; the tests that fetch images have the same."""
    images = [
        service["image"] for service in SERVICES.values() if "docker.elastic.co" in service["image"]
    ]

    assert len(images) == 6
    assert all(re.search(r":\$\{STACK_VERSION(:\?.*)?\}$", image) for image in images)
    assert re.fullmatch(r"9\.\d+\.\d+", settings()["STACK_VERSION"])
    for path in (COMPOSE, INSECURE, *ROOT.glob("stack/*"), *ROOT.glob("logstash/**/*.*")):
        assert settings()["STACK_VERSION"] not in path.read_text()


def test_ports_are_unique_and_on_loopback() -> None:
    """No port is open to others unless .env says so; the insecure ones are never."""
    outside = [port for _, port, _ in ports(COMPOSE)]

    assert len(outside) == len(set(outside))
    assert all(
        re.fullmatch(r"\$\{\w+:-127\.0\.0\.1\}", address) for address, _, _ in ports(COMPOSE)
    )
    assert {value for name, value in settings().items() if "BIND" in name} == {"127.0.0.1"}
    assert {address for address, _, _ in ports(INSECURE)} == {"127.0.0.1"}
    assert {port for _, port, _ in ports(INSECURE)} == set(outside)


@pytest.mark.parametrize("name", STANDING)
def test_a_standing_service_is_looked_after(name: str) -> None:
    """Each has a health check, a bound of memory, a restart policy and logs that end."""
    service = SERVICES[name]

    assert service["healthcheck"]["test"]
    assert service["mem_limit"].startswith("${")
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_service_that_runs_once(name: str) -> None:
    """It is not started again when it is done, and others wait for it to have done well."""
    waiting = [
        service["depends_on"][name]["condition"]
        for service in SERVICES.values()
        if name in service.get("depends_on", {})
    ]

    assert SERVICES[name]["restart"] == "no"
    assert SERVICES[name]["mem_limit"]
    assert set(waiting) == {"service_completed_successfully"}


def test_order_of_the_start() -> None:
    """Certificates, Elasticsearch, accounts and templates, then who needs them."""
    order = {
        name: {other: each["condition"] for other, each in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }

    assert order == {
        "certificates": {},
        "elasticsearch": {"certificates": "service_completed_successfully"},
        "setup": {"elasticsearch": "service_healthy"},
        "logstash": {"setup": "service_completed_successfully"},
        "kibana": {"setup": "service_completed_successfully"},
        "dashboards": {"kibana": "service_healthy"},
        "shipper": {"logstash": "service_healthy"},
        "alerts": {"setup": "service_completed_successfully"},
    }


def test_security_is_on() -> None:
    """TLS, accounts and the free licence, which does not take features away after a month."""
    environment = SERVICES["elasticsearch"]["environment"]

    assert environment["xpack.security.enabled"] == "true"
    assert environment["xpack.security.http.ssl.enabled"] == "true"
    assert environment["xpack.security.transport.ssl.enabled"] == "true"
    assert environment["xpack.license.self_generated.type"] == "basic"
    assert SERVICES["kibana"]["environment"]["SERVER_SSL_ENABLED"] == "true"
    assert SERVICES["logstash"]["environment"]["ELASTICSEARCH_USER"] == "logstash_writer"
    assert "BEATS_TLS" not in SERVICES["logstash"]["environment"]


def test_no_secret_is_on_a_command_line() -> None:
    """Commands and health checks can be read by everybody on the machine."""
    for service in SERVICES.values():
        told = json.dumps([service.get("command"), service["healthcheck"]])
        assert not variables(told) & SECRETS


def test_the_shipper_is_asked_for_by_its_profile() -> None:
    """It starts with the profile alone, without rights that it doesn't need."""
    shipper = SERVICES["shipper"]

    assert shipper["profiles"] == ["shipper"]
    assert shipper["read_only"] is True
    assert shipper["cap_drop"] == ["ALL"]
    by_profile = {name for name in SERVICES if "profiles" in SERVICES[name]}
    assert by_profile == {"shipper", "alerts", "dashboards"}


def test_the_dashboards_come_at_the_end() -> None:
    """`make stack-up` puts them into a healthy Kibana, as a user of their own."""
    job = SERVICES["dashboards"]

    assert job["environment"]["KIBANA_USER"] == "dashboards"
    assert job["restart"] == "no"
    target = (ROOT / "Makefile").read_text().partition("\nstack-up:")[2].partition("\n\n")[0]
    assert [line.split()[1] for line in target.splitlines()[1:]] == ["up", "run"]
    assert "run --rm dashboards" in target


def test_the_alert_job_is_asked_for_by_its_profile() -> None:
    """It shares the folder of the shipper, and asks Elasticsearch as a user of its own."""
    job = SERVICES["alerts"]

    assert job["profiles"] == ["alerts"]
    assert job["command"] == ["alerts", "run"]
    assert job["cap_drop"] == ["ALL"]
    assert "shipper_data:/var/lib/shipper" in job["volumes"]
    assert compose()["secrets"] == {"alerts_password": {"environment": "ALERTS_PASSWORD"}}


@pytest.mark.parametrize(
    ("name", "user"), [("alerts.yml", "alert_job"), ("alerts-insecure.yml", None)]
)
def test_configs_of_the_alert_job_are_valid(name: str, user: str | None) -> None:
    """It asks the Elasticsearch of the stack, and has rules and alerters where they are mounted."""
    config = load(ROOT / "stack" / name)

    assert isinstance(config.output, ElasticsearchOutput)
    assert config.output.username == user
    assert str(config.data_dir) == "/var/lib/shipper"
    assert (ROOT / config.alerts.rules).is_dir()
    assert (ROOT / config.alerts.settings).is_file()


@pytest.mark.parametrize(
    ("name", "is_secret"), [("shipper.yml", True), ("shipper-insecure.yml", False)]
)
def test_configs_of_the_shipper_are_valid(name: str, *, is_secret: bool) -> None:
    """The shipper of the stack goes to the port that Logstash has, with TLS or without."""
    config = load(ROOT / "stack" / name)

    assert config.output.hosts == ("logstash:5044",)  # type: ignore[union-attr]
    assert config.output.tls.enabled is is_secret  # type: ignore[union-attr]
    assert str(config.data_dir) == "/var/lib/shipper"
    assert config.inputs[0].paths == ("/logs/*.log",)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return an env file as `make stack-env` makes it, with a secret that YAML could misread."""
    path = tmp_path / "env"
    path.write_text(re.sub(r"=$", "=0123e4567", ENVIRONMENT.read_text(), flags=re.MULTILINE))
    return path


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("files", [(COMPOSE,), (COMPOSE, INSECURE)], ids=["secure", "insecure"])
def test_compose_itself_reads_the_files(files: tuple[Path, ...], environment: Path) -> None:
    """Docker Compose takes them, alone and with the override, and every value arrives as text."""
    services = read_compose(files, environment)["services"]

    assert set(services) == set(SERVICES)
    assert services["elasticsearch"]["environment"]["ELASTIC_PASSWORD"] == "0123e4567"
    assert services["kibana"]["image"].endswith(f":{settings()['STACK_VERSION']}")
    assert {
        port["host_ip"] for service in services.values() for port in service.get("ports", ())
    } == {"127.0.0.1"}


@pytest.mark.server
@pytest.mark.slow
def test_the_insecure_variant(environment: Path) -> None:
    """The override turns off everything that is security, and nothing else."""
    services = read_compose((COMPOSE, INSECURE), environment)["services"]

    security = "xpack.security.enabled"
    assert services["elasticsearch"]["environment"][security] == "false"
    assert services["setup"]["environment"]["SECURITY"] == "false"
    assert services["logstash"]["environment"]["BEATS_TLS"] == "false"
    assert services["kibana"]["environment"]["SERVER_SSL_ENABLED"] == "false"
    assert not re.search("https://(elasticsearch|localhost)", json.dumps(services))
    assert len(services["logstash"]["ports"]) == 2
    mounted = [mount["source"] for mount in services["shipper"]["volumes"]]
    assert str(ROOT / "stack/shipper-insecure.yml") in mounted
    assert str(ROOT / "stack/shipper.yml") not in mounted
