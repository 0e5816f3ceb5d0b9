"""
What a line costs on its way to Logstash: compression, ids and acks on.

    python -m bench.logstash 1000000

The receiver is the one of the tests, on Elastic's go-lumber; it needs Go. `shipper run --once`
runs in a process of its own; its CPU time is user and system time of all threads. The last row
is the same backlog while the output refuses connections: what is measured is the peak of memory.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bench import corpus, pipeline
from bench.harness import Result, table
from tests.servers.lumberjack import NoReceiverError, Receiver, build

DOWN_SECONDS = 10.0


def output(address: str, options: str = "") -> str:
    return f"logstash: {{hosts: ['{address}'], tls: {{enabled: false}}{options}}}"


def shipped(name: str, log: Path, lines: int, folder: Path, options: str = "") -> Result:
    """Ship the corpus to a receiver that throws it away."""
    receiver = Receiver(Path(os.devnull))
    receiver.start()
    try:
        pipeline.OUTPUTS[name] = output(receiver.address, options)
        result = pipeline.whole_way(name, log, lines, folder)
        receiver.stop()
        assert receiver.counts["events"] >= lines, receiver.counts  # and heartbeats
    finally:
        receiver.kill()
    return result


def peak_while_down(log: Path, folder: Path) -> int:
    """Return the peak of resident bytes of a shipper that cannot deliver a backlog."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, but nobody listens: connections are refused
        pipeline.site(folder, output(f"127.0.0.1:{reserved.getsockname()[1]}"))
        (folder / "logs" / "app.log").hardlink_to(log)
        command = pipeline.shipper(folder, "run")
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            time.sleep(DOWN_SECONDS)
        finally:
            process.kill()
            _pid, _status, usage = os.wait4(process.pid, 0)
        return usage.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("lines", type=int, nargs="?", default=1_000_000)
    lines = parser.parse_args().lines
    try:
        build()
    except NoReceiverError as error:
        print(f"left out: {error}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "corpus.log"
        size = corpus.write(log, lines)
        print(f"{lines:,} lines, {size / lines:.0f} bytes in the mean\n")
        results = [
            shipped("file → Logstash", log, lines, folder / "1"),
            shipped("… uncompressed", log, lines, folder / "0", ", compression_level: 0"),
        ]
        print(table(results))
        peak = peak_while_down(log, folder / "down")
        print(f"\nthe output is down, {DOWN_SECONDS:.0f} s   {peak / 2**20:.0f} MiB at the peak")


if __name__ == "__main__":
    main()
