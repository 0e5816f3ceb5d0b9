"""Tests of `shipper search` on a real index."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from tests.commands.cli_index import MINUTE, START, access, config_in, record, store_records

RECORDS = [
    record(START + 1 * MINUTE, "INFO", "Worker started"),
    access(START + 2 * MINUTE, 200, 10.0),
    record(START + 3 * MINUTE, "ERROR", "Task failed", error_type="TimeoutError"),
    access(START + 4 * MINUTE, 503, 250.0),
    record(START + 4 * MINUTE + 1, "ERROR", "Task \x1b[2Jfailed", error_type="TimeoutError"),
    record(START + 6 * MINUTE, "ERROR", "Task failed", error_type="ValueError"),
    record(START + 6 * MINUTE + 5, "CRITICAL", "Database gone"),
    record(START + 7 * MINUTE, "WARNING", "Queue is long", extra={"depth": 120}),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    store_records(folder, RECORDS)
    return config_in(folder)


def search(config: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), "search", *args])


def documents(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def messages(result: Result) -> list[str]:
    return [found["message"] for found in documents(result)]


def test_without_a_query_all_is_found_in_reading_order(config: Path) -> None:
    """As in a log file, the newest record is the last line, above the prompt."""
    result = search(config)

    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert len(lines) == len(RECORDS)
    assert (
        lines[0]
        == "2026-02-05T00:01:00.000Z INFO     automation_orchestrator.worker Worker started"
    )
    assert lines[-1].endswith("Queue is long depth=120")


def test_a_limit_keeps_the_newest(config: Path) -> None:
    """--limit 2 shows the last two records; --sort chooses others, in its order."""
    newest, oldest, descending = (
        messages(search(config, "--json", "--limit", "2", *sort))
        for sort in ([], ["--sort", "asc"], ["--sort", "desc"])
    )

    assert newest == ["Database gone", "Queue is long"]
    assert oldest == ["Worker started", "GET /api/workflows 200"]
    assert descending == newest[::-1]


def test_json_has_the_whole_document_with_its_id(config: Path) -> None:
    """A script gets every field, under the names that queries use."""
    (found,) = documents(search(config, "error_type:ValueError", "--json"))

    assert found["_id"].endswith("-5")
    assert found["level"] == "ERROR"
    assert found["event"]["dataset"] == "orchestrator.app"


def test_nothing_in_a_record_steers_the_terminal(config: Path) -> None:
    """Escape sequences in a record are shown as text, for people and programs."""
    for args in ([], ["--json"], ["--by", "message"]):
        assert "\x1b" not in search(config, *args).stdout


def test_words_that_the_shell_split_are_one_query(config: Path) -> None:
    """`shipper search level:ERROR error_type:ValueError` needs no quotes."""
    assert len(documents(search(config, "level:ERROR", "error_type:ValueError", "--json"))) == 1


def test_since_is_included_and_until_is_not(config: Path) -> None:
    """Adjacent periods count every record once."""
    result = search(config, "--since", "2026-02-05T00:02", "--until", "2026-02-05T00:04Z", "--json")

    assert messages(result) == ["GET /api/workflows 200", "Task failed"]


@pytest.mark.parametrize("mode", [[], ["--json"], ["--by", "level"], ["--every", "1m"]])
def test_nothing_found_is_exit_code_1(config: Path, mode: list[str]) -> None:
    """As with grep, a script asks by the exit code alone."""
    result = search(config, "level:DEBUG", *mode)

    assert (result.exit_code, result.output) == (1, "")


def test_count_is_one_number(config: Path) -> None:
    """`$(shipper search … --count)` is a number even where nothing matches."""
    assert search(config, "level:ERROR", "--count").output == "3\n"
    nothing = search(config, "level:DEBUG", "--count")
    assert (nothing.exit_code, nothing.output) == (1, "0\n")


def test_by_counts_per_value(config: Path) -> None:
    """Most frequent first; other values and records without one are counted too."""
    shown = search(config, "--by", "level", "--limit", "2").stdout.splitlines()

    assert [line.split()[:2] for line in shown] == [
        ["level", "count"],
        ["ERROR", "3"],
        ["INFO", "3"],
        ["(others)", "2"],
    ]
    assert search(config, "level:ERROR", "--by", "error_type", "--json").stdout.splitlines() == [
        '{"value":"TimeoutError","count":2,"share":0.666667}',
        '{"value":"ValueError","count":1,"share":0.333333}',
    ]


def test_by_a_field_that_no_record_has_says_so(config: Path) -> None:
    """A mistyped field is not mistaken for an empty index."""
    result = search(config, "--by", "eror_type")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "none of 8 records has the field eror_type; did you mean error_type?" in result.stderr


def test_every_counts_per_slot_with_the_empty_ones(config: Path) -> None:
    """Slots without errors are shown."""
    span = ["--since", "2026-02-05", "--until", "2026-02-05T00:08"]
    lines = search(config, "level:ERROR", "--every", "2m", "--json", *span).stdout.splitlines()

    assert [json.loads(line) for line in lines] == [
        {"time": "2026-02-05T00:00:00.000Z", "count": 0},
        {"time": "2026-02-05T00:02:00.000Z", "count": 1},
        {"time": "2026-02-05T00:04:00.000Z", "count": 1},
        {"time": "2026-02-05T00:06:00.000Z", "count": 1},
    ]


def test_by_and_every_count_per_slot_and_value(config: Path) -> None:
    """--by and --every together count each value per slot."""
    result = search(config, "level:ERROR", "--by", "error_type", "--every", "3m")

    assert [line.split() for line in result.stdout.splitlines()] == [
        ["time", "total", "TimeoutError", "ValueError"],
        ["2026-02-05T00:03Z", "2", "2", "0"],
        ["2026-02-05T00:06Z", "1", "0", "1"],
    ]
    as_json = search(config, "--by", "error_type", "--every", "1h", "--json")
    assert documents(as_json) == [
        {
            "time": "2026-02-05T00:00:00.000Z",
            "count": 8,
            "values": {"TimeoutError": 2, "ValueError": 1},
        }
    ]


@pytest.mark.parametrize(
    "args",
    [
        ["--count", "--by", "level"],
        ["--count", "--every", "1m"],
        ["--follow", "--count"],
        ["--follow", "--until", "1m"],
        ["--sort", "asc", "--by", "level"],
        ["--every", "1m", "--limit", "3"],
        ["--every", "1s", "--since", "7d"],
        ["--every", "0s"],
        ["--limit", "0"],
        ["--since", "1h", "--until", "2h"],
        ["--sort", "up"],
    ],
)
def test_options_that_mean_nothing_together_are_refused(config: Path, args: list[str]) -> None:
    """No option is silently ignored."""
    result = search(config, *args)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert "Try 'shipper search --help'" in result.stderr


def test_a_query_that_cannot_be_answered_exits_with_2(config: Path) -> None:
    """A syntax error points at its place."""
    result = search(config, "level:(ERROR")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("shipper: ")
    assert "Traceback" not in result.stderr


def test_an_index_that_is_not_there_exits_with_3(tmp_path: Path) -> None:
    """Before the shipper ran there is no index, which is an error, not an empty result."""
    result = search(config_in(tmp_path), "--count")

    assert result.exit_code == 3
    assert result.stdout == ""
    assert str(tmp_path / "index") in result.stderr


def test_an_output_that_keeps_nothing_cannot_be_searched(tmp_path: Path) -> None:
    """The console output cannot be searched, and the error says what can."""
    config = config_in(tmp_path)
    config.write_text(config.read_text().split("output:")[0] + "output: {console: {}}\n")

    result = search(config)

    assert result.exit_code == 2
    assert "use output.embedded" in result.stderr


def on_a_terminal(config: Path, *args: str, **environment: str) -> str:
    """Run a search on a terminal; return what the terminal receives."""
    ours, theirs = pty.openpty()
    asked = args or ("level:ERROR",)
    command = [sys.executable, "-m", "shipper", "--config", str(config), "search", *asked]
    with open(theirs, "wb") as terminal, open(ours, "rb", buffering=0) as screen:
        subprocess.run(
            command,
            stdout=terminal,
            stderr=terminal,
            stdin=subprocess.DEVNULL,
            check=not args,
            timeout=60,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment},
        )
        return screen.read(100_000).decode()


def test_colours_are_for_terminals_that_want_them(config: Path) -> None:
    """A pipe, NO_COLOR and a dumb terminal get no colours."""
    coloured = on_a_terminal(config)

    assert "\x1b[31mERROR" in coloured
    assert coloured.count("\x1b") == coloured.count("\x1b[")  # nothing but colours
    assert r"Task \x1b[2Jfailed" in coloured
    assert "\x1b" not in on_a_terminal(config, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(config, TERM="dumb")


def test_what_was_asked_for_is_underlined(config: Path) -> None:
    """On a terminal with colours, in the case that the message has."""
    assert "\x1b[1;4mfailed\x1b[0m" in on_a_terminal(config, "message:FAILED")
    assert "\x1b" not in on_a_terminal(config, "message:FAILED", NO_COLOR="1")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("lvl:error", "no record has a field lvl; did you mean level?"),
        ("level:ERROR frobnication:*", "no record has a field frobnication\r"),
        (r"odd\ key\(x\):5", "no record has a field odd key(x)"),
        ("depth:7", "no record matches"),
        ("level:DEBUG", "no record matches"),
    ],
)
def test_a_terminal_says_that_nothing_was_found(config: Path, query: str, said: str) -> None:
    """A mistyped field is not mistaken for peace."""
    assert f"shipper: {said}" in on_a_terminal(config, query)


def test_a_terminal_says_nothing_of_records_that_match(config: Path) -> None:
    """A field that no record has is one thing, a query that no record matches another."""
    shown = on_a_terminal(config, "level:ERROR", "--by", "lvl")

    assert "none of 3 records has the field lvl; did you mean level?" in shown
    assert "no record" not in shown


def test_records_of_one_millisecond(tmp_path: Path) -> None:
    """They are shown in the order of their numbers, and a limit keeps the newest of them."""
    run = "01KGQ70000ABCDEFGHJKMNPQRS"
    same = [record(START, "INFO", f"step {seq}", run=run, seq=seq) for seq in (0, 2, 1, 3)]
    store_records(tmp_path, [record(START - 1, "INFO", "before"), *same])
    config = config_in(tmp_path)

    everything = messages(search(config, "--json"))

    assert everything == ["before", "step 0", "step 1", "step 2", "step 3"]
    assert messages(search(config, "--json", "--sort", "desc")) == everything[::-1]
    assert messages(search(config, "--json", "--sort", "asc")) == everything
    assert messages(search(config, "--json", "--limit", "1")) == ["step 3"]


def test_a_record_of_the_far_future(tmp_path: Path) -> None:
    """A clock that ran wild once costs no histogram; that it is left out is said."""
    far = record(7_226_582_400_000, "INFO", "from 2199")
    store_records(tmp_path, [record(START, "INFO", "now"), far])
    config = config_in(tmp_path)

    for by in ([], ["--by", "level"]):
        found = search(config, "--every", "1d", *by, "--until", "2026-02-06")
        assert (found.exit_code, found.stderr) == (0, "")
        found = search(config, "--every", "30d", *by)
        assert found.exit_code == 0
        assert "1 record dated in the future left out" in found.stderr
        assert "2199" not in found.stdout


def test_by_takes_one_field(config: Path) -> None:
    """A second --by is refused, rather than the first one dropped."""
    result = search(config, "--by", "level", "--by", "logger")

    assert result.exit_code == 2
    assert "--by takes one field" in result.stderr


def test_times_of_another_zone(config: Path) -> None:
    """--tz is the zone of the times that are given and of those that are shown, wherever it is."""
    args = ["--since", "2026-02-05T02:06", "--until", "2026-02-05T02:07"]
    shown = search(config, *args, "--tz", "+02:00").stdout.splitlines()
    assert [line[:29] for line in shown] == [
        "2026-02-05T02:06:00.000+02:00",
        "2026-02-05T02:06:00.005+02:00",
    ]
    slots = search(config, *args, "--tz", "+02:00", "--every", "1m").stdout
    assert "2026-02-05T02:06+02:00" in slots
    assert search(config, "--tz", "Mars/Base").exit_code == 2


def test_how_a_time_was_written_is_not_shown_again(tmp_path: Path) -> None:
    """The other form of the time, or of another field, is kept but doesn't fill each line."""
    extra = {"timestamp": "2026-02-05 00:00:00,000", "level": "err", "status_code": "503", "n": 1}
    odd = {"ts": "yesterday", "time": 5}
    records = [
        record(START, "ERROR", "a", status_code=503, extra=extra),
        record(START + 1, "ERROR", "b", extra=odd, tags=["no_timestamp"]),
    ]
    store_records(tmp_path, records)

    first, second = search(config_in(tmp_path)).stdout.splitlines()

    assert first.split(" a ")[1] == "status_code=503 n=1"
    assert "ts=yesterday time=5" in second


def test_a_terminal_that_lacks_letters_gets_escapes(config: Path) -> None:
    """Bars and umlauts do not fail in an old locale."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "--config", str(config), "search", "--by", "level"],
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )

    assert (done.returncode, done.stderr) == (0, b"")


class Following:
    """`shipper search --follow` as a process; its lines as they arrive."""

    def __init__(self, config: Path, *args: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shipper", "--config", str(config), "search", "--follow", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self) -> str:
        try:
            return self._lines.get(timeout=20)
        except Empty:
            pytest.fail("no line came within 20 s")

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=20)
        self._reader.join(20)
        return self.process.returncode, errors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store_records(tmp_path, RECORDS[:3])
    config_in(tmp_path)
    return tmp_path


def test_follow_shows_the_last_and_then_every_new_record_once(folder: Path) -> None:
    """New records are shown soon, in order, once; Ctrl-C ends it with exit code 0."""
    following = Following(folder / "shipper.yml", "--json", "--limit", "2", "NOT level:WARNING")
    try:
        first = [json.loads(following.line())["message"] for _ in range(2)]
        store_records(folder, RECORDS[5:], first=3)
        later = [json.loads(following.line())["message"] for _ in range(2)]
        store_records(folder, RECORDS[:1], first=6)
        last = json.loads(following.line())["message"]
    finally:
        ended = following.end()

    assert first == ["GET /api/workflows 200", "Task failed"]
    assert later == ["Task failed", "Database gone"]
    assert last == "Worker started"
    assert ended == (0, "")


def test_a_reader_that_leaves_ends_a_search_quietly(folder: Path) -> None:
    """`shipper search | head -1` prints nothing on stderr, however long the output."""
    records = [record(START + number, "INFO", "x" * 1000) for number in range(300)]
    store_records(folder, records, first=10)
    command = f"{sys.executable} -m shipper --config {folder}/shipper.yml search --limit 300"

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
