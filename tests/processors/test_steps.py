"""Tests of the kinds of processors, of what they do to events, and of their cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipper.agent.treatment import Treatment
from shipper.config.main import Config, load
from shipper.config.options import InvalidOptionsError
from shipper.errors import ConfigError
from shipper.events import DROPPED
from shipper.processors.cases import run_cases
from shipper.splice import Spliced
from tests.enrich.enriching import RUN, enrich, line_of
from tests.redact.redacting import events_of

CONFIG = """\
service: {{name: a}}
inputs: [{{paths: [/x.log]}}]
output: {{console: {{path: "-"}}}}
processors:
  - {step}
"""


def config_with(folder: Path, step: str, more: str = "") -> Config:
    path = folder / "shipper.yml"
    path.write_text(CONFIG.format(step=step) + more)
    return load(path)


def processed(folder: Path, step: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """Return a record after one processor, without its time; None if it is dropped."""
    events, dropped = Treatment(config_with(folder, step)).apply(events_of(record))
    assert len(events) + len(dropped) == 1
    if dropped:
        return None
    found: dict[str, Any] = msgspec.json.decode(events.docs[0])
    del found["@timestamp"]
    return found


@pytest.mark.parametrize(
    ("step", "record", "wanted"),
    [
        ("drop: {where: 'path:/health'}", {"path": "/health"}, None),
        ("drop: {where: 'path:/health'}", {"path": "/x"}, {"path": "/x"}),
        (
            "rename: {field: usr, to: user}",
            {"extra": {"usr": {"id": 1}}},
            {"extra": {"user": {"id": 1}}},
        ),
        ("rename: {field: msg, to: message}", {"extra": {"msg": 5}}, {"extra": {}, "message": "5"}),
        ("rename: {field: x, to: y}", {"message": "x"}, {"message": "x"}),
        ("remove: {fields: [a.b, message]}", {"message": "x", "extra": {"a.b": 1}}, {"extra": {}}),
        ("set: {field: team, value: pay}", {}, {"extra": {"team": "pay"}}),
        ("set: {field: level, value: INFO, where: 'level:NOTE'}", {"level": "X"}, {"level": "X"}),
        ("set: {field: status_code, value: '7'}", {}, {"status_code": 7}),
        (
            "set: {field: status_code, value: x}",
            {"status_code": 5},
            {"status_code": 5, "tags": ["unprocessed"]},
        ),
        (
            "parse: {field: message, as: json, into: extra.p}",
            {"message": '{"a":{"b":1e999},"c":18446744073709551616}'},
            {"message": '{"a":{"b":1e999},"c":18446744073709551616}', "tags": ["unprocessed"]},
        ),
        (
            "parse: {field: message, as: json}",
            {"message": '{"a":[1,null],"c":9223372036854775808}'},
            {
                "message": '{"a":[1,null],"c":9223372036854775808}',
                "extra": {"parsed": {"a": [1], "c": "9223372036854775808"}},
            },
        ),
        (
            "parse: {field: message, as: logfmt}",
            {"message": 'at=info msg="a \\"b\\" é" n=1 x= bare'},
            {
                "message": 'at=info msg="a \\"b\\" é" n=1 x= bare',
                "extra": {"parsed": {"at": "info", "msg": 'a "b" é', "n": "1", "x": ""}},
            },
        ),
        (
            "parse: {field: message, as: json}",
            {"message": '{"a":' * 99, "tags": ["x"]},
            {"message": '{"a":' * 99, "tags": ["x", "unprocessed"]},
        ),
        (
            "truncate: {field: message, max_bytes: 16 B}",
            {"message": "é" * 20},
            {"message": "é" * 8, "tags": ["truncated"]},
        ),
        ("truncate: {field: message, max_bytes: 16 B}", {"message": "é" * 8}, {"message": "é" * 8}),
    ],
)
def test_a_processor_does_what_it_says(
    tmp_path: Path, step: str, record: dict[str, Any], wanted: dict[str, Any] | None
) -> None:
    """And leaves a record as it is where its query, or its field, is not there."""
    assert processed(tmp_path, step, record) == wanted


def test_a_table_is_looked_up(tmp_path: Path) -> None:
    """The other columns of the row are put under a field; values that are not there, nowhere."""
    (tmp_path / "hosts.csv").write_text('ip,team,"room"\n10.0.0.1,pay,"a, b"\n')
    step = f"lookup: {{file: {tmp_path}/hosts.csv, field: client_ip, into: extra.host}}"

    found = processed(tmp_path, step, {"client_ip": "10.0.0.1"})
    assert found == {"client_ip": "10.0.0.1", "extra": {"host": {"team": "pay", "room": "a, b"}}}
    assert processed(tmp_path, step, {"client_ip": "10.0.0.2"}) == {"client_ip": "10.0.0.2"}


def test_a_sample_is_the_same_one_every_time(tmp_path: Path) -> None:
    """By the id of a record; its weight corrects counts, also after a second sampling."""
    steps = "keep_one_in: {count: 4}\n  - keep_one_in: {count: 4, where: 'message:x'}"
    treatment = Treatment(config_with(tmp_path, steps))
    events = events_of(*({"message": "x"} for _ in range(2000)))

    left, dropped = treatment.apply(events)
    again, _ = treatment.apply(events)

    assert left.ids == again.ids
    assert 400 < len(left) < 600
    assert len(left) + len(dropped) == 2000
    weights = {msgspec.json.decode(doc)["extra"]["weight"] for doc in left.docs}
    assert weights == {16}


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("drop: {where: 'level:('}", "processors[0].drop.where"),
        ("drop: {}", "where"),
        ("rename: {field: run, to: x}", "run cannot be changed"),
        ("set: {field: host.name, value: x}", "host.name cannot be changed"),
        ("set: {field: tags, value: x}", "tags cannot be changed"),
        ("parse: {field: message, as: json, into: level}", "holds no objects"),
        ("lookup: {file: /nowhere, field: a, into: b}", "cannot read /nowhere"),
        ("lookup: {file: /dev/null, field: a, into: b}", "no regular file"),
        ("drop: {where: x}\n    set: {field: a, value: b}", "exactly one of"),
        ("explode: {}", "unknown key"),
    ],
)
def test_faults_of_the_config(tmp_path: Path, step: str, fault: str) -> None:
    """Each names its place; nothing is shipped with a processor that cannot work."""
    with pytest.raises((ConfigError, InvalidOptionsError)) as raised:
        Treatment(config_with(tmp_path, step))
    assert fault in str(raised.value)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    """No heading, rows of other lengths, bytes that are no UTF-8."""
    for text in (b"", b"a,b\n1\n", b"a,b\n1,\xff\n"):
        (tmp_path / "t.csv").write_bytes(text)
        with pytest.raises(ConfigError, match="no such table"):
            processed(tmp_path, f"lookup: {{file: {tmp_path}/t.csv, field: a, into: b}}", {})


def test_what_no_processor_changes_stays_spliced(tmp_path: Path) -> None:
    """A drop alone decodes documents but builds none anew; numbers of the dropped are named."""
    lines = [line_of(seq, level="DEBUG" if seq % 2 else "INFO", message="x") for seq in range(6)]
    treatment = Treatment(config_with(tmp_path, "drop: {where: 'level:DEBUG'}"))

    left, dropped = treatment.apply(enrich(b"\n".join([*lines, b""])))

    assert isinstance(left, Spliced)
    assert dropped == [f"{RUN}-{seq}" for seq in (1, 3, 5)]
    assert left.origins == {RUN: [0, 2, 4], f"{RUN}{DROPPED}": [1, 3, 5]}


def test_the_query_means_what_the_line_says_and_the_result_is_redacted(tmp_path: Path) -> None:
    """Processors stand before redaction, which also sees what they made."""
    step = "parse: {field: message, as: logfmt, where: 'client_ip:10.1.2.3'}"
    treatment = Treatment(config_with(tmp_path, step, "redact: {}\n"))

    events, _ = treatment.apply(events_of({"message": "pin=1 db_pwd=zqx", "client_ip": "10.1.2.3"}))

    found = msgspec.json.decode(events.docs[0])
    assert found["extra"]["parsed"] == {"pin": "1", "db_pwd": "[redacted:password]"}
    assert found["client_ip"] == "10.1.2.0"


def test_cases_say_what_is_wrong(tmp_path: Path) -> None:
    """A case passes, or says which field is not as it should be."""
    treatment = Treatment(config_with(tmp_path, "drop: {where: 'level:DEBUG'}"))
    path = tmp_path / "cases.yml"
    path.write_text(
        "- {name: a, record: {level: DEBUG}, dropped: true}\n"
        "- {name: b, record: {level: INFO}, dropped: true}\n"
        "- {name: c, record: {level: INFO, x: 1}, has: {level: WARN, log.level: INFO, y: 2},"
        " lacks: [level]}\n"
    )

    outcomes = run_cases(path, treatment.apply)

    assert [(each.name, each.faults) for each in outcomes] == [
        ("a", ()),
        ("b", ("it is not dropped",)),
        ("c", ("level is 'INFO', not 'WARN'", "y is missing", "level is there")),
    ]
    for text in ("[]", "- {nme: x}", "- {name: x}", "{", "- !!python/object:os.x {}"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            run_cases(path, treatment.apply)


def test_what_is_parsed_is_no_index_of_gigabytes(tmp_path: Path) -> None:
    """An object of too much weight is its text, as in a line."""
    text = '{"' + "k" * 8000 + '":' + str([*range(5000)]) + "}"
    step = "parse: {field: message, as: json, into: extra.parsed}"

    found = processed(tmp_path, step, {"message": text})

    assert found is not None
    assert msgspec.json.decode(found["extra"]["parsed"]) == msgspec.json.decode(text)
    assert found["tags"] == ["unindexed"]
