"""`shipper run` with syslog: what was sent is found, with its sender, also after a crash."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.acceptance.server import Site, documents, kill, wait_until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    text = site.config.read_text().replace(
        "  - paths: [logs/*.log]\n",
        f'  - syslog: {{listen: ["unix://{tmp_path}/log.sock"]}}\n    service: machines\n',
    )
    site.config.write_text(text)
    return site


def send(site: Site, *messages: str) -> None:
    place = site.folder / "log.sock"
    wait_until(place.exists)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(place))
        sock.sendall("".join(f"{each}\n" for each in messages).encode())


def spooled(site: Site) -> int:
    files = site.folder.glob("var/shipper/inputs/syslog/*.log")
    return sum(path.read_bytes().count(b"\n") - 1 for path in files)


def test_a_message_is_a_record(site: Site) -> None:
    """Its fields can be searched; check and status know the input; a stop ends with 0."""
    assert "log.sock" not in site.run("check").stdout  # nothing is wrong with it
    shipper = site.start()
    send(site, "<35>1 2026-02-05T14:30:45.123Z web-1 sshd 71 - - Failed password")
    wait_until(lambda: site.count("level:ERROR") == 1)

    [found] = documents(site.run("search", "--json").stdout)
    assert found["@timestamp"] == "2026-02-05T14:30:45.123Z"
    assert found["message"] == "Failed password"
    assert found["logger"] == "sshd"
    assert found["service"]["name"] == "machines"
    assert found["event"]["dataset"] == "syslog.log"
    assert found["extra"]["hostname"] == "web-1"
    assert found["extra"]["facility"] == "auth"
    assert found["extra"]["peer"].startswith("pid ")
    status = json.loads(site.run("status", "--json").stdout)
    assert any("inputs/syslog" in file["path"] for file in status["files"])
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(30) == 0
    assert not (site.folder / "log.sock").exists()


def test_what_is_in_the_spool_survives_kill_9(site: Site) -> None:
    """Killed with messages in the spool, the next start stores each of them once."""
    shipper = site.start()
    messages = [f"<13>Feb  5 14:30:45 web-1 app: message {number:04d}" for number in range(2000)]
    send(site, *messages[:1000])
    wait_until(lambda: spooled(site) > 0)
    kill(shipper)
    again = site.start()
    wait_until(lambda: site.count() > 0)
    send(site, *messages[1000:])
    wait_until(lambda: site.count('message:"message 1999"') == 1)
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0

    found = [
        doc["message"] for doc in documents(site.run("search", "--json", "--limit", "9999").stdout)
    ]
    assert len(found) == len(set(found))
    assert {f"message {number:04d}" for number in range(1000, 2000)} <= set(found)


def test_a_reload_moves_where_it_listens(site: Site) -> None:
    """SIGHUP with another address: the old one is closed, the new one receives."""
    shipper = site.start()
    send(site, "<13>app: before")
    wait_until(lambda: site.count() == 1)
    site.config.write_text(site.config.read_text().replace("log.sock", "other.sock"))
    shipper.send_signal(signal.SIGHUP)
    wait_until((site.folder / "other.sock").exists)
    assert not (site.folder / "log.sock").exists()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(site.folder / "other.sock"))
        sock.sendall(b"<13>app: after\n")
    wait_until(lambda: site.count() == 2)
    kill(shipper)
