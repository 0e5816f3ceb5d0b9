"""
What an audit costs, and the receipts that it goes by.

    python -m bench.audit 1000000

Lines are shipped into the embedded store by a real shipper, then audited: CPU seconds (user + sys)
and the time of the whole thing, of taking the account and of looking everything up. The budget is
2 s for a million records. With `--elasticsearch N` the same with N lines and a real node: how many
requests it takes (budget: 100 for a million). At the end, what a million records are in receipts.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar

from bench import corpus
from shipper.audit.collect import take_account
from shipper.audit.examine import examine
from shipper.config.main import Config, load
from shipper.config.outputs import ElasticsearchOutput
from shipper.store.elasticsearch.requests import Requests
from shipper.store.elasticsearch.setup import set_up
from shipper.store.opening import store_of
from tests.servers.elasticsearch import LocalNode, NoServerError, require_tools

CONFIG = """\
service: {{name: orders, environment: bench, version: 1.0.0}}
namespace: bench
data_dir: {folder}/var
inputs: [{{paths: ["{folder}/logs/*.log"]}}]
output: {{{output}}}
"""

Value = TypeVar("Value")


def timed(name: str, call: Callable[[], Value]) -> Value:
    """Call, and print the CPU time of this process and the time it took."""
    started, before = time.perf_counter(), cpu()
    value = call()
    print(f"{cpu() - before:7.2f} s CPU {time.perf_counter() - started:7.2f} s  {name}")
    return value


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def shipped(folder: Path, lines: int, output: str) -> Config:
    """Write lines and ship them."""
    (folder / "logs").mkdir()
    corpus.write(folder / "logs/app.log", lines)
    path = folder / "shipper.yml"
    path.write_text(CONFIG.format(folder=folder, output=output))
    command = [sys.executable, "-m", "shipper", "--config", str(path), "run", "--once"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return load(path)


def audit(config: Config, lines: int) -> None:
    def whole() -> int:
        with closing(store_of(config)) as store:
            return examine(store, take_account(config, 0)).indexed

    assert timed(f"audit of {lines:,} records", whole) == lines
    account = timed("  the account", lambda: take_account(config, 0))
    with closing(store_of(config)) as store:
        timed("  the store", lambda: examine(store, account))


def embedded(lines: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        config = shipped(Path(name), lines, f"embedded: {{path: {name}/index}}")
        audit(config, lines)
        receipts(config, lines)


def receipts(config: Config, lines: int) -> None:
    """Print what receipts take on the disk, as bytes of their values."""
    with closing(sqlite3.connect(config.data_dir / "registry.db")) as db:
        rows = db.execute("SELECT * FROM receipts").fetchall()
    size = sum(len(value) if isinstance(value, str) else 6 for row in rows for value in row)
    each = 1_000_000 / lines
    print(f"{len(rows) * each:7.0f} receipts, {size * each:,.0f} bytes a million records")


def elasticsearch(lines: int) -> None:
    with ExitStack() as stack:
        url = os.environ.get("SHIPPER_TEST_ELASTICSEARCH")
        if not url:
            node = LocalNode(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            try:
                require_tools()
                node.start()
            except NoServerError as error:
                print(f"no Elasticsearch: {error}")
                return
            stack.callback(node.stop)
            url = node.url
        list(set_up(ElasticsearchOutput(hosts=(url,))))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = shipped(folder, lines, f'elasticsearch: {{hosts: ["{url}"]}}')
        time.sleep(3)  # until the last refresh
        asked: list[str] = []
        request = Requests.request

        def counted(
            self: Requests, method: str, target: str, *rest: object, **options: object
        ) -> bytes:
            asked.append(target)
            return request(self, method, target, *rest, **options)  # type: ignore[arg-type]

        Requests.request = counted  # type: ignore[method-assign]
        with closing(store_of(config)) as store:
            account = take_account(config, 0)
            timed(f"Elasticsearch, {lines:,} records", lambda: examine(store, account))
        print(f"{len(asked):7d} requests")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit")
    parser.add_argument("lines", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--elasticsearch", type=int, default=200_000, metavar="LINES")
    options = parser.parse_args()
    embedded(options.lines)
    if options.elasticsearch:
        elasticsearch(options.elasticsearch)


if __name__ == "__main__":
    main()
