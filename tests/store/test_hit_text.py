"""Tests of records as lines."""

from __future__ import annotations

import json
from typing import Any

from shipper.store.api import Hit
from shipper.store.hit_text import hit_json, hit_text
from shipper.text import Paint

PLAIN = Paint(on=False)
TIME = 1_770_301_845_123


def hit(**source: Any) -> Hit:
    return Hit("01KGQ7-5", TIME, source)


def test_a_record_reads_from_left_to_right() -> None:
    """Time, level, logger, message; then the ids and numbers that help to go on."""
    line = hit_text(
        hit(
            level="ERROR",
            logger="automation_orchestrator.workflows",
            service={"name": "automation-orchestrator"},
            message="Workflow failed",
            workflow_id="workflow_1",
            execution_time_ms=245.0,
            request_id="req_abc",
            run="01KGQ7",
            seq=5,
            extra={"attempt": 3, "node": {"id": 1}},
        ),
        PLAIN,
    )

    assert line == (
        "2026-02-05T14:30:45.123Z ERROR    workflows Workflow failed execution_time_ms=245"
        ' workflow_id=workflow_1 request_id=req_abc attempt=3 node={"id":1}'
    )


def test_a_traceback_is_shown_by_its_last_line() -> None:
    """The cause is shown once, below the record; --json has the whole traceback."""
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nTimeoutError: no answer\n'

    assert hit_text(hit(message="failed", exc_info=trace), PLAIN).endswith(
        "\n    TimeoutError: no answer"
    )
    assert "\n" not in hit_text(hit(message="TimeoutError: no answer", exc_info=trace), PLAIN)
    assert "\n" not in hit_text(hit(error_type="KeyError", exc_info="x\nKeyError\n"), PLAIN)


def test_a_line_that_is_no_record_shows_its_file() -> None:
    """A line that is not JSON has no level or logger; its file is shown instead."""
    line = hit_text(
        hit(message="Segfault", log={"file": {"path": "/a/app.log"}}, tags=["not_json"]), PLAIN
    )

    assert line == "2026-02-05T14:30:45.123Z -        app.log   Segfault tags=not_json"


def test_no_field_of_a_record_can_steer_the_terminal() -> None:
    """Level, logger, message, keys, values, tags and traceback may all be an attacker's."""
    evil = "\x1b]0;x\x07\n"
    record = hit(
        level=evil,
        logger=evil,
        message=evil,
        request_id=evil,
        error_type=evil,
        exc_info=f"a\n{evil}Boom",
        tags=[evil],
        extra={evil: evil, "deep": {evil: evil}},
        log={"file": {"path": evil}},
    )

    shown = hit_text(record, PLAIN)

    assert "\x1b" not in shown
    assert shown.count("\n") == 1
    assert "\x1b" not in hit_json(record)


def test_values_with_blanks_are_quoted() -> None:
    """key=value stays one word for people and scripts."""
    assert hit_text(hit(error_type='Bad "thing"'), PLAIN).endswith(r'error_type="Bad \"thing\""')


def test_json_has_every_field_and_the_id() -> None:
    """JSON output has the document as it is stored."""
    source = {
        "message": "grüße",
        "extra": {"a": [1, None]},
        "@timestamp": "2026-02-05T14:30:45.123Z",
    }

    assert json.loads(hit_json(hit(**source))) == {"_id": "01KGQ7-5", **source}


def test_fields_of_a_surprising_shape_are_shown_all_the_same() -> None:
    """Documents that enrichment did not write can be shown."""
    line = hit_text(hit(level=3, logger=7, message=None, service="x", extra="y", log=[]), PLAIN)

    assert line == "2026-02-05T14:30:45.123Z 3        -         null"


def test_what_the_message_says_is_not_said_again() -> None:
    """An access record shows its status once."""
    line = hit_text(hit(message="GET /health 200", status_code=200, duration_ms=2.5), PLAIN)

    assert line.endswith("GET /health 200 duration_ms=2.5")
