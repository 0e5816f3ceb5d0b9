"""Everything at once, for a while: nothing is lost, nothing is doubled, and the audit says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.store.elasticsearch.setup import set_up
from tests.acceptance.server import documents
from tests.deliver.test_elasticsearch_node import stored
from tests.faults.killing import of_runs
from tests.faults.live import Origin
from tests.faults.proxy import Proxy
from tests.faults.torture import FULL, SHORT, Count, Torture, Victim

if TYPE_CHECKING:
    from tests.faults.table import Outcome
    from tests.servers.lumberjack import Receiver, StartReceiver

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(1800)]

SHORT_SECONDS = 30.0


@pytest.fixture
def proxies(
    elasticsearch_url: str, lumberjack: dict[str, Receiver], seed: int
) -> Iterator[dict[str, Proxy]]:
    targets = {name: receiver.address for name, receiver in lumberjack.items()}
    targets["elasticsearch"] = elasticsearch_url.removeprefix("http://")
    made = {name: Proxy(target, seed) for name, target in targets.items()}
    yield made
    for proxy in made.values():
        proxy.close()


@pytest.fixture
def lumberjack(start_lumberjack: StartReceiver) -> dict[str, Receiver]:
    return {name: start_lumberjack("-lifetime", "1h") for name in ("logstash", "unheld")}


def victims_of(folder: Path, proxies: dict[str, Proxy], seed: int) -> list[Victim]:
    beats = "logstash: {{hosts: ['{0}'], tls: {{enabled: false}}, ack_seconds: 5s}}"
    node = f"elasticsearch: {{hosts: ['http://{proxies['elasticsearch'].address}']"
    return [
        Victim(folder, "embedded", "embedded: {path: embedded/index}", seed),
        Victim(folder, "elasticsearch", node + ", request_seconds: 3s}", seed),
        Victim(folder, "logstash", beats.format(proxies["logstash"].address), seed),
        Victim(folder, "unheld", beats.format(proxies["unheld"].address), seed, holds=False),
    ]


def in_the_index(victim: Victim, runs: set[str]) -> Counter[Origin]:
    done = victim.run("search", "seq:*", "--json", "--limit", "1000000")
    assert done.returncode == 0, done.stderr
    origins = ((doc["run"], doc["seq"]) for doc in documents(done.stdout))
    return Counter(origin for origin in origins if origin[0] in runs)


def audit_of(victim: Victim) -> dict[str, int]:
    """Return what the audit counts."""
    done = victim.run("audit", "--json")
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    gaps = sum(gap["last"] - gap["first"] + 1 for gap in told["gaps"])
    return {
        "exit": done.returncode,
        "stored": told["indexed"],
        "lost": told["lost_count"],
        "doubled": len(told["doubled"]),
        "missing": gaps,
    }


def expected(count: Count) -> dict[str, int]:
    """Return what the audit has to count, if it is right."""
    return {
        "exit": 0,
        "stored": count.written - count.out_of_reach,
        "lost": 0,
        "doubled": 0,
        "missing": count.out_of_reach,
    }


def test_everything_at_once(  # noqa: PLR0917 -- all are fixtures
    tmp_path: Path,
    request: pytest.FixtureRequest,
    seed: int,
    proxies: dict[str, Proxy],
    lumberjack: dict[str, Receiver],
    elasticsearch_url: str,
    outcome: Outcome,
) -> None:
    """With fast rotation, kills and bad outputs, what could be read is stored once everywhere."""
    seconds = request.config.getoption("--torture")
    print(f"\nseed {seed}")  # noqa: T201 -- to throw the same dice again
    assert list(set_up(ElasticsearchOutput((elasticsearch_url,))))
    victims = victims_of(tmp_path, proxies, seed)
    torture = Torture(tmp_path, victims, proxies, FULL if seconds else SHORT, seed)

    witness = torture.run(seconds or SHORT_SECONDS)

    written = torture.written
    runs = {run for run, _number in written}
    wire = {name: of_runs(receiver.origins(), written) for name, receiver in lumberjack.items()}
    found = {
        "embedded": in_the_index(victims[0], runs),
        "elasticsearch": of_runs(stored(elasticsearch_url, "elasticsearch"), written),
        **{name: Counter({*origins}) for name, origins in wire.items()},
    }
    counts = {each.name: torture.told(each, found[each.name], witness) for each in victims}
    witness.close()
    again = sum(wire["logstash"].values()) - len(wire["logstash"])
    for count in counts.values():
        print(count)  # noqa: T201 -- the result
        assert count.invented == 0
    print(f"logstash: {again} came more than once on the wire")  # noqa: T201 -- the result
    unheld = counts.pop("unheld")
    for count in counts.values():
        fault = f"[everything at once](#everything-at-once), {count.kills} kills; {count.name}"
        outcome(fault, written=written, lost=range(count.lost), doubled=range(count.doubled))
        assert (count.lost, count.doubled) == (0, 0)
        assert count.out_of_reach < count.written * 3 / 4
    for victim in victims[:2]:  # what a receiver got, nobody can ask it
        assert audit_of(victim) == expected(counts[victim.name])
    lost = written - {*found["unheld"]}
    outcome(f"the same, {unheld.kills} kills, with holds switched off", written=written, lost=lost)
    assert lost, "the torture would not show a loss"
