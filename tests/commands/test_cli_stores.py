"""Commands print the same on either store."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from tests.commands.cli_index import MINUTE, RUN, START, access, config_in, record, store_records
from tests.store.store_loading import Node
from tests.store.store_records import Record

RECORDS = [
    record(START + 1 * MINUTE, "INFO", "Worker started"),
    access(START + 2 * MINUTE, 200, 10.0),
    record(START + 3 * MINUTE, "ERROR", "Task failed", error_type="TimeoutError"),
    access(START + 4 * MINUTE, 503, 250.0),
    record(START + 6 * MINUTE, "ERROR", "Task failed", error_type="ValueError"),
    record(START + 7 * MINUTE, "WARNING", "Queue is long", extra={"depth": 120}),
    record(START + 7 * MINUTE, "WARNING", "Queue is longer", extra={"depth": 1200}),
]
OUTPUT = "output:\n  elasticsearch: {{hosts: [{url}]}}\n"
LOGSTASH = "output:\n  logstash: {{hosts: [localhost:5044]}}\n"
SEARCH = f"{LOGSTASH}search:\n  elasticsearch: {{{{hosts: [{{url}}]}}}}\n"
COMMANDS = [
    ["search"],
    ["search", "--json", "--limit", "2"],
    ["search", "--json", "--sort", "asc", "depth:>500 OR message:failed"],
    ["search", "level:ERROR", "--count"],
    ["search", "level:DEBUG"],
    ["search", "level:", "--count"],
    ["search", "--by", "error_type", "--json"],
    ["search", "--by", "status_code", "--every", "1m"],
    ["search", "--every", "2m", "--since", "2026-02-05", "--until", "2026-02-05T00:10"],
    ["report", "daily", "--date", "2026-02-05", "--directory", "reports"],
]


def run(config: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), *args])


@pytest.fixture(scope="module")
def namespace(elasticsearch_url: str) -> Node:
    """The records in Elasticsearch."""
    node = Node(elasticsearch_url, uuid.uuid4().hex)
    documents = [{k: v for k, v in each.items() if k != "at"} for each in RECORDS]
    node.send(
        [
            Record(f"{RUN}-{number}", json.dumps(document).encode(), RECORDS[number]["at"])
            for number, document in enumerate(documents)
        ]
    )
    return node


@pytest.mark.server
@pytest.mark.parametrize("place", [OUTPUT, SEARCH], ids=["elasticsearch", "logstash"])
def test_every_command_gives_what_it_gives_on_the_embedded_index(
    namespace: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Changing the output of the config does not change what commands print."""
    monkeypatch.chdir(tmp_path)
    store_records(tmp_path, RECORDS)
    embedded = config_in(tmp_path)
    head = embedded.read_text().partition("output:")[0]
    other = tmp_path / "other.yml"
    reports = f"reports: {{metrics: {tmp_path}/metrics, folder: {tmp_path}/reports}}\n"
    text = f"{head}namespace: {namespace.namespace}\n{reports}{place.format(url=namespace.url)}"
    other.write_text(text)

    for command in COMMANDS:
        wanted, found = run(embedded, *command), run(other, *command)

        assert found.stdout == wanted.stdout, command
        assert found.exit_code == wanted.exit_code


def test_a_config_must_say_where_logstash_puts_the_records(tmp_path: Path) -> None:
    """With output.logstash, the address of Elasticsearch must be configured."""
    config = config_in(tmp_path)
    head = config.read_text().partition("output:")[0]
    config.write_text(head + LOGSTASH.format())

    result = run(config, "search")

    assert result.exit_code == 2
    assert "add search.elasticsearch" in result.stderr


def test_an_elasticsearch_that_is_not_there_exits_with_3(tmp_path: Path) -> None:
    """An unreachable store is an error of one line, with the address."""
    config = config_in(tmp_path)
    head = config.read_text().partition("output:")[0]
    config.write_text(head + OUTPUT.format(url="http://127.0.0.1:9"))

    result = run(config, "search")

    assert result.exit_code == 3
    assert "cannot reach http://127.0.0.1:9" in result.stderr
    assert len(result.stderr.splitlines()) == 1
