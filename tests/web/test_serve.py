"""`shipper serve` as a process: what it prints, and where it refuses to listen."""

from __future__ import annotations

import asyncio
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
from shipper.web import certificates
from shipper.web.access import Access
from shipper.web.app import make_app
from shipper.web.people import Role, UsersFile
from tests.web.browsing import Browser
from tests.web.serving import plain_sources
from tests.web.test_acting import no_store

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


def test_a_renewed_certificate_is_used_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not fit its key leaves the old one in use."""
    monkeypatch.setattr(certificates, "LOOK_SECONDS", 0.02)
    authority, said = trustme.CA(), list[str]()
    files = certificates.Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")

    def renew(name: str, *, key: bool = True) -> None:
        made = authority.issue_cert("127.0.0.1", common_name=name)
        if key:
            made.private_key_pem.write_to_path(files.key)
        made.cert_chain_pems[0].write_to_path(files.path)

    async def shown(port: int) -> str:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        found = writer.get_extra_info("peercert")["subject"]
        writer.close()
        return str(found)

    async def until(text: str) -> None:
        while not any(text in each for each in said):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.02)
        said.clear()

    async def check() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        files.load(context)
        task = asyncio.create_task(certificates.keep_fresh(files, context, said.append))
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        assert "first" in await shown(port)
        renew("wrong", key=False)
        await until("not used")
        assert "first" in await shown(port)
        renew("second")
        await until("certificate is used")
        assert "second" in await shown(port)
        task.cancel()
        server.close()

    renew("first")
    files = certificates.Certificate(files.path, files.key)
    asyncio.run(asyncio.wait_for(check(), 60))


@pytest.mark.parametrize(
    ("host", "secure", "told"),
    [
        ("logs.example.org", True, True),
        ("logs.example.org", False, False),
        ("localhost:8765", True, False),
        ("127.0.0.1:8765", True, False),
    ],
)
def test_browsers_come_by_tls_only(tmp_path: Path, host: str, *, secure: bool, told: bool) -> None:
    """The name of this machine is left out: other servers have it, too."""
    access = Access(names=frozenset({"logs.example.org"}), secure=secure)
    sources = plain_sources(no_store, tmp_path)
    with Browser(make_app(sources, token="t", port=1, access=access)) as browser:
        answer = browser.get("/", headers={"host": host})
    assert ("strict-transport-security" in answer.headers) is told
