# ruff: noqa: E501 -- lines as IIS and CloudFront write them
"""W3C extended logs: the last `#Fields:` before a line says what its columns are."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.agent.inputs import cutting_of
from shipper.enrich.enricher import Enricher
from shipper.enrich.w3c import MOST_COLUMNS
from shipper.events import Block
from shipper.formats.detect import fit_of
from shipper.formats.table import FORMATS
from shipper.tail import preamble
from shipper.tail.inputs import InputFiles
from tests.enrich.enriching import CONTEXT, documents
from tests.formats.reading import config_of, read_as
from tests.tail.tailing import Reader, append

IIS = """\
#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2026-02-05 14:30:40
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken
2026-02-05 14:30:45 10.0.0.5 GET /api/workflows page=2&x=a+b 443 CORP\\anna 203.0.113.7 Mozilla/5.0+(X11;+Linux+x86_64) https://example.org/ 500 0 64 1046
"""
SHORT = "#Fields: time c-ip sc-status cs-uri-stem\n"
CLOUDFRONT = (
    "#Version: 1.0\n"
    "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query time-taken\n"
    "2026-02-05\t14:30:45\tFRA2\t2390\t203.0.113.7\tGET\td111111abcdef8.cloudfront.net\t/a.html\t404\t-\tcurl/8.14.1\t-\t0.182\n"
)


@pytest.mark.parametrize("options", ["format: w3c", "format: auto"])
def test_a_line_of_iis_is_understood(options: str) -> None:
    """Its directives are no records; times are in UTC whatever the zone of this machine."""
    (doc,) = read_as(options, IIS)

    assert doc["@timestamp"] == "2026-02-05T14:30:45.000Z"
    fields = ("client_ip", "method", "path", "status_code", "duration_ms", "user_agent")
    assert [doc[name] for name in fields] == [
        *("203.0.113.7", "GET", "/api/workflows", 500, 1046, "Mozilla/5.0 (X11; Linux x86_64)")
    ]
    assert doc["extra"] == {
        "server_ip": "10.0.0.5",
        "query": "page=2&x=a+b",
        "server_port": 443,
        "user": "CORP\\anna",
        "referrer": "https://example.org/",
        "substatus": 0,
        "win32_status": 64,
    }
    assert (doc["event"]["dataset"], doc["event"]["category"]) == ("w3c.access", ["web"])
    assert doc["error"]["category"] == "server"
    assert doc["message"] == IIS.splitlines()[-1]
    assert doc["log"]["offset"] == IIS.index("2026-02-05 14:30:45")
    assert "tags" not in doc


def test_tabs_and_seconds_as_of_cloudfront() -> None:
    """A duration with a fraction is in seconds, as the standard has it."""
    (doc,) = read_as("format: w3c", CLOUDFRONT)

    assert (doc["duration_ms"], doc["status_code"], doc["path"]) == (182, 404, "/a.html")
    assert doc["extra"]["x_edge_location"] == "FRA2"


def test_columns_may_change_within_a_file() -> None:
    """As after a restart of IIS with other fields."""
    docs = read_as("format: w3c", IIS + SHORT + "14:31:00 203.0.113.8 200 /x\n")

    assert [doc["client_ip"] for doc in docs] == ["203.0.113.7", "203.0.113.8"]
    assert docs[1]["@timestamp"].endswith("T14:31:00.000Z")


ODD = [
    ("a 2 3 4 5\n", "before any directive"),
    (SHORT + "14:31:00 203.0.113.8 200\n", "too few values"),
    (SHORT + "14:31:00 203.0.113.8 200 /x y\n", "too many"),
    ("#Fields:\nx\n", "no columns"),
    ("#Fields:" + " a" * (MOST_COLUMNS + 1) + "\n" + "1 " * (MOST_COLUMNS + 1) + "\n", "too many"),
    ("#Fields: " + "a" * 20_000 + "\nx\n", "a directive too long"),
    (SHORT + "#not a directive\n", "a comment of something else"),
    (SHORT + "14:31:00 203.0.113.8 \xff /x y\n", "other"),
]


@pytest.mark.parametrize(("data", "why"), ODD)
def test_what_does_not_have_the_columns_is_text(data: str, why: str) -> None:
    """It is tagged, and never read by columns of others."""
    doc = read_as("format: w3c", data)[-1]

    assert doc["tags"][0] in ("no_match", "truncated"), why
    assert "client_ip" not in doc


def test_odd_names_and_values() -> None:
    """Names that come twice, quotes, times and numbers that are none."""
    line = '"a ""b"" c" 2026-02-05 soon x many 9999999999999999999 -\n'
    (doc,) = read_as("format: w3c", "#Fields: x(A) date time x-A sc-status n c-ip\n" + line)

    assert doc["extra"] == {"x_a": 'a "b" c', "x_a_4": "x", "n": "9999999999999999999"}
    assert doc["tags"] == ["no_timestamp"]
    assert not {"status_code", "client_ip"} & doc.keys()


def test_check_counts_lines_without_the_columns() -> None:
    """As many values as the last directive has names."""
    lines = (IIS + SHORT + "14:31:00 203.0.113.8 200 /x\nsomething else\n").splitlines()

    assert fit_of(FORMATS["w3c"], lines) == (2, 1)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, "*.log*")
    cutting = cutting_of(config_of("format: w3c").inputs[0], 0)
    reader.inputs = [InputFiles(reader.inputs[0].patterns, cutting)]
    reader.crash()
    yield reader
    reader.close()


def statuses(blocks: list[Block]) -> list[Any]:
    """Return the status of each record of these blocks, None for one without."""
    enricher = Enricher(CONTEXT)
    return [doc.get("status_code") for block in blocks for doc in documents(enricher.enrich(block))]


def line(status: int) -> bytes:
    return f"14:31:00 203.0.113.8 {status} /x\n".encode()


def test_a_reader_that_begins_in_the_middle_knows_the_columns(
    reader: Reader, tmp_path: Path
) -> None:
    """After a restart, and after a crash, with the last directive far behind or near."""
    log = tmp_path / "u_ex260205.log"
    append(log, IIS.encode() + SHORT.encode() + line(201) * 20)
    blocks = reader.take()
    assert statuses(blocks) == [500] + [201] * 20
    reader.ack(blocks)
    reader.restart()
    append(log, line(202))
    blocks = reader.take()
    assert statuses(blocks) == [202]
    reader.ack(blocks)
    reader.save()
    append(log, b"#Fields: sc-status\n203\n")
    assert statuses(reader.take()) == [203]
    reader.crash()
    assert statuses(reader.take()) == [203]
    append(log, b"204\n")
    assert statuses(reader.take()) == [204]


def test_it_is_found_at_the_head_of_a_long_file(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked at before a place has a bound; steps do not cut the directive."""
    monkeypatch.setattr(preamble, "STEP", 7)
    monkeypatch.setattr(preamble, "MOST_BACK", 64)
    log = tmp_path / "a.log"
    append(log, SHORT.encode() + line(201) * 50)
    reader.ack(reader.take())
    reader.restart()
    append(log, line(202))
    assert statuses(reader.take()) == [202]


def test_a_file_that_is_written_anew_has_its_own_columns(reader: Reader, tmp_path: Path) -> None:
    """Those of what was there before are not taken for its."""
    log = tmp_path / "a.log"
    append(log, SHORT.encode() + line(201))
    reader.ack(reader.take())
    log.write_bytes(b"#Fields: sc-status c-ip\n404 203.0.113.9\n")
    assert statuses(reader.take()) == [404]
    reader.ack(reader.take())
    log.unlink()
    log.write_bytes(b"#Fields: c-ip sc-status\n203.0.113.9 405\n")
    assert statuses(reader.take()) == [405]


def test_a_file_that_was_compressed_is_read_on(reader: Reader, tmp_path: Path) -> None:
    """Its columns are those at its head."""
    log = tmp_path / "a.log"
    append(log, SHORT.encode() + line(201))
    reader.ack(reader.take())
    reader.save()
    reader.tailer.close()
    append(log, line(202))
    (tmp_path / "a.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    reader.tailer = reader._start()
    assert statuses(reader.take()) == [202]
