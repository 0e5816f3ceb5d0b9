"""
The records of a poll: what is known of it, and the numbers of the answer.

What an application answers is foreign: names of fields that records have already get a prefix, and
depth, number and length are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shipper.config.health import EXPECT_METRICS, HealthTargetOptions
from shipper.fields import ALIASES, FIELDS, TIME_KEYS
from shipper.poll.ask import HEALTHY, UNHEALTHY, PollAnswer
from shipper.times import iso

HEALTH_LOGGER: Final = "shipper.health"
METRICS_LOGGER: Final = "shipper.metrics"
MOST_DEPTH: Final = 4
MOST_NUMBERS: Final = 300  # of an answer
MOST_PROCESSES: Final = 64
MOST_OF_PROCESS: Final = 40  # numbers
LONGEST_TEXT: Final = 200
LARGEST: Final = 2**53
PREFIX: Final = "answer_"

_OURS: Final = frozenset(
    ("target", "url", "up", "every_seconds", "latency_ms", "http_status", "failure", "reason")
)
_TAKEN: Final = _OURS | {*FIELDS, *ALIASES, *TIME_KEYS}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LIFTED: Final = "metrics"  # its numbers have the place of the answer itself
_OMITTED: Final = frozenset({"status", "timestamp"})


def records_of(
    target: HealthTargetOptions, answer: PollAnswer, at: int
) -> Iterator[dict[str, Any]]:
    """Yield the records of a poll that was begun at `at` (epoch ms), without their numbers."""
    is_metrics = target.expect == EXPECT_METRICS
    is_down = answer.status == UNHEALTHY
    head = {
        "timestamp": iso(at),
        "level": "INFO" if answer.status == HEALTHY else "WARNING",
        "logger": METRICS_LOGGER if is_metrics else HEALTH_LOGGER,
        "message": message_of(target.name, answer),
        "target": target.name,
        "url": target.url.partition("?")[0],
        "status": answer.status,
        "up": 0 if is_down else 1,
        "every_seconds": target.every_seconds,
        "latency_ms": answer.latency_ms,
    }
    if answer.http_status:
        head["http_status"] = answer.http_status
    if answer.failure:
        head["failure"] = answer.failure
    if answer.reason:
        head["reason"] = answer.reason
    body = answer.body if isinstance(answer.body, dict) else {}
    yield {**head, **numbers_of(body)}
    if is_metrics:
        processes = body.get("processes")
        for process in processes[:MOST_PROCESSES] if isinstance(processes, list) else ():
            if isinstance(process, dict):
                message = f"{target.name} has a process"
                yield {**head, "message": message, "process": numbers_of(process, MOST_OF_PROCESS)}


def message_of(name: str, answer: PollAnswer) -> str:
    """Return a sentence about a poll."""
    why = f": {answer.reason}" if answer.reason else ""
    return f"{name} is {answer.status} ({answer.latency_ms:g} ms){why}"


def numbers_of(body: Mapping[str, Any], most: int = MOST_NUMBERS) -> dict[str, Any]:
    """Return the numbers and texts of an answer, so many at most, as the fields of a record."""
    found: dict[str, Any] = {}
    budget = [most]
    lifted = body.get(_LIFTED)
    if isinstance(lifted, dict):
        body = {**{name: value for name, value in body.items() if name != _LIFTED}, **lifted}
    for name, value in body.items():
        kept = _kept(value, budget, 1)
        if kept is not None and _NAME.fullmatch(name) and name not in _OMITTED:
            found[f"{PREFIX}{name}" if name in _TAKEN else name] = kept
    return found


def _kept(value: Any, budget: list[int], depth: int) -> Any:
    """Return a value without what has no place in a record; None if nothing is left."""
    if budget[0] <= 0 or depth > MOST_DEPTH:
        return None
    if isinstance(value, dict):
        found = {
            name: kept
            for name, each in value.items()
            if _NAME.fullmatch(name) and (kept := _kept(each, budget, depth + 1)) is not None
        }
        return found or None
    budget[0] -= 1
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < LARGEST else None  # no store can hold it
    if isinstance(value, float):
        return value
    return value[:LONGEST_TEXT] if isinstance(value, str) else None
