"""Signals: another config without a restart, the state in the log, and ends that keep promises."""

from __future__ import annotations

import json
import signal
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.server import documents, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.acceptance.server import Site


@pytest.fixture
def silent() -> Iterator[int]:
    """Return the port of a server that takes everything and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def logged(site: Site) -> str:
    return (site.folder / "shipper.err").read_text()


def start(site: Site) -> subprocess.Popen[bytes]:
    shipper = site.start()
    wait_until(lambda: "shipping as" in logged(site), seconds=60)
    return shipper


def configure(site: Site, *changes: tuple[str, str]) -> None:
    text = site.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    site.config.write_text(text)


def to_logstash(port: int) -> str:
    return f"output:\n  logstash: {{hosts: ['127.0.0.1:{port}'], tls: {{enabled: false}}}}\n"


EMBEDDED = "output:\n  embedded: {path: var/index}\n"


def wait_until_read(site: Site, events: int) -> None:
    def has_read() -> bool:
        found = json.loads(site.run("status", "--json").stdout)
        return bool(found["running"] and found["counters"]["events"] >= events)

    wait_until(has_read, seconds=60)


def stop(shipper: subprocess.Popen[bytes]) -> int:
    shipper.send_signal(signal.SIGTERM)
    return shipper.wait(60)


def test_another_config_without_a_restart(site: Site) -> None:
    """After SIGHUP other files are read, and nothing of the first ones is read twice or left."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    (site.folder / "more").mkdir()
    (site.folder / "more/plain.txt").write_text("one\ntwo\n")
    shipper = start(site)
    site.write(300).wait()
    configure(
        site,
        ("[logs/*.log]", "[logs/*.log, more/*.txt]"),
        ("environment: test", "environment: other"),
    )

    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: site.count("tags:not_json") == 2, seconds=60)
    site.write(100).wait()
    wait_until(lambda: site.count("seq:*") == 400, seconds=60)

    assert stop(shipper) == 0
    assert "changed: service, inputs" in logged(site)
    assert site.count("tags:not_json AND service.environment:other") == 2
    assert Counter(site.origins_of_runs()) == Counter(site.written_by_emit())


def test_files_that_are_excluded_later(site: Site) -> None:
    """A file that the new config leaves out is not read on; back in, it goes on where it was."""
    log = site.logs / "app.log"
    log.write_text("one\n")
    shipper = start(site)
    wait_until(lambda: site.count() == 1, seconds=60)
    configure(site, ("  - paths: [logs/*.log]", "  - paths: [logs/*.log]\n    exclude: [app.log]"))
    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: "changed: inputs" in logged(site), seconds=60)
    configure(site, ("\n    exclude: [app.log]", ""))
    with log.open("a") as file:
        file.write("two\n")

    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: site.count("message:two") == 1, seconds=60)

    assert stop(shipper) == 0
    assert site.count() == 2


def test_lines_of_an_open_file_are_cut_as_the_new_config_says(site: Site) -> None:
    """A limit that SIGHUP brings counts for files that are open already."""
    log = site.logs / "app.log"
    log.write_text(f"{'a' * 5000}\n")
    shipper = start(site)
    wait_until(lambda: site.count() == 1, seconds=60)
    configure(site, ("[logs/*.log]", "[logs/*.log]\n    max_line_bytes: 2 KiB"))
    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: "changed: inputs" in logged(site), seconds=60)

    with log.open("a") as file:
        file.write(f"{'b' * 5000}\n")
    wait_until(lambda: site.count() == 2, seconds=60)

    assert stop(shipper) == 0
    assert site.count("tags:truncated") == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("scan_seconds: 0.2s", "scan_second: x, watch: maybe"),
            ["tail.scan_second", "tail.watch"],
        ),
        (("data_dir: var/shipper", "data_dir: var/other"), ["data_dir", "restart"]),
        (("path: var/index", "path: shipper.yml/index"), ["cannot write the store"]),
    ],
    ids=["faulty", "needs a restart", "output cannot be opened"],
)
def test_a_config_that_cannot_be_used(site: Site, change: tuple[str, str], told: list[str]) -> None:
    """A config with faults is refused with all of them, and the shipper goes on as before."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    shipper = start(site)
    configure(site, change)

    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: "the old one stays in force" in logged(site), seconds=60)
    good = site.config.read_text().replace(change[1], change[0])
    site.config.write_text(good)
    site.write(200).wait()
    wait_until(lambda: site.count() == 200, seconds=60)

    assert stop(shipper) == 0
    assert [text for text in told if text not in logged(site)] == []
    assert site.origins() == Counter(site.written())


def test_another_output_takes_over_what_hangs(site: Site, silent: int) -> None:
    """Where the output hangs, another one gets what was read and not acked, each record once."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    configure(
        site,
        (EMBEDDED, to_logstash(silent)),
        ("linger_seconds: 100ms", "linger_seconds: 100ms, stop_seconds: 1s"),
        ("tls: {enabled: false}", "tls: {enabled: false}, ack_seconds: 2s"),
    )
    shipper = start(site)
    site.write(300).wait()
    wait_until_read(site, 300)
    configure(site, (site.config.read_text()[site.config.read_text().index("output:") :], EMBEDDED))

    shipper.send_signal(signal.SIGHUP)
    wait_until(lambda: (site.folder / "var/index").exists() and site.count() == 300, seconds=60)

    assert stop(shipper) == 0
    assert "changed: output" in logged(site)
    assert site.origins() == Counter(site.written())


def test_a_stop_while_the_output_hangs(site: Site, silent: int) -> None:
    """SIGTERM ends with 0 within the configured time though nothing is acked; then all is sent."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    embedded = site.config.read_text()
    configure(
        site,
        (EMBEDDED, to_logstash(silent)),
        ("linger_seconds: 100ms", "linger_seconds: 100ms, stop_seconds: 1s"),
    )
    shipper = start(site)
    site.write(300).wait()
    wait_until_read(site, 300)

    assert stop(shipper) == 0

    assert "stopped before everything was acked" in logged(site)
    site.config.write_text(embedded)
    assert site.run("run", "--once", "--timeout", "60s").returncode == 0
    assert site.origins() == Counter(site.written())


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(site: Site, silent: int, second: signal.Signals) -> None:
    """A second signal while stopping ends the wait, long before its time, and harms nothing."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    embedded = site.config.read_text()
    configure(
        site,
        (EMBEDDED, to_logstash(silent)),
        ("linger_seconds: 100ms", "linger_seconds: 100ms, stop_seconds: 1h"),
    )
    shipper = start(site)
    site.write(300).wait()
    wait_until_read(site, 300)
    shipper.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in logged(site), seconds=60)

    shipper.send_signal(second)

    assert shipper.wait(60) == 0
    site.config.write_text(embedded)
    assert site.run("run", "--once", "--timeout", "60s").returncode == 0
    assert site.origins() == Counter(site.written())


def test_the_state_is_written_to_the_log(site: Site) -> None:
    """SIGUSR1 tells files with offsets, the queue and all threads' stacks; shipping goes on."""
    (site.logs / "app.log").write_text("one\n")
    shipper = start(site)
    wait_until(lambda: site.count() == 1, seconds=60)

    shipper.send_signal(signal.SIGUSR1)
    wait_until(lambda: "state: open: " in logged(site), seconds=60)

    assert "app.log, size 4, read 4, acked 4" in logged(site)
    assert "state: queue: 0 of 4194304 bytes" in logged(site)
    assert "Thread 0x" in logged(site)
    assert "publisher.py" in logged(site)
    (site.logs / "other.log").write_text("two\n")
    wait_until(lambda: site.count() == 2, seconds=60)
    assert stop(shipper) == 0
    assert [doc["message"] for doc in documents(site.run("search", "--json").stdout)]
