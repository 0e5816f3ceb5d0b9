"""
A real Elasticsearch that demands a login over TLS, for what is promised of privileges and trust.

`secure_elasticsearch` is a node of this machine (see tests/servers/elasticsearch.py) with security:
TLS with a certificate of a CA of its own, and the superuser `elastic`. Its tests share it.
"""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.servers.elasticsearch import LocalNode, NoServerError, give_up, require_tools

PASSWORD = "superuser-of-the-tests"


class SecureNode(LocalNode):
    """A node with logins, roles and TLS; `folder` has ca.pem and other-ca.pem."""

    first_failure = None  # of its own: one that cannot start says nothing of plain nodes
    has_started = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "node")
        self.folder = folder
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.other_ca = folder / "other-ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        trustme.CA().cert_pem.write_to_path(self.other_ca)
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(folder / "node.key")
        with (folder / "node.crt").open("wb") as file:
            for blob in issued.cert_chain_pems:
                file.write(blob.bytes())
        self._environment = {"ES_PASSWORD": PASSWORD, "ES_TLS": str(folder)}

    @property
    def url(self) -> str:
        """Return the address; the port is known once the node was started."""
        return f"https://127.0.0.1:{self.port}"

    def answers(self, path: str) -> bool:
        """Return whether a GET of this path is answered with 200; raise OSError without any."""
        try:
            self.ask("GET", path)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        return True

    def ask(
        self, method: str, path: str, body: Any = None, user: tuple[str, str] | None = None
    ) -> Any:
        """
        Return the answer to a request, as the superuser or as another user.

        Raises:
            urllib.error.HTTPError: the node refused.

        """
        credentials = ":".join(user or ("elastic", PASSWORD)).encode()
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Basic {base64.b64encode(credentials).decode()}",
                "content-type": "application/json",
            },
        )
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            return json.loads(answer.read())

    def add_user(self, name: str, *roles: str) -> str:
        """Make a user with these roles; return the path of a file with its password."""
        password = f"password-of-{name}"
        self.ask("PUT", f"/_security/user/{name}", {"password": password, "roles": [*roles]})
        path = self.folder / f"{name}.password"
        path.write_text(password)
        return str(path)

    def add_key(self, name: str, roles: dict[str, Any]) -> tuple[str, str]:
        """Make an API key with these role descriptors; return its id and what is sent."""
        made = self.ask("POST", "/_security/api_key", {"name": name, "role_descriptors": roles})
        return made["id"], made["encoded"]


@pytest.fixture(scope="session")
def secure_elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureNode]:
    """Start a node with security that all tests of the session share."""
    node = SecureNode(tmp_path_factory.mktemp("elasticsearch-secure"))
    try:
        require_tools()
        node.start()
    except NoServerError as error:
        give_up(f"no Elasticsearch with security on this machine: {error}")
    yield node
    node.stop()
