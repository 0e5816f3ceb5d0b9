"""
The scripts of the stack, run outside of its containers.

`elasticsearch-certutil` is stood in for by a program that writes the same archives, and
Elasticsearch by a server that notes what it is asked: neither is seen here as it is.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import stat
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.stack.layout import ENVIRONMENT, ROOT, settings

STACK = ROOT / "stack"
SECONDS = 60


def run(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", STACK / script, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("path", sorted(STACK.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_well_formed(path: Path) -> None:
    """A script parses, and stops at what it did not expect."""
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    assert re.search(r"^set -e?uo pipefail$", path.read_text(), re.MULTILINE)


def test_stack_env_makes_secrets(tmp_path: Path) -> None:
    """Every secret is random, long and for us alone; the rest is as in the example."""
    made, other = tmp_path / "env", tmp_path / "other"

    assert run("env.sh", ENVIRONMENT, made).returncode == 0
    assert run("env.sh", ENVIRONMENT, other).returncode == 0

    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    example, first, second = settings(), settings(made), settings(other)
    assert set(first) == set(example)
    for name, value in example.items():
        if value:
            assert first[name] == value
        else:
            assert re.fullmatch(r"[A-Za-z0-9]{40}", first[name])
            assert first[name] != second[name]


def test_stack_env_never_changes_what_is_there(tmp_path: Path) -> None:
    """The volumes were made with the passwords of .env: new ones would lock everybody out."""
    made = tmp_path / "env"
    made.write_text("mine")

    done = run("env.sh", ENVIRONMENT, made)

    assert done.returncode == 1
    assert "stays as it is" in done.stderr
    assert made.read_text() == "mine"


CERTUTIL = """#!/usr/bin/env bash
# Takes what elasticsearch-certutil takes here, and gives what {archives} has.
set -euo pipefail
case $1 in
  ca) archive=ca.zip ;;
  cert) archive=certs.zip ;;
esac
for argument; do out=$argument; done
cp "{archives}/$archive" "$out"
for ((i = 1; i <= $#; i++)); do
  if [ "${{!i}}" = --in ]; then j=$((i + 1)); cp "${{!j}}" "{archives}/instances.yml"; fi
done
"""


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def certutil(tmp_path: Path, key: rsa.RSAPrivateKey) -> Path:
    """Return a program that makes the archives of elasticsearch-certutil, with keys of PKCS #1."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    with zipfile.ZipFile(tmp_path / "ca.zip", "w") as archive:
        archive.writestr("ca/ca.crt", "a certificate")
        archive.writestr("ca/ca.key", pem)
    with zipfile.ZipFile(tmp_path / "certs.zip", "w") as archive:
        for name in ("elasticsearch", "logstash", "kibana"):
            archive.writestr(f"{name}/{name}.crt", "a certificate")
            archive.writestr(f"{name}/{name}.key", pem)
    program = tmp_path / "certutil"
    program.write_text(CERTUTIL.format(archives=tmp_path))
    program.chmod(0o755)
    return program


def make(certs: Path, certutil: Path, **names: str) -> None:
    owner = f"{os.geteuid()}:{os.getegid()}"
    done = run("certificates.sh", CERTS=str(certs), CERTUTIL=str(certutil), OWNER=owner, **names)
    assert done.returncode == 0, done.stderr


def test_certificates(tmp_path: Path, certutil: Path, key: rsa.RSAPrivateKey) -> None:
    """Logstash gets its key as PKCS #8, each name is in its certificate, keys are for few."""
    certs = tmp_path / "certs"
    certs.mkdir()

    make(certs, certutil, STACK_DNS="logs1.example, logs.example", STACK_IP="10.0.0.5,127.0.0.1")

    pem = (certs / "logstash/logstash.pkcs8.key").read_bytes()
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert load_pem_private_key(pem, None).private_numbers() == key.private_numbers()  # type: ignore[union-attr]
    wanted = yaml.safe_load((tmp_path / "instances.yml").read_text())["instances"]
    assert [each["name"] for each in wanted] == ["elasticsearch", "logstash", "kibana"]
    dns = {"logstash", "localhost", "logs1.example", "logs.example"}
    assert set(wanted[1]["dns"]) == dns
    assert len(wanted[1]["dns"]) == len(dns)
    assert set(wanted[1]["ip"]) == {"127.0.0.1", "10.0.0.5"}
    modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in certs.glob("*/*")}
    assert modes == {".crt": 0o444, ".key": 0o400}


def test_certificates_are_made_once(tmp_path: Path, certutil: Path) -> None:
    """A second start makes no other CA; half a set is made anew."""
    certs = tmp_path / "certs"
    (certs / "ca").mkdir(parents=True)
    (certs / "ca/half").write_text("")

    make(certs, certutil)
    assert not (certs / "ca/half").exists()
    (certs / "ca/mark").write_text("")
    make(certs, certutil)

    assert (certs / "ca/mark").exists()


def test_a_key_that_is_pkcs8_already(
    tmp_path: Path, certutil: Path, key: rsa.RSAPrivateKey
) -> None:
    """Should certutil come to write PKCS #8 itself, it is taken as it is."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with zipfile.ZipFile(tmp_path / "certs.zip", "w") as archive:
        for name in ("elasticsearch", "logstash", "kibana"):
            archive.writestr(f"{name}/{name}.key", pem)
            archive.writestr(f"{name}/{name}.crt", "")
    certs = tmp_path / "certs"
    certs.mkdir()

    make(certs, certutil)

    assert (certs / "logstash/logstash.pkcs8.key").read_bytes() == pem


Asked = list[tuple[str, str, str, object]]


@contextmanager
def noting(status: int = 200) -> Iterator[tuple[str, Asked]]:
    """Note (method, path, user, body) of every request."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            user = base64.b64decode(self.headers.get("authorization", "Basic ")[6:]).decode()
            asked.append((self.command, self.path, user, json.loads(body)))
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_PUT  # noqa: N815 -- the name that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def set_up(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(
        "setup.sh",
        ELASTICSEARCH_URL=url,
        TEMPLATES=str(ROOT / "shipper/store/elasticsearch/templates"),
        CA=ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt",
        ELASTIC_PASSWORD="elastic-secret",
        KIBANA_PASSWORD="kibana-secret",
        LOGSTASH_PASSWORD="logstash-secret",
        ALERTS_PASSWORD="alerts-secret",
        DASHBOARDS_PASSWORD="dashboards-secret",
        **environment,
    )


def test_setup_makes_accounts_and_templates() -> None:
    """Policies, component templates, the index template, roles, then the accounts."""
    with noting() as (url, asked):
        done = set_up(url)

    assert done.returncode == 0, done.stderr
    assert {user for _, _, user, _ in asked} == {"elastic:elastic-secret"}
    paths = [path for _, path, _, _ in asked]
    order = ["_ilm", "_component_template", "_index_template", "_security"]
    assert list(dict.fromkeys(path.split("/")[1] for path in paths)) == order
    assert "/_component_template/logs-orchestrator@mappings" in paths
    assert not [path for path in paths if path.endswith(("@lifecycle", "@custom"))]
    bodies = {path: body for _, path, _, body in asked}
    assert bodies["/_security/user/kibana_system/_password"] == {"password": "kibana-secret"}
    assert bodies["/_security/user/logstash_writer"] == {
        "password": "logstash-secret",
        "roles": ["logs-orchestrator-writer"],
    }
    assert bodies["/_security/user/alert_job"] == {
        "password": "alerts-secret",
        "roles": ["logs-orchestrator-alerts"],
    }
    assert bodies["/_security/user/dashboards"] == {
        "password": "dashboards-secret",
        "roles": ["logs-orchestrator-kibana"],
    }
    assert "/_security/role/logs-orchestrator-writer" in paths


def test_setup_shows_no_secret() -> None:
    """What is printed goes to the logs of the container."""
    with noting() as (url, _):
        done = set_up(url)

    assert "secret" not in done.stdout + done.stderr


def test_setup_without_security() -> None:
    """The insecure variant has no accounts, and no credentials are sent."""
    with noting() as (url, asked):
        done = set_up(url, SECURITY="false")

    assert done.returncode == 0, done.stderr
    assert {user for _, _, user, _ in asked} == {""}
    assert not [path for _, path, _, _ in asked if "_security" in path]


def test_setup_that_is_refused() -> None:
    """Logstash and Kibana must not start on half a setup."""
    with noting(status=503) as (url, asked):
        done = set_up(url)

    assert done.returncode != 0
    assert len(asked) == 1


@pytest.mark.parametrize(("status", "state"), [(0, "ok"), (1, "ERROR")])
def test_stack_check_tells_of_every_part(tmp_path: Path, status: int, state: str) -> None:
    """Each part has a line; one that is not well makes the whole fail."""
    compose = tmp_path / "compose"
    compose.write_text(f"#!/bin/sh\necho the last line of $3\nexit {status}\n")
    compose.chmod(0o755)

    done = run("check.sh", compose)

    assert done.returncode == status
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert {line.split()[0] for line in lines} == {state}
    assert lines[0].endswith("the last line of elasticsearch")


@pytest.mark.server
def test_stack_check_reads_a_real_node(elasticsearch_url: str, tmp_path: Path) -> None:
    """The questions to Elasticsearch are ones that it has answers to."""
    compose = tmp_path / "compose"
    address = elasticsearch_url.removeprefix("http://")
    run_here = f'for last; do :; done; echo "$last" | sed "s/localhost:9200/{address}/" | bash'
    compose.write_text(f"#!/bin/sh\n{run_here}\n")
    compose.chmod(0o755)

    lines = run("check.sh", compose, ELASTIC_PASSWORD="none").stdout.splitlines()

    assert lines[0].split()[:2] == ["ok", "elasticsearch"]
    assert lines[1].split()[:2] == ["ok", "licence"]
    assert "basic" in lines[1]
