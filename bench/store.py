"""
What the embedded store costs to write, how large it gets, how fast it answers.

    python -m bench.store 1000000

Documents are what enrichment makes of the corpus. CPU time is that of the writing process, pieces
and merges included. Each question is asked seven times of one reader; the figure is the
median.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from bench import corpus
from shipper.deliver.outputs.embedded import IndexPreparer
from shipper.enrich.enricher import Enricher, RecordContext
from shipper.events import Block
from shipper.splice import AnyEvents
from shipper.store.api import (
    Aggregation,
    Cardinality,
    DateHistogram,
    Percentiles,
    Question,
    Selection,
    Store,
    Terms,
)
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded

CONTEXT = RecordContext("web-1", "orchestrator", "production", "1.0.0", "production")
LINE_BYTES = 1 << 20
ROUNDS = 7
MINUTE_MS = 60_000

QUESTIONS: dict[str, tuple[str, Aggregation]] = {
    "percentiles of duration_ms": ("", Percentiles("duration_ms")),
    "terms of level": ("", Terms("level")),
    "terms of event.dataset": ("", Terms("event.dataset")),
    "terms of workflow_id": ("", Terms("workflow_id")),
    "date_histogram, a minute": ("", DateHistogram(MINUTE_MS)),
    "date_histogram with terms": ("", DateHistogram(MINUTE_MS, {"t": Terms("level")})),
    "date_histogram with percentiles": (
        "",
        DateHistogram(MINUTE_MS, {"p": Percentiles("duration_ms")}),
    ),
    "terms of errors": ("level:ERROR", Terms("error_type")),
    "cardinality of path": ("", Cardinality("path")),
}


def events_of(lines: int, step_ms: float = 1) -> Iterator[tuple[int, AnyEvents]]:
    """Yield the documents of the corpus in batches, and the bytes of their lines."""
    enricher = Enricher(CONTEXT)
    offset = 0
    for data in corpus.blocks(lines, step_ms=step_ms):
        end = offset + len(data)
        block = Block(1, "/var/log/app.log", "f" * 20, offset, end, data, 0, LINE_BYTES)
        offset = block.end
        yield len(data), enricher.enrich(block)


def write(path: Path, lines: int, step_ms: float = 1) -> None:
    """Write the corpus into a new store, `step_ms` from one record to the next; print the cost."""
    writer = EmbeddedWriter(path, keep_seconds=10**9, max_bytes=100 << 30)
    raw, cpu = 0, 0.0
    for size, events in events_of(lines, step_ms):
        raw += size
        started = time.process_time()
        refused = writer.store([events.prepared_by(IndexPreparer()).incoming])
        writer.retain(events.times[-1])
        cpu += time.process_time() - started
        if refused:
            raise SystemExit(f"refused: {refused[0]}")
    print(f"{lines / cpu:,.0f} records/s per core, {cpu / lines * 1e6:.1f} us CPU a record")
    print(f"store / raw bytes: {writer.size_bytes() / raw:.2f}")
    print(f"peak RSS: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    started = time.perf_counter()
    count = sum(len(positions) for _, positions in writer.origins_after(0))
    print(f"origins of {count:,} records: {time.perf_counter() - started:.2f} s")
    writer.close()


def ask(store: Store) -> None:
    """Print the median time of each question."""
    for name, (query, aggregation) in QUESTIONS.items():
        question = Question(Selection(query), {"x": aggregation})
        print(f"{median_ms(partial(store.ask, [question])):8.1f} ms  {name}")
    words = Selection("timeout OR locked")
    search = median_ms(lambda: list(store.search(words, limit=100).hits))
    print(f"{search:8.1f} ms  search for words, 100 hits")
    (last,) = store.search(Selection(), limit=1).hits
    lately = Selection("timeout OR locked", last.time - MINUTE_MS)
    print(f"{median_ms(partial(store.count, lately)):8.1f} ms  count of words, the last minute")
    needle = Selection(f"request_id:{last.source.get('request_id', 'req_none')}")
    print(f"{median_ms(partial(store.count, needle)):8.1f} ms  count of one request_id")


def median_ms(call: Callable[[], object]) -> float:
    """Measure a call by the wall clock."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.store")
    parser.add_argument("lines", nargs="?", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        write(path, lines)
        with closing(open_embedded(path)) as store:
            ask(store)


if __name__ == "__main__":
    main()
