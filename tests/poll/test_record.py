"""What an application answers is foreign: it cannot take the place of a record's own fields."""

from __future__ import annotations

import json
from typing import Any

from shipper.config.health import HealthTargetOptions
from shipper.poll.ask import PollAnswer
from shipper.poll.record import MOST_NUMBERS, MOST_PROCESSES, numbers_of, records_of

TARGET = HealthTargetOptions("api", "http://127.0.0.1:1/api/metrics", expect="metrics")


def test_names_of_a_record_are_not_taken() -> None:
    """`level`, `run`, `host`, `@timestamp` of an answer get a prefix, or are no name at all."""
    found = numbers_of(
        {"level": "ERROR", "run": "X", "seq": -1, "host": {"name": "h"}, "up": 7, "@timestamp": 1}
    )

    assert found == {
        "answer_level": "ERROR",
        "answer_run": "X",
        "answer_seq": -1,
        "answer_host": {"name": "h"},
        "answer_up": 7,
    }


def test_depth_number_and_length_are_bounded() -> None:
    """Whatever an answer has, its record stays small; lists and nothings are left out."""
    deep: Any = 1
    for _ in range(20):
        deep = {"a": deep}
    found = numbers_of(
        {
            "deep": deep,
            "text": "x" * 10_000,
            "list": [1, 2],
            "none": None,
            "flag": True,
            "huge": 10**400,
            "big": 2**60,
            "a name with blanks": 1,
        }
    )
    many = numbers_of({f"n{number}": number for number in range(10_000)})

    assert found == {"text": "x" * 200, "flag": 1}
    assert len(many) == MOST_NUMBERS


def test_a_metrics_answer_is_a_record_for_the_whole_and_one_per_process() -> None:
    """The dataset is another; a list of processes is bounded."""
    body = {
        "api_calls_total": 5,
        "processes": [{"pid": n, "memory_rss_bytes": 1} for n in range(500)],
    }

    whole, *processes = records_of(TARGET, PollAnswer("healthy", 1.0, 200, body=body), 0)

    assert (whole["logger"], whole["api_calls_total"]) == ("shipper.metrics", 5)
    assert "process" not in whole
    assert len(processes) == MOST_PROCESSES
    assert processes[3]["process"] == {"pid": 3, "memory_rss_bytes": 1}
    assert "api_calls_total" not in processes[3]


def test_processes_are_bounded_all_together() -> None:
    """A target that says it has a thousand processes with a thousand numbers fills no disk."""
    process = {f"n{number}": "x" * 1000 for number in range(1000)}
    answered = PollAnswer("healthy", 1.0, 200, body={"processes": [process] * 1000})

    records = [*records_of(TARGET, answered, 0)]

    assert len(records) == 1 + MOST_PROCESSES
    assert sum(len(json.dumps(each)) for each in records) < 2**20
