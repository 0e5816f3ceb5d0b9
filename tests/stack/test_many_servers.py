"""docs/many-servers.md: its commands work, its files are there."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.stack.layout import ROOT, compose

PAGE = (ROOT / "docs/many-servers.md").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the commands of the section TLS were run as they stand."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    folder = tmp_path_factory.mktemp("tls")
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "logstash.crt: OK" in done.stdout
    assert "DNS:logs1.example" in done.stdout
    return folder


def test_the_certificates_work(made: Path) -> None:
    """A server with the made certificate and a shipper with its own trust each other by the CA."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=made / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(made / "logstash.crt", made / "logstash.pkcs8.key")
    client = ssl.create_default_context(cafile=made / "ca.pem")
    client.load_cert_chain(made / "shipper.pem", made / "shipper.key")
    ours, theirs = socket.socketpair()
    said: list[bytes] = []

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as secured:
            said.append(secured.recv(5))

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="logs1.example") as secured:
        secured.sendall(b"hello")
    thread.join(10)

    assert said == [b"hello"]


def test_the_key_of_logstash_is_pkcs8(made: Path) -> None:
    """The beats input reads no other form."""
    assert (made / "logstash.pkcs8.key").read_text().startswith("-----BEGIN PRIVATE KEY-----")


def test_names_of_the_page_are_those_of_the_stack() -> None:
    """Volumes, services, variables and roles that the page names are there."""
    example = (ROOT / ".env.example").read_text()
    roles = {path.stem for path in ROOT.glob("shipper/store/elasticsearch/templates/roles/*.json")}

    assert {"elasticsearch_data", "logstash_data"} <= set(compose()["volumes"])
    for name in re.findall(r"`?\b([A-Z]+_[A-Z_]+)\b", PAGE):
        assert name in example or name == "CERTIFICATES", name
    assert set(re.findall(r"`(logs-orchestrator-\w+)`", PAGE)) <= roles
    for target in re.findall(r"make (stack-\w+)", PAGE):
        assert f"\n{target}: ##" in (ROOT / "Makefile").read_text()
