"""Shipping to Logstash as a user does: real processes, a real receiver broken on purpose."""

from __future__ import annotations

import json
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from bench import corpus
from tests.acceptance.server import Site, kill, wait_until
from tests.servers.lumberjack import Receiver, StartReceiver
from tests.servers.lumberjack_scripted import ScriptedServer, accept, poisoned, scripted

pytestmark = pytest.mark.server

CONFIG = """\
heartbeat: {{enabled: false}}
service: {{name: automation-orchestrator, environment: test, version: 1.0.0}}
namespace: test
data_dir: var/shipper
inputs:
  - paths: [logs/*.log]
tail: {{scan_seconds: 0.2s, block_bytes: 64 KiB}}
delivery: {{linger_seconds: 50ms, backoff_seconds: 20ms, backoff_max_seconds: 100ms,
           batch_bytes: 256 KiB, queue_bytes: 512 KiB}}
output:
  logstash: {{hosts: ['{hosts}'], tls: {tls}, window_events: 256, ack_seconds: 10s}}
"""


def ship_to(
    site: Site, server: Receiver | ScriptedServer, *, tls: str = "{enabled: false}"
) -> None:
    site.config.write_text(CONFIG.format(hosts=server.address, tls=tls))


def fill(site: Site, count: int) -> set[str]:
    """Put records into a file; return their ids."""
    corpus.write(site.logs / "app.log", count)
    return {f"{corpus.RUN}-{seq}" for seq in range(count)}


def wait_for(receiver: Receiver, events: int, *, seconds: float = 20) -> None:
    wait_until(lambda: receiver.count() > events, seconds=seconds)


def status(site: Site) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(site.run("status", "--json").stdout)
    return told


def last_error(site: Site) -> str:
    return str(status(site)["last_error"])


def test_what_arrives_is_the_document_with_its_id(
    site: Site, start_lumberjack: StartReceiver
) -> None:
    """A document goes to Logstash as it is, with its `_id` where the pipeline looks for it."""
    receiver = start_lumberjack()
    ship_to(site, receiver)
    owed = fill(site, 300)

    assert site.run("run", "--once").returncode == 0

    assert receiver.origins() == Counter(owed)
    first = receiver.events()[0]
    assert first["@metadata"] == {"origin": f"{corpus.RUN}-0"}
    assert first["data_stream"]["type"] == "logs"
    assert first["data_stream"]["namespace"] == "test"
    assert "@timestamp" in first
    assert first["host"]["name"]


def test_acks_that_are_lost_lose_nothing(site: Site, start_lumberjack: StartReceiver) -> None:
    """Connections cut after the write: each record arrives, by its `_id` once, none is refused."""
    receiver = start_lumberjack("-drop-every", "3", "-drop-after-write")
    ship_to(site, receiver)
    owed = fill(site, 5000)

    done = site.run("run", "--once", "--timeout", "60s")

    assert done.returncode == 0, done.stderr
    origins = receiver.origins()
    assert set(origins) == owed
    assert max(origins.values()) > 1  # so there were cuts
    assert status(site)["counters"]["dead_letters"] == 0
    assert status(site)["counters"]["wrapped"] == 0


def test_a_receiver_that_is_killed_and_restarted(
    site: Site, start_lumberjack: StartReceiver
) -> None:
    """While the output is down the state says so; when it is back the rest goes out by itself."""
    receiver = start_lumberjack("-ack-delay", "5ms")
    ship_to(site, receiver)
    owed = fill(site, 20_000)
    shipper = site.start()
    wait_for(receiver, 1000)

    receiver.kill()
    wait_until(lambda: "refuses connections" in last_error(site))
    assert receiver.address in last_error(site)
    receiver.start()

    wait_until(lambda: set(receiver.origins()) == owed)
    wait_until(lambda: status(site)["last_error"] is None)
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(20) == 0
    assert status(site)["counters"]["acked"] == 20_000


def test_a_shipper_that_is_killed_and_restarted(
    site: Site, start_lumberjack: StartReceiver
) -> None:
    """Killed with -9 and started again: what was not saved is sent again, under the same `_id`."""
    receiver = start_lumberjack("-ack-delay", "5ms")
    ship_to(site, receiver)
    owed = fill(site, 10_000)
    for events in (2000, 5000):
        shipper = site.start()
        wait_for(receiver, events)
        kill(shipper)

    assert site.run("run", "--once", "--timeout", "60s").returncode == 0

    assert set(receiver.origins()) == owed


def test_a_blocked_output_does_not_keep_a_stop(site: Site, start_lumberjack: StartReceiver) -> None:
    """While the receiver holds a window and sends ack 0, SIGTERM ends the shipper all the same."""
    receiver = start_lumberjack("-ack-delay", "60s", "-keepalive", "50ms")
    ship_to(site, receiver)
    site.config.write_text(
        site.config.read_text().replace("delivery: {", "delivery: {stop_seconds: 0.3s, ")
    )
    owed = fill(site, 100)
    shipper = site.start()
    wait_for(receiver, 99)

    shipper.send_signal(signal.SIGTERM)

    assert shipper.wait(10) == 0
    receiver.kill()
    receiver.start()
    assert site.run("run", "--once", "--timeout", "20s").returncode == 0
    assert receiver.origins() == Counter([*owed, *owed])


def test_a_poison_event_is_taken_out(site: Site) -> None:
    """One event at which the server always resets is a dead letter; all others are delivered."""
    owed = fill(site, 2000)
    bad = f"{corpus.RUN}-777"
    with scripted(always=poisoned(bad)) as server:
        ship_to(site, server)

        done = site.run("run", "--once", "--timeout", "30s")

    assert done.returncode == 0, done.stderr
    assert set(server.stored) == owed - {bad}
    letter = json.loads((site.folder / "var/shipper/deadletters.ndjson").read_text())
    assert letter["_id"] == bad
    assert status(site)["counters"]["dead_letters"] == 1


def test_a_window_full_of_poison(site: Site) -> None:
    """Where nothing was ever taken it is an outage: told, nothing dropped, over by itself."""
    owed = fill(site, 300)
    with scripted(always=poisoned(*owed)) as server:
        ship_to(site, server)
        shipper = site.start()
        wait_until(lambda: "ended the connection before the ack" in last_error(site))
        wait_until(lambda: status(site)["counters"]["retries"] > 5)
        assert server.stored.total() == 0

        server.always = accept

        wait_until(lambda: set(server.stored) == owed)
        wait_until(lambda: status(site)["last_error"] is None)
        assert shipper.poll() is None
    counters = status(site)["counters"]
    assert (counters["wrapped"], counters["dead_letters"]) == (0, 0)


def test_a_blocked_output_is_told(site: Site, start_lumberjack: StartReceiver) -> None:
    """Blocked, the receiver is named with what it does; its window is not sent a second time."""
    receiver = start_lumberjack("-ack-delay", "2s", "-keepalive", "50ms")
    ship_to(site, receiver)
    site.config.write_text(site.config.read_text().replace("10s", "300ms"))
    owed = fill(site, 100)
    shipper = site.start()

    wait_until(lambda: "is alive, but has not acked a window" in last_error(site))

    wait_until(lambda: status(site)["counters"]["acked"] == 100)
    wait_until(lambda: status(site)["last_error"] is None)
    assert shipper.poll() is None
    assert receiver.origins() == Counter(owed)


class Certificates:
    """Files of a throw-away CA in the folder of the site."""

    def __init__(self, site: Site) -> None:
        self._ca = trustme.CA()
        self._folder = site.folder
        self._ca.cert_pem.write_to_path(site.folder / "ca.pem")
        self.issue("client", "web-1")

    def issue(self, name: str, host: str, *, expired: bool = False) -> None:
        past = datetime.now(UTC) - timedelta(days=1) if expired else None
        made = self._ca.issue_cert(host, not_after=past)
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        (self._folder / f"{name}.pem").write_bytes(chain)
        made.private_key_pem.write_to_path(self._folder / f"{name}.key")

    def server(self) -> list[str]:
        at = self._folder
        return ["-cert", f"{at}/server.pem", "-key", f"{at}/server.key"]

    def demanding(self) -> list[str]:
        return [*self.server(), "-client-ca", f"{self._folder}/ca.pem"]


@pytest.mark.parametrize(
    ("host", "expired", "told"),
    [
        ("other.example", False, "has a certificate for another name"),
        pytest.param(
            "127.0.0.1", True, "has a certificate that has expired", marks=pytest.mark.slow
        ),
    ],
    ids=["wrong name", "expired"],
)
def test_a_wrong_certificate(
    site: Site, start_lumberjack: StartReceiver, host: str, *, expired: bool, told: str
) -> None:
    """The state says what is wrong, nothing is sent or dropped; put right, it goes on by itself."""
    certificates = Certificates(site)
    certificates.issue("server", host, expired=expired)
    receiver = start_lumberjack(*certificates.server())
    ship_to(site, receiver, tls="{ca: ca.pem}")
    owed = fill(site, 200)
    shipper = site.start()
    wait_until(lambda: told in last_error(site))
    assert receiver.events() == []
    assert status(site)["counters"]["acked"] == 0

    receiver.stop()
    certificates.issue("server", "127.0.0.1")
    receiver.start(*certificates.server())

    wait_until(lambda: set(receiver.origins()) == owed)
    wait_until(lambda: status(site)["last_error"] is None)
    assert shipper.poll() is None


def test_a_client_certificate_is_demanded(site: Site, start_lumberjack: StartReceiver) -> None:
    """Without one of ours the state names the option; with it everything is shipped."""
    certificates = Certificates(site)
    certificates.issue("server", "127.0.0.1")
    receiver = start_lumberjack(*certificates.demanding())
    owed = fill(site, 200)
    ship_to(site, receiver, tls="{ca: ca.pem}")

    assert site.run("run", "--once", "--timeout", "1s").returncode == 3
    assert "output.logstash.tls.certificate" in last_error(site)
    ship_to(site, receiver, tls="{ca: ca.pem, certificate: client.pem, key: client.key}")

    assert site.run("run", "--once", "--timeout", "20s").returncode == 0
    assert set(receiver.origins()) == owed
    assert last_error(site) == "None"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_thousand_records_through_faults(
    site: Site, start_lumberjack: StartReceiver
) -> None:
    """Acks lost, receiver killed and restarted twice: each record arrives, memory stays bounded."""
    faults = ["-drop-every", "7", "-drop-after-write", "-ack-delay", "10ms"]
    receiver = start_lumberjack(*faults)
    ship_to(site, receiver)
    owed = fill(site, 100_000)
    shipper = site.start()

    for events in (20_000, 60_000):
        wait_for(receiver, events, seconds=100)
        receiver.kill()
        wait_until(lambda: "refuses connections" in last_error(site))
        receiver.start(*faults)
    wait_until(lambda: status(site)["counters"]["acked"] == len(owed), seconds=100)
    # Not of its rusage: that begins with what the test itself had when it forked.
    peak = Path(f"/proc/{shipper.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    shipper.send_signal(signal.SIGTERM)

    assert shipper.wait(20) == 0
    origins = receiver.origins()
    assert set(origins) == owed
    assert max(origins.values()) > 1
    told = status(site)["counters"]
    assert (told["wrapped"], told["dead_letters"]) == (0, 0)
    assert int(peak) < 80 * 1024
