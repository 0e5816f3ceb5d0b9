"""`shipper serve` as a process: what it prints, and where it refuses to listen."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
import trustme
from click.testing import CliRunner

from shipper.cli import main
from shipper.web.people import Role, UsersFile

CONFIG = """
service: {name: s}
data_dir: data
inputs: [{paths: ["logs/*.log"]}]
output: {embedded: {path: index}}
"""


def command(*given: str) -> list[str]:
    return [sys.executable, "-m", "shipper", "--config", "shipper.yml", "serve", *given]


def test_the_printed_link_opens_the_dashboard(tmp_path: Path) -> None:
    """The link leads to the page, which says what is missing; without it there is nothing."""
    (tmp_path / "shipper.yml").write_text(CONFIG)
    serve = subprocess.Popen(
        command("--listen", "127.0.0.1:0"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert serve.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", serve.stdout.readline())
        assert found
        jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with pytest.raises(urllib.error.HTTPError, match="503") as answer:
            jar.open(found[0], timeout=60)
        assert b"Overview" in answer.value.read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(found[0].partition("?")[0], timeout=60)
        serve.send_signal(signal.SIGINT)
        assert serve.wait(60) in (0, 130)
    finally:
        serve.kill()
        serve.communicate()


@pytest.fixture(scope="module")
def made_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key; its authority is in ca.pem beside them."""
    folder = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    for number, part in enumerate(made.cert_chain_pems):
        part.write_to_path(folder / "cert.pem", append=number > 0)
    return folder / "cert.pem", folder / "key.pem"


def refused(folder: Path, *given: str) -> str:
    """Return why an invocation is refused."""
    config = folder / "shipper.yml"
    config.write_text(CONFIG.replace("data_dir: data", f"data_dir: {folder}/data"))
    done = CliRunner().invoke(main, ["--config", str(config), "serve", *given])
    assert done.exit_code == 2, done.output
    return done.output


@pytest.mark.parametrize("address", ["0.0.0.0:8765", "[::]:8765", "logs1:8765", "8765", ":80"])
def test_an_address_that_others_can_reach_is_refused(tmp_path: Path, address: str) -> None:
    """Without TLS nobody but this machine may reach the dashboard, with users or without."""
    assert "--listen" in refused(tmp_path, "--listen", address)
    UsersFile(tmp_path / "data/users.json").add("ada", Role.VIEWER, None)
    assert "--listen" in refused(tmp_path, "--listen", address)


@pytest.mark.parametrize(
    "given",
    [
        ("--behind-proxy",),
        ("--behind-proxy", "--listen", "0.0.0.0:8765"),
        ("--listen", "0.0.0.0:8765", "--tls-cert", "{cert}", "--tls-key", "{key}"),
    ],
)
def test_what_others_can_reach_needs_users(
    tmp_path: Path, made_certificate: tuple[Path, Path], given: tuple[str, ...]
) -> None:
    """A link is not for a network."""
    cert, key = map(str, made_certificate)
    filled = [each.format(cert=cert, key=key) for each in given]

    assert "shipper users add" in refused(tmp_path, *filled)


@pytest.mark.parametrize(
    "given",
    [
        ("--tls-cert", "a.pem"),
        ("--tls-key", "a.key"),
        ("--tls-cert", "shipper.yml", "--tls-key", "shipper.yml"),
        ("--trusted-proxy", "10.0.0.0/8"),
        ("--proxy-user-header", "X-User", "--trusted-proxy", "10.0.0.0/8"),
        ("--behind-proxy", "--proxy-user-header", "X-User"),
        ("--behind-proxy", "--trusted-proxy", "10.0.0.1/8"),
        ("--behind-proxy", "--trusted-proxy", "proxy1"),
        ("--behind-proxy", "--name", "logs1:443"),
        ("--behind-proxy", "--name", "https://logs1"),
    ],
)
def test_options_that_would_not_protect_are_refused(tmp_path: Path, given: tuple[str, ...]) -> None:
    """Half of a certificate, or a header that anybody could send."""
    UsersFile(tmp_path / "data/users.json").add("ada", Role.VIEWER, None)

    assert re.search("--(tls|trusted|proxy|name)", refused(tmp_path, *given))


def test_users_log_in_over_tls(tmp_path: Path, made_certificate: tuple[Path, Path]) -> None:
    """No link is printed then; the log-in of a user opens the pages, by a cookie for TLS alone."""
    (tmp_path / "shipper.yml").write_text(CONFIG)
    UsersFile(tmp_path / "data/users.json").add("ada", Role.VIEWER, "correct horse battery")
    cert, key = map(str, made_certificate)
    trusting = ssl.create_default_context(cafile=str(made_certificate[0].with_name("ca.pem")))
    given = ("--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
    serve = subprocess.Popen(command(*given), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert serve.stdout is not None
        address = serve.stdout.readline().split()[-1]
        assert re.fullmatch(r"https://127\.0\.0\.1:\d+/", address)
        with httpx.Client(verify=trusting, timeout=60) as client:
            page = client.get(f"{address}incidents")
            assert page.status_code == 401
            token = re.findall(r'name="form" value="([^"]+)"', page.text)[0]
            form = {"form": token, "name": "ada", "password": "correct horse battery"}
            answer = client.post(f"{address}login", data=form)
            assert answer.status_code == 303
            assert "; secure" in answer.headers["set-cookie"].lower()
            assert client.get(f"{address}incidents").status_code == 200
    finally:
        serve.kill()
        serve.communicate()
