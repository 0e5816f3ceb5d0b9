"""Each format reads what its program writes: time, level, fields, what goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.config.main import Config
from shipper.config.options import read_options
from shipper.errors import ConfigError
from shipper.formats.detect import fit_of, recognize
from shipper.formats.matching import compile_ready
from shipper.formats.table import FORMATS
from tests.formats.reading import config_of, read_as

UTC = "time: {zone: UTC}"
SAMPLES = [(name, sample) for name, each in FORMATS.items() for sample in each.samples]


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_every_sample_of_a_format_is_read_by_it(name: str, sample: str) -> None:
    """What the docs show as a sample has its format, and no tag but that it has no time."""
    (doc,) = read_as(f"format: {name}, {UTC}", sample + "\n")

    tags = doc.get("tags", [])
    assert tags == [] or (tags == ["no_timestamp"] and sample.startswith("ERROR:"))
    assert doc["message"]
    if not tags:
        assert doc["@timestamp"].startswith("2026-02-05T14:30:45")


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_sample_is_recognized(name: str, sample: str) -> None:
    """One line is enough to tell a format, where no other looks like it; Apache's by its path."""
    path = "/var/log/apache2/access.log" if name == "apache" else "/srv/logs/a.log"

    found = recognize((sample + "\n").encode() * 3, path)

    assert found == ("" if name == "text" else name)


def test_an_access_log_has_numbers_and_whose_error_it_was() -> None:
    """A status of nginx is found as one of the application's own access log is."""
    line = '203.0.113.7 - - [05/Feb/2026:14:30:45 +0100] "GET /a?b=1 HTTP/1.1" 502 12 "-" "curl"\n'
    (doc,) = read_as("format: nginx", line)

    assert doc["status_code"] == 502
    assert doc["error"]["category"] == "server"
    assert doc["@timestamp"] == "2026-02-05T13:30:45.000Z"
    assert (doc["method"], doc["path"], doc["user_agent"]) == ("GET", "/a", "curl")
    assert doc["extra"] == {"query": "b=1", "protocol": "HTTP/1.1", "bytes": 12}
    assert doc["event"]["dataset"] == "nginx.access"
    assert doc["data_stream"]["dataset"] == "orchestrator.nginx.access"  # as setup's templates
    assert doc["message"] == line.rstrip()


@pytest.mark.parametrize(
    "request_line", ['"\\x16\\x03\\x01"', '""', '"GET /a\\"b HTTP/1.1"', '"-"', '"GET"']
)
def test_a_request_that_is_none_is_kept(request_line: str) -> None:
    """Whatever a scanner sends as its request line, the record has its status and its client."""
    line = f"203.0.113.7 - - [05/Feb/2026:14:30:45 +0000] {request_line} 400 0\n"

    (doc,) = read_as("format: nginx", line)

    assert (doc["status_code"], doc["client_ip"], "tags" in doc) == (400, "203.0.113.7", False)


def test_what_does_not_fit_stays_text() -> None:
    """A line of another form is kept whole with a tag; JSON is read as JSON; blank lines go."""
    docs = read_as("format: nginx", 'no access log\n\n{"level":"warn","message":"json"}\n')

    assert [(doc["message"], doc.get("tags")) for doc in docs] == [
        ("no access log", ["no_match"]),
        ("json", ["no_timestamp"]),
    ]
    assert docs[1]["level"] == "WARNING"


def test_bytes_that_are_no_text_are_kept() -> None:
    """A line with invalid UTF-8 is no line of the format, and costs only itself."""
    data = FORMATS["nginx"].samples[0].encode()

    docs = read_as("format: nginx", data.replace(b"curl", b"\xff") + b"\n" + data + b"\n")

    assert docs[0]["tags"] == ["invalid_utf8", "no_match"]
    assert docs[1]["status_code"] == 200


TRACEBACK = """\
2026-02-05 14:30:45,123 - app - ERROR - it broke
Traceback (most recent call last):
  File "app.py", line 7, in run
    work()
app.errors.WorkflowError: no such workflow
2026-02-05 14:30:46,000 - app - INFO - next
"""
JAVA = """\
2026-02-05 14:30:45.123 [main] ERROR com.example.App - it broke
java.lang.IllegalStateException: no such workflow
\tat com.example.App.run(App.java:7)
Caused by: java.io.IOException: gone
\t... 7 more
2026-02-05 14:30:46.000 [main] INFO com.example.App - next
"""


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("python", TRACEBACK, "app.errors.WorkflowError"),
        ("java", JAVA, "java.lang.IllegalStateException"),
        ("text", TRACEBACK, "app.errors.WorkflowError"),
        ("auto", TRACEBACK, "app.errors.WorkflowError"),
    ],
)
def test_a_traceback_belongs_to_its_record(name: str, text: str, error: str) -> None:
    """The lines of a traceback are one record with its error, not one each."""
    broke, after = read_as(f"format: {name}, {UTC}", text)

    assert broke["error_type"] == error
    assert broke["exc_info"] == "\n".join(text.split("\n")[1:-2])
    assert broke["level"] == "ERROR"
    assert broke["error"]["category"] == "server"
    assert "next" in after["message"]


def test_what_goes_on_without_a_traceback_is_message() -> None:
    """A message of several lines is one message."""
    text = "71:M 05 Feb 2026 14:30:45.123 # one\ntwo\n"

    (doc,) = read_as(f"format: redis, {UTC}", text)

    assert (doc["message"], doc["level"]) == ("one\ntwo", "WARNING")


def test_a_statement_of_postgresql_belongs_to_its_error() -> None:
    """DETAIL and STATEMENT go on if they are of the same process; another's are its own."""
    head = "2026-02-05 14:30:45.123 UTC"
    text = (
        f"{head} [7] app@db ERROR:  no such table\n{head} [7] app@db STATEMENT:  select\n\t1\n"
        f"{head} [8] app@db STATEMENT:  other\n"
    )

    docs = read_as("format: postgres", text)

    assert [doc["extra"]["pid"] for doc in docs] == [7, 8]
    assert docs[0]["level"] == "ERROR"
    assert docs[0]["message"].endswith("STATEMENT:  select\n\t1")
    assert docs[0]["extra"]["database"] == "db"


def test_a_pattern_of_the_config_is_a_format() -> None:
    """Named groups, building blocks, a form of time and a zone make a format of one's own."""
    options = (
        "pattern: '%{WORD:day} %{TIME:at} %{LOGLEVEL:level} %{INT:worker} %{GREEDYDATA:message}',"
        "time: {field: at, format: '%H:%M:%S', zone: UTC}, dataset: billing.log,"
        "fields: {team: payments, tier: 1}, tags: [edge], service: billing"
    )

    doc, odd = read_as(options, "Thu 14:30:45.5 warn 7 queue is long\nodd\n")

    assert (doc["level"], doc["message"]) == ("WARNING", "queue is long")
    assert doc["@timestamp"] == "2026-02-05T14:30:45.500Z"
    assert doc["extra"] == {"team": "payments", "tier": 1, "day": "Thu", "worker": 7}
    assert doc["tags"] == ["edge"]
    assert doc["service"]["name"] == "billing"
    assert doc["event"]["dataset"] == "billing.log"
    assert odd["tags"] == ["edge", "no_match"]
    assert odd["extra"]["team"] == "payments"


def test_a_service_is_read_from_a_path() -> None:
    """One input of many services names each by the path of its files."""
    options = "format: text, service: other, service_from_path: '/srv/([^/]+)/logs/'"

    (named,) = read_as(options, "INFO: x\n", path="/srv/cart/logs/a.log")
    (other,) = read_as(options, "INFO: x\n", path="/var/log/a.log")

    assert (named["service"]["name"], other["service"]["name"]) == ("cart", "other")


HOSTILE = ["a" * 200_000, " " * 200_000, ", client: " * 20_000, '"\\' * 100_000, "[" * 200_000]
HOSTILE += ["2026-02-05 14:30:45 " + "[x" * 60_000, "1.1.1.1 - - " * 20_000, "a:" * 100_000]


@pytest.mark.parametrize("name", FORMATS)
def test_no_line_takes_long(name: str) -> None:
    """The time of a pattern of ours grows with a line, not with its square: this would hang."""
    for layout in FORMATS[name].layouts:
        match, _names = compile_ready(layout.pattern)
        for sample in FORMATS[name].samples:
            for line in HOSTILE:
                match(line)
                match(sample[: len(sample) // 2] + line)
                match(sample + line + "\x00\n")


def test_lines_that_go_on_are_no_misfits() -> None:
    """A traceback in a file does not count as lines that do not have its format."""
    assert fit_of(FORMATS["python"], TRACEBACK.splitlines()) == (2, 0)


def test_a_pattern_of_a_user_cannot_stop_the_shipper() -> None:
    """Nested repetitions, on which `re` would run for ages, take linear time: this would hang."""
    line = "a" * 5000 + "!"

    (doc,) = read_as("pattern: '(?P<message>(a+)+)(?P<time>b)'", line + "\n")
    joined = read_as("format: text, multiline: {first_line: '(a+)+b'}", f"{line}\n{line}\n")

    assert doc["tags"] == ["no_match"]
    assert len(joined) == 1


def test_a_first_line_with_look_around_still_works() -> None:
    """What only `re` knows is left to it, as in a config of an older version."""
    options = "format: text, multiline: {first_line: '(?!  )'}"

    assert len(read_as(options, "one\n  more\ntwo\n")) == 2


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("pattern: '(?P<time>a)(?=b)'", "look-around"),
        ("pattern: '%{NOPE:x}'", "there is no block"),
        ("pattern: '%{IP:a.b}'", "name of a group"),
        ("pattern: 'a'", "no named group"),
        ("pattern: '(?P<x>a)'", "no group time"),
        ("pattern: '(?P<time>a)', format: nginx", "beside a pattern"),
        ("time: {format: '%Y'}", "belong to a pattern"),
        ("time: {zone: Europe/Atlantis}", "not a time zone"),
        ("time: {zone: ../../etc/passwd}", "not a time zone"),
        ("service_from_path: '/srv/'", "0 groups"),
        ("dataset: Nginx", "not valid"),
        ("format: iis", "not valid"),
        ("fields: {'a b': 1}", "not valid"),
    ],
)
def test_a_wrong_option_is_refused(options: str, fault: str) -> None:
    """A pattern, zone or name that cannot be is an error of the config that says why."""
    with pytest.raises(ConfigError, match=fault):
        config_of(options)


def test_the_config_of_a_host_in_the_docs_loads() -> None:
    """The first example of the page is a whole config."""
    page = (Path(__file__).parent.parent.parent / "docs/formats.md").read_text()

    config: Config = read_options(page.split("```yaml\n")[1].split("```")[0], Config)

    assert len(config.inputs) == 5
