"""The image, the systemd unit and Kibana's data view."""

from __future__ import annotations

import configparser
import json
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, DeliveryOptions, load
from shipper.config.options import parse_duration
from shipper.config.outputs import ElasticsearchOutput, LogstashOutput
from tests.stack.layout import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = ROOT / "systemd/shipper.service"
UNITS = sorted(ROOT.glob("systemd/*.service"))


class Unit(configparser.RawConfigParser):
    """Reads a unit: keys keep their case, and may be there several times."""

    def __init__(self, text: str) -> None:
        super().__init__(strict=False)
        self.optionxform = str  # type: ignore[assignment]
        self.read_string(text)


def stages() -> list[str]:
    return DOCKERFILE.split("\nFROM ")[1:]


def test_the_image_is_small_and_without_rights() -> None:
    """What builds is left behind; what runs is no root and has one folder to write to."""
    build, last = stages()

    assert build.startswith("python:3.11-slim AS build\n")
    assert last.startswith("python:3.11-slim\n")
    assert "pip install" not in last
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert re.findall(r"^VOLUME (.*)$", last, re.MULTILINE) == ["/var/lib/shipper"]
    assert "ADD " not in DOCKERFILE
    assert "latest" not in DOCKERFILE


def test_the_image_has_what_every_command_for_a_server_needs() -> None:
    """What an error would tell to install cannot be installed there: pip is not in the image."""
    build, _ = stages()
    assert '"/src[elasticsearch,logstash,web]"' in build
    assert "uninstall --yes pip" in build


def test_the_image_is_started_so_that_it_can_be_stopped() -> None:
    """The shipper is process 1 itself, without a shell that would keep SIGTERM from it."""
    assert 'ENTRYPOINT ["shipper"]' in DOCKERFILE
    assert 'CMD ["run"]' in DOCKERFILE


def test_only_what_is_needed_goes_into_the_image() -> None:
    """Everything is left out unless it is named, and what is copied is named."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)

    assert "*" in ignored
    assert {path for each in copied for path in each.split()} == kept
    assert all((ROOT / path).exists() for path in kept)


def test_a_stop_has_the_time_that_it_needs() -> None:
    """Systemd and Docker wait longer than the shipper does before they kill it."""
    needed = DeliveryOptions().stop_seconds
    unit = Unit(UNIT.read_text())["Service"]
    compose = (ROOT / "docker-compose-monitoring.yml").read_text()
    graces = re.findall(r"shipper:local[\s\S]*?stop_grace_period: (\w+)", compose)

    assert int(unit["TimeoutStopSec"]) > needed
    assert len(graces) == 2, "the shipper and the alert job"
    assert all(parse_duration(grace) > needed for grace in graces)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("NoNewPrivileges", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("StateDirectory", "shipper"),
        ("StateDirectoryMode", "0700"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2"),
        ("UMask", "0077"),
    ],
)
def test_the_unit_is_hardened(key: str, value: str) -> None:
    """The service may do what a shipper does, and writes to its own folder alone."""
    unit = Unit(UNIT.read_text())["Service"]

    assert unit[key] == value
    assert int(unit["LimitNOFILE"]) >= 65536
    assert not {"ReadWritePaths", "PermissionsStartOnly"} & set(unit)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_unit_is_as_hard_as_the_first(path: Path) -> None:
    """The alert job may do what the shipper may, as the same user and in the same folder."""
    first, unit = (Unit(each.read_text())["Service"] for each in (UNIT, path))

    keys = {
        key for key in first if re.match("Protect|Private|Restrict|Capab|System|Lock|NoNew", key)
    }
    keys |= {"DynamicUser", "User", "StateDirectory", "UMask", "RemoveIPC", "AmbientCapabilities"}
    assert {key: unit.get(key) for key in keys} == {key: first[key] for key in keys}


@pytest.mark.parametrize("source", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(source: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` knows every key, and finds little left to harden."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    unit = tmp_path / source.name
    unit.write_text(source.read_text().replace("/opt/shipper/bin/shipper", "/bin/true"))

    verified = subprocess.run(
        [analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    exposed = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", "--threshold=25", unit],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposed.returncode == 0, exposed.stdout


def test_the_drop_in_for_holds() -> None:
    """
    It runs as the user of the application, with logs and data folder in one writable mount.

    systemd mounts a StateDirectory by itself, so there is none.
    """
    drop_in = Unit((ROOT / "systemd/shipper-holds.conf").read_text())["Service"]

    assert (drop_in["DynamicUser"], drop_in["SupplementaryGroups"]) == ("no", "")
    assert drop_in["User"] not in {"root", "shipper"}
    assert drop_in["StateDirectory"] == ""
    config = load(ROOT / "systemd/shipper.yml")
    for path in (config.data_dir, Path(config.inputs[0].paths[0])):
        assert path.is_relative_to(drop_in["ReadWritePaths"])


def test_the_folder_that_the_drop_in_makes(tmp_path: Path) -> None:
    """It takes over the folder that DynamicUser had, makes it where there is none, else nothing."""
    text = (ROOT / "systemd/shipper-holds.conf").read_text()
    command = re.search(r"ExecStartPre=\+/bin/sh -ec '(.*)'", text.replace("\\\n", ""))
    assert command is not None
    script = command[1].replace("/var/lib", str(tmp_path))
    (tmp_path / "private/shipper").mkdir(parents=True)
    (tmp_path / "private/shipper/registry.db").touch()
    (tmp_path / "shipper").symlink_to("private/shipper")
    user = {"USER": pwd.getpwuid(os.geteuid()).pw_name, "PATH": os.environ["PATH"]}

    for _ in range(2):
        subprocess.run(["/bin/sh", "-ec", script], env=user, check=True)
        assert not (tmp_path / "shipper").is_symlink()
        assert (tmp_path / "shipper/registry.db").exists()
    shutil.rmtree(tmp_path / "shipper")
    subprocess.run(["/bin/sh", "-ec", script], env=user, check=True)

    assert (tmp_path / "shipper").stat().st_mode & 0o777 == 0o700


def test_the_drop_in_for_the_journal() -> None:
    """The user may read the journal, and journalctl finds out which boot this is."""
    first = Unit(UNIT.read_text())["Service"]
    drop_in = Unit((ROOT / "systemd/shipper-journald.conf").read_text())["Service"]

    assert first["ProcSubset"] == "pid", "hides /proc/sys/kernel/random/boot_id"
    assert dict(drop_in) == {"ProcSubset": "all", "SupplementaryGroups": "systemd-journal"}


def test_the_config_of_the_unit() -> None:
    """The example for /etc is valid, and its secrets are where systemd puts them."""
    config: Config = load(ROOT / "systemd/shipper.yml")
    credentials = set(re.findall(r"^LoadCredential=([\w.]+):", UNIT.read_text(), re.MULTILINE))

    assert isinstance(config.output, LogstashOutput)
    tls = config.output.tls
    assert {str(tls.ca), str(tls.certificate), str(tls.key)} == {
        f"/run/credentials/shipper.service/{name}" for name in credentials
    }
    assert str(config.data_dir) == "/var/lib/shipper"
    assert config.inputs == (InputOptions(("/var/log/automation-orchestrator/*.log",)),)


def test_configs_of_the_docs_are_valid(tmp_path: Path) -> None:
    """The output that docs/many-servers.md shows can be put in place of the other."""
    (shown,) = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs/many-servers.md").read_text(), re.DOTALL
    )
    example = (ROOT / "systemd/shipper.yml").read_text().partition("output:")[0]
    path = tmp_path / "shipper.yml"
    path.write_text(example + shown)

    assert isinstance(load(path).output, ElasticsearchOutput)


def test_the_data_view() -> None:
    """One saved object a line, with a fixed id, of the streams that the template is for."""
    (line,) = (ROOT / "kibana/data-view.ndjson").read_text().splitlines()
    template = json.loads(
        (
            ROOT / "shipper/store/elasticsearch/templates/index_templates/logs-orchestrator.json"
        ).read_text()
    )
    view = json.loads(line)

    assert view["type"] == "index-pattern"
    assert view["id"] == "logs-orchestrator"
    assert [view["attributes"]["title"]] == template["index_patterns"]
    assert view["attributes"]["timeFieldName"] == "@timestamp"
    assert view["references"] == []
