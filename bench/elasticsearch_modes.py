"""
What the mode of an index costs in Elasticsearch: bytes on disk and CPU time a record.

    python -m bench.elasticsearch_modes 50000

The same records (those of `bench.store`) go into a data stream per mode, on a real node that is
made here; the settings of a mode are put into `logs-orchestrator@custom`, as a user would. `cpu` is
that of the whole node while it indexes, without and with the merge into one segment afterwards;
`disk` is after that merge. Each mode has several rounds, of which the cheapest counts: the first
ones warm the node up.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.store import events_of
from bench.store_elasticsearch import send
from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.bulk import BulkPreparer
from shipper.net.elastic import Cluster
from shipper.store.elasticsearch.setup import set_up
from tests.servers.elasticsearch import LocalNode, require_tools

ROUNDS: Final = 5
MODES: Final[dict[str, dict[str, Any]]] = {
    "logsdb (ours)": {},
    "logsdb, by time alone": {
        "index.sort.field": ["@timestamp"],
        "index.sort.order": ["desc"],
    },
    "standard": {"index.mode": "standard"},
    "standard, best_compression": {"index.mode": "standard", "index.codec": "best_compression"},
}


class Cost(NamedTuple):
    """What a record takes: bytes on disk, and CPU time in µs without and with the merge."""

    disk: float
    cpu: float
    merged: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(node: LocalNode, cluster: Cluster, name: str, round_: int, lines: int) -> Cost:
    """Load the records in a mode, and return what it took a record."""
    settings = {"template": {"settings": MODES[name]}}
    cluster.request("PUT", "/_component_template/logs-orchestrator@custom", settings)
    namespace = f"{''.join(filter(str.isalnum, name))}{round_}"
    preparer = BulkPreparer(namespace)
    output = ElasticsearchOutput(hosts=(node.url,), request_seconds=300)
    raw = Cluster(output, raw=True)
    bodies = [events.prepared_by(preparer).body for _, events in events_of(lines)]
    before = cpu_seconds(node.pid)
    for body in bodies:
        raw.ask(partial(send, body))
    loaded = cpu_seconds(node.pid)
    raw.close()
    streams = f"/logs-orchestrator.*-{namespace}"
    cluster.request("POST", f"{streams}/_forcemerge?max_num_segments=1&flush=true")
    merged = cpu_seconds(node.pid)
    cluster.request("POST", f"{streams}/_flush?force=true&wait_if_ongoing=true")
    stats = cluster.request("GET", f"{streams}/_stats/docs,store")["_all"]["primaries"]
    count = stats["docs"]["count"]
    return Cost(
        stats["store"]["size_in_bytes"] / count,
        (loaded - before) / count * 1e6,
        (merged - before) / count * 1e6,
    )


def main() -> None:
    """Measure each mode."""
    parser = argparse.ArgumentParser()
    parser.add_argument("lines", type=int, nargs="?", default=50_000)
    lines = parser.parse_args().lines
    require_tools()
    with tempfile.TemporaryDirectory() as folder:
        node = LocalNode(Path(folder), full_speed=True)
        node.start()
        try:
            output = ElasticsearchOutput(hosts=(node.url,), request_seconds=300)
            list(set_up(output))
            cluster = Cluster(output)
            costs = [
                {name: measure(node, cluster, name, round_, lines) for name in MODES}
                for round_ in range(ROUNDS)
            ]
            for name in MODES:
                best = Cost(*map(min, zip(*(each[name] for each in costs), strict=True)))
                print(
                    f"{name:28} {best.disk:7.1f} bytes a record, cpu {best.cpu:6.1f} µs a record, "
                    f"{best.merged:6.1f} with the merge"
                )
            cluster.close()
        finally:
            node.stop()


if __name__ == "__main__":
    main()
