"""The line: the fields people search for, and one valid JSON object whatever is logged."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper import emit
from shipper.emit import JsonFormatter
from tests.emit.emit_files import record_of
from tests.enrich.enriching import document


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    """Format a record; the line must be one valid line of UTF-8."""
    line = JsonFormatter().format(record)
    assert "\n" not in line
    line.encode()
    fields = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert isinstance(fields, dict)
    return fields


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_the_fields_of_the_guide() -> None:
    """The names and values of the documented record, with run and seq at the end."""
    record = record_of(
        "Workflow executed successfully",
        workflow_id="workflow_123",
        execution_time_ms=245,
        status="success",
        request_id="req_abc123",
    )
    record.created = datetime(2026, 2, 5, 14, 30, 45, 123000, tzinfo=UTC).timestamp()
    fields = line_of(record)

    assert list(fields)[-2:] == ["run", "seq"]
    del fields["run"], fields["seq"]
    assert fields == {
        "timestamp": "2026-02-05T14:30:45.123Z",
        "level": "INFO",
        "logger": "automation_orchestrator.workflows",
        "message": "Workflow executed successfully",
        "workflow_id": "workflow_123",
        "execution_time_ms": 245,
        "status": "success",
        "request_id": "req_abc123",
    }


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_the_timestamp_is_the_millisecond_of_the_record(millisecond: int) -> None:
    """Floats hold few milliseconds exactly; none may be shown as the one before."""
    record = record_of()
    record.created = millisecond / 1000
    shown = datetime.fromisoformat(line_of(record)["timestamp"])

    assert round(shown.timestamp() * 1000) == millisecond


def test_a_field_without_a_value_is_left_out() -> None:
    """No nulls: they say nothing and cannot be searched."""
    assert set(line_of(record_of(workflow_id=None, customer=None))) == {
        *("timestamp", "level", "logger", "message", "run", "seq"),
    }


def test_bound_ids_are_on_every_record_and_an_extra_wins() -> None:
    """bind() reaches every record inside it, nests, and gives way to the record's own extra."""
    with emit.bind(request_id="req_1"), emit.bind(workflow_id="workflow_1"):
        fields = line_of(record_of())
        assert (fields["request_id"], fields["workflow_id"]) == ("req_1", "workflow_1")
        assert line_of(record_of(workflow_id="workflow_2"))["workflow_id"] == "workflow_2"
        with emit.bind(request_id="req_2"):
            assert line_of(record_of())["request_id"] == "req_2"
        assert line_of(record_of())["request_id"] == "req_1"
    assert "request_id" not in line_of(record_of())


def exception_record(**extra: Any) -> logging.LogRecord:
    record = record_of("Failed", **extra)
    try:
        int("workflow_123")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def test_an_exception_becomes_error_type_and_exc_info() -> None:
    """The class's name to group by, the traceback to read."""
    fields = line_of(exception_record())

    assert fields["error_type"] == "ValueError"
    assert fields["exc_info"].startswith("Traceback (most recent call last):")
    assert fields["exc_info"].endswith("base 10: 'workflow_123'")


def test_an_error_type_of_ones_own_wins() -> None:
    """An application may name its errors better than their classes do."""
    fields = line_of(exception_record(error_type="unknown_workflow"))

    assert fields["error_type"] == "unknown_workflow"
    assert "ValueError" in fields["exc_info"]


def test_exc_info_without_an_exception_is_left_out() -> None:
    """`exc_info=True` where nothing was raised is no exception."""
    record = record_of()
    for nothing in ((None, None, None), True):
        record.exc_info = nothing  # type: ignore[assignment]

        assert not {"exc_info", "error_type"} & set(line_of(record))


def test_the_stack_is_shown_when_asked_for() -> None:
    """`stack_info=True` adds the stack as text."""
    record = record_of()
    record.stack_info = "Stack (most recent call last):\n  here"

    assert line_of(record)["stack_info"] == record.stack_info


@pytest.mark.parametrize("name", ["timestamp", "level", "logger", "run", "seq"])
def test_no_extra_takes_the_place_of_a_field_of_ours(name: str) -> None:
    """An extra with such a name is kept beside it."""
    fields = line_of(record_of(**{name: "forged"}))

    assert fields[name] != "forged"
    assert fields[f"extra_{name}"] == "forged"


def test_a_dict_as_the_message_is_fields() -> None:
    """As in python-json-logger; ours are as safe from it as from extras."""
    fields = line_of(record_of({"message": "Paid", "amount": 3, "seq": "x", "exc_info": "y"}))

    assert (fields["message"], fields["amount"]) == ("Paid", 3)
    assert (fields["extra_seq"], fields["extra_exc_info"]) == ("x", "y")
    assert isinstance(fields["seq"], int)
    assert "exc_info" not in fields
    assert line_of(record_of({"name": "x"}))["name"] == "x"


def test_a_format_string_can_ask_for_attributes_of_the_record() -> None:
    """What is named in the format and not in the line anyway is added."""
    formatter = JsonFormatter("%(asctime)s %(levelname)s %(process)d %(threadName)s %(message)s")
    fields = json.loads(formatter.format(record_of()))

    assert fields["threadName"] == "MainThread"
    assert isinstance(fields["process"], int)
    assert not {"asctime", "levelname"} & set(fields)


def test_arguments_that_do_not_fit_the_message_lose_nothing() -> None:
    """`logger.info("%d", "x")` is a fault of the application, whose record is kept."""
    record = record_of("%d of %d")
    record.args = ("three", Unprintable())

    assert line_of(record)["message"].startswith("%d of %d ('three', ")


@dataclass
class Order:
    number: int


ODD_VALUES: list[tuple[object, object]] = [
    (math.nan, None),
    (-math.inf, None),
    (2**64, 2**64),
    (10**5000, None),
    (b"\x00\xff", "AP8="),
    ("\udc80 lone", "\\udc80 lone"),
    ("line\nbreak\u2028\x00", "line\nbreak\u2028\x00"),
    ({1: 2}, {"1": 2}),
    (Decimal("1.5"), "1.5"),
    (HTTPStatus.NOT_FOUND, 404),
    (type("Milliseconds", (float,), {})(2.5), 2.5),
    (type("Count", (int,), {})(7), 7),
    (Order(7), {"number": 7}),
    (ValueError("bad"), "ValueError: bad"),
    (Order, "Order"),
]


@pytest.mark.parametrize(("value", "shown"), ODD_VALUES, ids=lambda value: type(value).__name__)
def test_odd_values(value: object, shown: object) -> None:
    """What JSON has no word for is shown as the nearest that it has."""
    fields = line_of(record_of("m", odd=value, plain="kept"))

    assert fields["plain"] == "kept"
    assert fields["odd"] == shown or shown is None


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {"name": "loop"}
    value["self"] = value
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [cyclic(), deep(100_000), Unprintable(), {"a": Unprintable()}])
def test_a_value_that_cannot_be_shown_costs_only_itself(value: object) -> None:
    """Cycles, depth without end and a repr that raises leave the rest of the record whole."""
    fields = line_of(record_of("m", odd=value, plain={"kept": 1}))

    assert fields["plain"] == {"kept": 1}
    assert fields["odd"]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.builds(Unprintable)
    | st.datetimes()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # building the table of characters is
@given(
    st.dictionaries(st.text(st.characters()) | st.integers() | st.none(), anything),
    st.text(st.characters()),
)
def test_any_extras_make_exactly_one_valid_line(extra: dict[Any, Any], message: str) -> None:
    """Whatever is logged is one valid line that holds our fields."""
    record = record_of(message)
    for key, value in extra.items():
        record.__dict__.setdefault(key, value)
    fields = line_of(record)

    assert fields["logger"] == "automation_orchestrator.workflows"
    assert fields["message"] == message.encode("utf-8", "backslashreplace").decode()
    assert len(fields["run"]) == 26


def test_any_field_can_be_bound() -> None:
    """A bound field is on every record inside, unless the record has its own."""
    formatter = JsonFormatter()
    with emit.bind(tenant="acme", order=1), emit.bind(order=2, level="x", nothing=None):
        inside = json.loads(formatter.format(record_of()))
        own = json.loads(formatter.format(record_of(tenant="beta")))
    after = json.loads(formatter.format(record_of()))

    assert (inside["tenant"], inside["order"], inside["extra_level"]) == ("acme", 2, "x")
    assert own["tenant"] == "beta"
    assert not {"tenant", "order", "nothing"} & {*after}


@pytest.mark.parametrize("depth", [19, 20, 25, 300, 100_000])
def test_a_record_is_never_too_deep(depth: int) -> None:
    """What is nested deeper than the shipper reads is text; the record stays one."""
    value: Any = 1
    for _ in range(depth):
        value = {"n": value}

    doc = shipped(JsonFormatter().format(record_of(payload=value, other=[1])))

    assert (doc["level"], doc["seq"] >= 0, doc["extra"]["other"]) == ("INFO", True, [1])
    assert isinstance(doc["extra"]["payload"], dict if depth < 20 else str)
    assert "tags" not in doc


@pytest.mark.parametrize(
    "extra",
    [
        {"body": "x" * 1_100_000},
        {"body": "é🙂" * 600_000},
        {"body": ["x"] * 500_000},
        {"body": {str(n): n for n in range(200_000)}},
        {f"key{n}": "x" * 500 for n in range(3000)},
        {f"{'k' * 200}{n}": n for n in range(20_000)},
    ],
    ids=["text", "unicode", "list", "object", "many", "keys"],
)
def test_a_record_is_never_too_long(extra: dict[str, Any]) -> None:
    """A long value loses its middle, and the record its values at worst; never its level."""
    line = JsonFormatter().format(record_of("order failed", request_id="r-1", **extra))

    assert len(line.encode()) <= 1_000_000
    doc = shipped(line)
    assert (doc["level"], doc["message"], doc["request_id"]) == ("INFO", "order failed", "r-1")
    assert doc["seq"] >= 0
    assert "tags" not in doc


def test_a_long_traceback_keeps_both_ends() -> None:
    """What was called first and what went wrong are at the ends."""
    record = record_of("m")
    record.exc_text = "Traceback" + "x" * 2_000_000 + "Boom: 5"
    line = JsonFormatter().format(record)
    trace = json.loads(line)["exc_info"]

    assert trace.startswith("Traceback")
    assert trace.endswith("Boom: 5")
    assert "(2,000,016 characters)" in trace


def shipped(line: str) -> dict[str, Any]:
    """Return the document that the shipper makes of a line."""
    return document(line.encode())
