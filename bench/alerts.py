"""
What rules cost: a cycle of all shipped rules, a back-test of all of them, a thousand rules at once.

    python -m bench.alerts 10000000               # records in the embedded store, 30 days of them
    python -m bench.alerts 1000000 --index DIR    # keep the index, or take it as it is

The records are an application on two servers: requests, executions, errors, the health of every
minute, and heartbeats every five seconds on top. Figures are wall clock, the median of five; CPU is
that of this process. A thousand rules go to a real Elasticsearch node, where one can be started.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.store_elasticsearch import load, node_url
from shipper.alerts.backtest.backtest import backtest
from shipper.alerts.backtest.history import HistorySpan, read_history
from shipper.alerts.judge.evaluate import judge
from shipper.alerts.judge.measure import Asked, Asks, measure
from shipper.alerts.rules.reading import load_rules, parse_rule
from shipper.alerts.rules.rule import Rule
from shipper.config.outputs import ElasticsearchOutput
from shipper.store.api import Selection, Store
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_elasticsearch, open_embedded
from shipper.times import iso

ROOT = Path(__file__).parent.parent
END = 1_770_292_800_000  # 2026-02-05T12:00:00Z
DAY = 86_400_000
DAYS = 30
HOSTS = ("web-1", "web-2")
BEAT_MS = 5000
HEALTH_MS = 60_000
RUN = "01KGDEXZ00000000000000000{}"
COMMIT = 50_000
ROUNDS = 5
RULES = 1000

Fields = dict[str, Any]


def enriched(dataset: str, host: str) -> Fields:
    """Return what enrichment adds."""
    return {
        "host": {"name": host},
        "service": {"name": "orders", "environment": "production", "version": "1.0.0"},
        "event": {"dataset": f"orchestrator.{dataset}", "kind": "event"},
        "data_stream": {"type": "logs", "dataset": f"orchestrator.{dataset}", "namespace": "d"},
    }


def usual_record(chance: random.Random, host: str, *, is_bad: bool) -> Fields:
    """Make a request (six of ten), an execution (three), or something else."""
    drawn = chance.random()
    if drawn < 0.6:
        code = 500 if chance.random() < (0.2 if is_bad else 0.001) else 200
        return {
            "level": "ERROR" if code == 500 else "INFO",
            "logger": "automation_orchestrator.access",
            "message": f"GET /api/workflows {code}",
            "route": chance.choice(("/api/workflows", "/api/login", "/health")),
            "status_code": code,
            "duration_ms": round(chance.lognormvariate(4, 1), 1),
            **enriched("access", host),
        }
    failed = chance.random() < 0.01
    if drawn < 0.9:
        about: Fields = {"error_type": "TimeoutError"} if failed else {}
        return {
            "level": "ERROR" if failed else "INFO",
            "logger": "automation_orchestrator.workflows",
            "message": "Workflow executed",
            "status": "failed" if failed else "success",
            "execution_time_ms": round(chance.lognormvariate(5, 1), 1),
            **about,
            **enriched("workflow", host),
        }
    return {
        "level": "WARNING" if failed else "INFO",
        "logger": "automation_orchestrator.auth",
        "message": "Login failed" if failed else "Login succeeded",
        **enriched("app", host),
    }


def health(chance: random.Random, host: str) -> Fields:
    """Make a record of the application's health."""
    told = {
        "queue_depth": chance.randrange(40),
        "success_rate": round(1 - chance.random() / 100, 4),
        "database": {"status": "connected"},
        "storage": {"status": "healthy", "available_gb": 40.5},
    }
    return {
        "level": "INFO",
        "logger": "automation_orchestrator.health",
        "message": "Application is healthy",
        "status": "healthy",
        "extra": told,
        **enriched("app", host),
    }


def heartbeat(chance: random.Random, host: str) -> Fields:
    """Make a heartbeat of a shipper."""
    told = {"watermark": END, "behind_bytes": chance.randrange(5) * 1000, "dead_letters": 0}
    return {"extra": {"heartbeat": told}, **enriched("heartbeat", host)}


def records(lines: int) -> Iterator[tuple[int, Fields]]:
    """Yield the records in the order of their times."""
    chance = random.Random(7)
    start = END - DAYS * DAY
    next_health, next_beat = start, start
    for number in range(lines):
        at = start + DAYS * DAY * number // lines
        while next_beat <= at:
            yield from ((next_beat, heartbeat(chance, host)) for host in HOSTS)
            next_beat += BEAT_MS
        while next_health <= at:
            yield from ((next_health, health(chance, host)) for host in HOSTS)
            next_health += HEALTH_MS
        is_bad = at % (3 * DAY) < 1_200_000
        yield at, usual_record(chance, chance.choice(HOSTS), is_bad=is_bad)


def write(path: Path, lines: int) -> None:
    """Write the records into a store, and make pieces of all of them."""
    writer = EmbeddedWriter(path, keep_seconds=10**9, max_bytes=max(lines * 200, 1 << 28))
    ids, docs, times = [], [], []
    for seq, (at, fields) in enumerate(records(lines)):
        run = RUN.format(HOSTS.index(fields["host"]["name"]))
        ids.append(f"{run}-{seq}")
        docs.append(json.dumps({**fields, "run": run, "seq": seq, "@timestamp": iso(at)}).encode())
        times.append(at)
        if len(ids) == COMMIT:
            writer.write(ids, docs, times)
            writer.make_pieces()
            ids, docs, times = [], [], []
    writer.write(ids, docs, times)
    writer.compact()
    print(f"{writer.documents:,} records in {len(list(path.glob('*/*.parquet')))} pieces")
    writer.close()


def cycle(store: Asks, rules: Sequence[Rule], until: int = END) -> int:
    """Judge the last window of every rule; return how many verdicts that makes."""
    asked = [Asked(rule, until // rule.every_ms * rule.every_ms) for rule in rules]
    return sum(len(judge(each)) for each in measure(store, asked))


def back(store: Store, rules: Sequence[Rule]) -> int:
    """Judge every window of the month; return how many pages that makes."""
    span = HistorySpan(END - DAYS * DAY, END)
    history = read_history(store, rules, span)
    return sum(backtest(rule, history).pages for rule in rules)


def measured(name: str, rounds: int, call: Callable[[], object]) -> None:
    """Print what a call takes."""
    walls, cpus, given = [], [], None
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        given = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    wall, cpu = statistics.median(walls) * 1e3, statistics.median(cpus) * 1e3
    print(f"{wall:10,.1f} ms  {cpu:10,.1f} ms CPU  {name} ({given})")


def embedded(path: Path, lines: int, *, each: bool) -> None:
    """Measure the shipped rules over the embedded store."""
    if not path.exists():
        write(path, lines)
    rules = [rule for rule in load_rules(ROOT / "config/rules").rules if rule.probes]
    store = open_embedded(path)
    measured(f"a cycle of {len(rules)} rules: verdicts", ROUNDS, lambda: cycle(store, rules))
    measured(f"a back-test of {len(rules)} rules: pages", 1, lambda: back(store, rules))
    for rule in rules if each else ():
        measured(f"cycle {rule.name}", 1, lambda rule=rule: cycle(store, [rule]))  # type: ignore[misc]
        measured(f"back-test {rule.name}", 1, lambda rule=rule: back(store, [rule]))  # type: ignore[misc]
    store.close()


def thousand() -> list[Rule]:
    """Return rules that differ, of the kinds that ask most."""
    texts = (
        "ratio: {{of: 'status_code:>={n}', to: 'event.dataset:orchestrator.access'}}\nabove: 1%",
        "count: level:ERROR AND error_type:E{n}\nabove: 1",
        "metric: {{of: duration_ms, take: average, among: 'NOT route:/r{n}'}}\nabove: {n}",
        "absence: {{of: 'NOT logger:l{n}'}}",
    )
    head = "name: r{n}\nseverity: low\nsummary: s\ngroup_by: [service.name]\n"
    return [parse_rule((head + texts[n % len(texts)]).format(n=n)) for n in range(RULES)]


class Counting:
    """A store, and how often it was asked."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.requests = 0

    def ask(self, questions: Sequence[Any]) -> Any:
        self.requests += 1
        return self.store.ask(questions)


def elasticsearch() -> None:
    """Measure a thousand rules over a real node, as far as our side goes."""
    with ExitStack() as stack:
        url = node_url(stack)
        if url is None:
            return
        output, namespace = ElasticsearchOutput(hosts=(url,)), uuid.uuid4().hex
        load(output, namespace, 20_000)
        store = open_elasticsearch(output, namespace)
        newest = store.search(Selection(), limit=1).hits[0].time
        counting, rules = Counting(store), thousand()
        measured(f"{RULES} rules, Elasticsearch", ROUNDS, lambda: cycle(counting, rules, newest))
        print(f"{counting.requests / ROUNDS:.0f} requests a cycle")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.alerts")
    parser.add_argument("lines", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--index", type=Path, help="folder of the index, made if not there")
    parser.add_argument("--each", action="store_true", help="each rule by itself, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        embedded(options.index or Path(folder) / "index", options.lines, each=options.each)
    elasticsearch()


if __name__ == "__main__":
    main()
