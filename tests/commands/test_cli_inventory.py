"""Tests of finding out what is there: `shipper fields`; columns, numbers, context of search."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from shipper.store.embedded.writer import EmbeddedWriter
from tests.commands.cli_index import MINUTE, RUN, START, access, config_in, record, store_records

RECORDS = [
    record(START + 1 * MINUTE, "INFO", "Task 1 started", run=RUN, seq=0),
    access(START + 2 * MINUTE, 200, 10.0) | {"run": RUN, "seq": 1},
    record(START + 3 * MINUTE, "ERROR", 'Task 1 "fast", failed\nbadly', run=RUN, seq=2),
    access(START + 4 * MINUTE, 503, 250.0) | {"run": RUN, "seq": 3},
    record(START + 5 * MINUTE, "INFO", "Task 2 started", run=RUN, seq=4),
    record(START + 6 * MINUTE, "ERROR", "=1+\x1b[2J", run=RUN, seq=5, extra={"a.b": {"depth": 7}}),
]
STREAM = "0123456789abcdef"
LINES = ["first", "second", "the fault", "fourth", "fifth"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inventory")
    store_records(folder, RECORDS)
    writer = EmbeddedWriter(folder / "index", keep_seconds=10**9, max_bytes=10**9)
    docs = [
        {
            "message": line,
            "event": {"dataset": "nginx.error"},
            "log": {"file": {"path": "/x.log"}, "offset": 10 * number, "stream": STREAM},
        }
        for number, line in enumerate(LINES)
    ]
    try:
        writer.write(
            [f"{STREAM}-{10 * number}" for number in range(len(docs))],
            [json.dumps(doc).encode() for doc in docs],
            [START + 10 * MINUTE] * len(docs),
        )
    finally:
        writer.close()
    return config_in(folder)


def run(config: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), *args])


def test_fields_are_listed_with_shares_and_values(config: Path) -> None:
    """Every field has its type, its exact share, the number of its values and some of them."""
    result = run(config, "fields", "--json")

    found = {each["field"]: each for each in map(json.loads, result.stdout.splitlines())}
    assert found["status_code"] == {
        "field": "status_code",
        "type": "integer",
        "count": 2,
        "share": round(2 / 11, 6),
        "distinct": 2,
        "exact": True,
        "examples": ["503", "200"],
    }
    assert found["message"]["count"] == len(RECORDS) + len(LINES)
    assert found["log.stream"]["examples"] == [STREAM]
    assert found["a.b.depth"]["type"] == "integer"
    assert found["a.b.depth"]["count"] == 1


def test_fields_of_a_query_and_a_smaller_sample(config: Path) -> None:
    """Counts stay exact if the sample is smaller; what is not exact is said to be so."""
    result = run(config, "fields", "level:ERROR", "--sample", "1")

    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "100.0 %" in rows["level"]
    assert "≥ 1" in rows["message"]
    assert "\x1b" not in result.stdout
    assert "newest 1 of 2 records" in result.stderr
    assert run(config, "fields", "level:NO").exit_code == 1


def test_csv_is_read_back_as_it_was(config: Path) -> None:
    """Quotes, commas and line ends are one cell; control characters are escapes."""
    result = run(config, "search", "--columns", "level, message", "--format", "csv", "level:ERROR")

    assert list(csv.reader(io.StringIO(result.stdout))) == [
        ["level", "message"],
        ["ERROR", 'Task 1 "fast", failed\nbadly'],
        ["ERROR", "=1+\\x1b[2J"],
    ]


def test_columns_are_fields_by_the_names_of_queries(config: Path) -> None:
    """An alias, a key of an object and one with dots in it lead to the values that queries find."""
    columns = "timestamp,log.level,event.dataset,a.b.depth,_id"
    result = run(config, "search", "a.b.depth:7", "--columns", columns)

    heading, line = result.stdout.splitlines()
    assert heading.split() == columns.split(",")
    assert line.split() == [
        *("2026-02-05T00:06:00.000Z", "ERROR", "orchestrator.app", "7", f"{RUN}-5"),
    ]
    as_json = run(config, "search", "a.b.depth:7", "--columns", "level,nothing", "--json")
    assert as_json.stdout == '{"level":"ERROR"}\n'


def test_counts_are_csv_too(config: Path) -> None:
    """What `--json` says per value or slot, CSV says in columns."""
    by = run(config, "search", "level:*", "--by", "level", "--format", "csv")
    assert by.stdout.splitlines() == ["value,count,share", "INFO,4,0.666667", "ERROR,2,0.333333"]

    grid = run(
        config, "search", "status_code:*", "--by", "status_code", "--every", "2m", "--format", "csv"
    )
    assert grid.stdout.splitlines()[0] == "time,count,200,503"


def test_statistics_and_percentiles_of_a_number(config: Path) -> None:
    """--stats and --percentiles answer in numbers, for all records or per value or slot."""
    (stats,) = map(
        json.loads, run(config, "search", "--stats", "duration_ms", "--json").stdout.splitlines()
    )
    assert stats == {"records": 2, "min": 10.0, "mean": 130.0, "max": 250.0, "sum": 260.0}

    by = run(config, "search", "--percentiles", "duration_ms", "--by", "status_code", "--json")
    rows = [json.loads(line) for line in by.stdout.splitlines()]
    assert [row["status_code"] for row in rows] == [200, 503]
    assert rows[1]["p99"] == pytest.approx(250, rel=0.01)

    every = run(config, "search", "status_code:*", "--stats", "duration_ms", "--every", "1m")
    assert [line.split()[1:3] for line in every.stdout.splitlines()] == [
        *(["records", "min"], ["1", "10"], ["0", "-"], ["1", "250"]),
    ]
    assert run(config, "search", "level:NO", "--stats", "duration_ms").exit_code == 1


def test_context_is_what_the_same_process_wrote(config: Path) -> None:
    """-A and -B show the neighbours by number, whichever file they are in."""
    result = run(config, "search", "status_code:503", "-B", "1", "-A", "1")
    assert [line[0] for line in result.stdout.splitlines()] == [" ", ">", " "]
    assert "failed" in result.stdout.splitlines()[0]

    both = run(config, "search", "level:ERROR", "-B", "1", "--json")
    found = [json.loads(line) for line in both.stdout.splitlines()]
    assert [(each["seq"], "_context" in each) for each in found] == [
        *((1, True), (2, False), (4, True), (5, False)),
    ]


def test_context_of_other_lines_is_their_file(config: Path) -> None:
    """Lines without a number have those around them that stand in their file, of one time too."""
    result = run(config, "search", 'message:"fault"', "-B", "1", "-A", "5", "--json")

    found = [json.loads(line)["message"] for line in result.stdout.splitlines()]
    assert found == ["second", "the fault", "fourth", "fifth"]


def test_groups_of_context_are_set_apart(config: Path) -> None:
    """As with grep, `--` stands between records that do not follow each other."""
    result = run(config, "search", "status_code:200 OR seq:5", "-B", "1")

    assert result.stdout.splitlines()[2] == "--"


def test_similar_messages_are_counted(config: Path) -> None:
    """--patterns shows what messages have in common, most frequent first."""
    result = run(config, "search", "--patterns", "--json", "level:INFO")

    assert [
        (each["pattern"], each["count"]) for each in map(json.loads, result.stdout.splitlines())
    ] == [
        *(("GET /api/workflows <*>", 2), ("Task <*> started", 2)),
    ]


@pytest.mark.parametrize(
    "options",
    [
        ["--stats", "duration_ms", "--percentiles", "duration_ms"],
        ["--stats", "duration_ms", "--columns", "level"],
        ["--stats", "duration_ms", "--limit", "3"],
        ["--patterns", "--by", "level"],
        ["--follow", "--format", "csv"],
        ["-A", "1", "--format", "csv"],
        ["--json", "--format", "csv"],
        ["--columns", ","],
        ["--count", "--columns", "level"],
    ],
)
def test_what_cannot_be_combined_is_refused(config: Path, options: list[str]) -> None:
    """Wrong usage exits with 2, before a store is opened."""
    assert run(config, "search", *options).exit_code == 2


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_rows_of_sql_cannot_steer_the_terminal(config: Path, form: str) -> None:
    """What a line holds is shown with escapes in every form, as by `shipper search`."""
    select = "SELECT message, message || chr(8238) AS turned FROM logs WHERE message LIKE '=1%'"
    result = run(config, "sql", "--format", form, select)

    assert result.exit_code == 0
    assert "=1+" in result.stdout
    assert not {"\x1b", "\u202e"} & {*result.stdout}
    assert len(result.stdout.splitlines()) == {"table": 3, "csv": 2, "json": 1}[form]


def test_a_line_end_in_a_row_of_sql_stays_one_in_csv(config: Path) -> None:
    """Values that no terminal minds come back as they are."""
    select = "SELECT message FROM logs WHERE message LIKE 'Task 1 \"%'"
    result = run(config, "sql", "--format", "csv", select)

    assert [*csv.reader(io.StringIO(result.stdout))] == [
        ["message"],
        ['Task 1 "fast", failed\nbadly'],
    ]


def test_words_of_sql_are_one_statement(config: Path) -> None:
    """As those of a query are."""
    result = run(config, "sql", "SELECT", "1", "AS", "one", "--format", "json")

    assert (result.exit_code, result.stdout) == (0, '{"one":1}\n')


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("there.csv", "exists already; use another name, or --force to replace it"),
        ("a.txt", "does not end in .parquet, .ndjson or .csv; use such a name"),
        ("no/a.csv", "cannot be written: No such file or directory; correct the path"),
    ],
)
def test_a_file_that_cannot_be_exported_to_is_one_message(
    config: Path, tmp_path: Path, name: str, fault: str
) -> None:
    """It says where, what and what to do, without the usage, and nothing is written."""
    (tmp_path / "there.csv").write_text("mine")
    result = run(config, "export", str(tmp_path / name))

    assert result.exit_code == 2
    assert str(tmp_path / name) in result.stderr
    assert fault in result.stderr
    assert "Usage" not in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert run(config, "export", str(tmp_path / "there.csv"), "--force").exit_code == 0
