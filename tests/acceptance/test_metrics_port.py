"""A running shipper is asked how it is: on this machine, or with a token."""

from __future__ import annotations

import http.client
import random
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.server import wait_until

if TYPE_CHECKING:
    from tests.acceptance.server import Site


BELOW_EPHEMERAL = range(20_000, 32_000)  # no client of another test is given one of these


def free_port() -> int:
    while True:
        port = random.choice(BELOW_EPHEMERAL)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.fixture
def port() -> int:
    return free_port()


def configure(site: Site, text: str) -> None:
    site.config.write_text(site.config.read_text() + text)


def ask(port: int, path: str, token: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def values(port: int) -> dict[str, float]:
    status, text = ask(port, "/metrics")
    assert status == 200
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def is_up(port: int) -> bool:
    try:
        return ask(port, "/-/healthy")[0] in {200, 401, 503}
    except OSError:
        return False


def test_what_happens_is_counted(site: Site, port: int) -> None:
    """Every event that was read is a duplicate or acked, and the bytes behind go to nothing."""
    configure(site, f"metrics: {{listen: '127.0.0.1:{port}'}}\n")
    site.log_through_emit(max_bytes=10 << 20, backups=3)
    shipper = site.start()
    site.write(400).wait()
    wait_until(lambda: is_up(port), seconds=60)
    wait_until(lambda: values(port)["shipper_acked_events_total"] == 400, seconds=60)
    wait_until(lambda: values(port)["shipper_behind_bytes"] == 0, seconds=60)

    found = values(port)

    assert found["shipper_read_events_total"] == 420
    assert found["shipper_duplicate_events_total"] == 20
    assert found["shipper_read_bytes_total"] == sum(f.stat().st_size for f in site.logs.iterdir())
    assert found["shipper_open_files"] >= 2
    assert found["shipper_publish_seconds_count"] == found["shipper_batch_events_count"] > 0
    assert found["shipper_registry_saves_total"] > 0
    assert found["shipper_output_up"] == 1
    assert found["process_resident_memory_bytes"] > 1 << 20
    assert ask(port, "/-/healthy") == (200, "ok\n")
    assert ask(port, "/-/ready") == (200, "ok\n")
    assert ask(port, "/else")[0] == 404
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(60) == 0


def test_an_output_that_is_down(site: Site, port: int) -> None:
    """While the output is down the shipper is alive, but not ready, and says why."""
    down = free_port()
    text = site.config.read_text()
    site.config.write_text(text[: text.index("output:")])
    configure(
        site,
        f"metrics: {{listen: '127.0.0.1:{port}'}}\n"
        f"output: {{logstash: {{hosts: ['127.0.0.1:{down}'], tls: {{enabled: false}}}}}}\n",
    )
    (site.logs / "app.log").write_text("one\n")
    shipper = site.start()
    wait_until(lambda: is_up(port), seconds=60)
    wait_until(lambda: ask(port, "/-/ready")[0] == 503, seconds=60)

    assert ask(port, "/-/healthy") == (200, "ok\n")
    assert str(down) in ask(port, "/-/ready")[1]
    found = values(port)
    assert (found["shipper_output_up"], found["shipper_acked_events_total"]) == (0, 0)
    assert found["shipper_output_errors_total"] > 0
    assert found["shipper_unacked_seconds"] > 0
    shipper.kill()


def test_off_this_machine_a_token_is_needed(site: Site, port: int) -> None:
    """An address for others is refused without a token; with one, only who shows it is answered."""
    good = site.config.read_text()
    configure(site, f"metrics: {{listen: '0.0.0.0:{port}'}}\n")
    refused = site.run("run", "--once")
    (site.folder / "token").write_text("a secret\n")
    site.config.write_text(good)
    configure(site, f"metrics: {{listen: '0.0.0.0:{port}', token_file: token}}\n")
    shipper = site.start()
    wait_until(lambda: is_up(port), seconds=60)

    assert (refused.returncode, "token_file" in refused.stderr) == (2, True)
    assert [ask(port, path)[0] for path in ("/metrics", "/-/ready")] == [401, 401]
    assert ask(port, "/metrics", "another secret")[0] == 401
    assert ask(port, "/metrics", "a secret")[0] == 200
    shipper.kill()


def test_a_port_in_use(site: Site) -> None:
    """A port that is taken stops the start with the option's name and a remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(site, f"metrics: {{listen: '127.0.0.1:{taken.getsockname()[1]}'}}\n")

        done = site.run("run")

    assert done.returncode == 3
    assert "metrics.listen: cannot listen on" in done.stderr
    assert "another port" in done.stderr


def test_the_port_can_be_changed_by_a_reload(site: Site, port: int) -> None:
    """After SIGHUP the shipper answers where the new config says, and nowhere else."""
    good = site.config.read_text()
    configure(site, f"metrics: {{listen: '127.0.0.1:{port}'}}\n")
    shipper = site.start()
    wait_until(lambda: is_up(port), seconds=60)
    site.config.write_text(good)

    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: not is_up(port), seconds=60)
    configure(site, f"metrics: {{listen: 'localhost:{port}'}}\n")
    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: is_up(port), seconds=60)

    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(60) == 0
