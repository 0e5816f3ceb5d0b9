"""Polls go on: one that hangs holds up no other, a bug ends none, no answer is lost or doubled."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.config.health import HealthTargetOptions
from shipper.emit.appending import Appender
from shipper.own_log import OwnLog
from shipper.poll.ask import PollAnswer
from shipper.poll.poller import Poller
from shipper.times import Clock

RUN = "01KH0000000000000000000000"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(body: Callable[[], None], name: str) -> None:
    threading.Thread(target=body, name=name, daemon=True).start()


def fast(name: str) -> HealthTargetOptions:
    return HealthTargetOptions(name, f"http://127.0.0.1:1/{name}", every_seconds=0.05)


def test_one_that_hangs_or_fails_holds_up_no_other(tmp_path: Path) -> None:
    """Each target has its own thread; whatever a poll raises, the next one is tried."""
    hang, tried = threading.Event(), []

    def ask(target: HealthTargetOptions, _ticks: Callable[[], float]) -> PollAnswer:
        if target.name == "hangs":
            hang.wait()
        if target.name == "raises":
            tried.append(1)
            raise KeyError
        return PollAnswer("healthy", 1.0, 200)

    path = tmp_path / "polls.log"
    poller = Poller(OwnLog(path, RUN, "polls"), Clock(lambda: 0), start, ask)
    poller.poll([fast("hangs"), fast("raises"), fast("well")])
    until(lambda: len(lines_of(path)) >= 3 and len(tried) >= 3)
    poller.close()
    hang.set()

    assert {line["target"] for line in lines_of(path)} == {"well"}


def test_a_reload_polls_the_new_targets_alone(tmp_path: Path) -> None:
    """What is not in the config any more is not asked any more."""
    asked: list[str] = []

    def ask(target: HealthTargetOptions, _ticks: Callable[[], float]) -> PollAnswer:
        asked.append(target.name)
        return PollAnswer("healthy", 1.0, 200)

    poller = Poller(OwnLog(tmp_path / "polls.log", RUN, "polls"), Clock(lambda: 0), start, ask)
    poller.poll([fast("old")])
    until(lambda: "old" in asked)
    poller.poll([fast("new")])
    until(lambda: asked.count("new") >= 3)
    since = len(asked)
    until(lambda: len(asked) >= since + 5)
    poller.close()

    assert set(asked[since:]) == {"new"}


def test_polls_are_counted_by_target_and_outcome(tmp_path: Path) -> None:
    """Counts begin at 0 and survive a reload, those of targets that are gone do not."""
    answers = iter(
        [
            PollAnswer("healthy", 1.0, 200),
            PollAnswer("unhealthy", 1.0, failure="timeout", reason="no answer"),
            PollAnswer("unhealthy", 1.0, 503),
        ]
    )
    poller = Poller(
        OwnLog(tmp_path / "polls.log", RUN, "polls"),
        Clock(lambda: 0),
        lambda _body, _name: None,
        lambda _target, _ticks: next(answers),
    )
    stop, stopped = threading.Event(), threading.Event()
    stopped.set()
    poller.poll([fast("api"), fast("old")])
    poller.once(fast("api"), stop)
    poller.once(fast("api"), stop)
    poller.once(fast("api"), stopped)
    poller.poll([fast("api"), fast("new")])

    counts = poller.counts()
    poller.close()

    assert {place: count for place, count in counts.items() if count} == {
        ("api", "healthy"): 1,
        ("api", "timeout"): 1,
    }
    assert {name for name, _outcome in counts} == {"api", "new"}
    assert counts["new", "degraded"] == 0


def test_a_late_poll_is_left_out_and_a_clock_that_is_set_changes_nothing(tmp_path: Path) -> None:
    """After an hour of suspension there is one poll, not sixty; wall time only dates records."""
    now, walls = [1000.0], iter([10_000, 5_000, 5_000, 5_000])
    stops: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            stops.append(timeout)
            now[0] += timeout
            return len(stops) > 3

    def ask(_target: HealthTargetOptions, _ticks: Callable[[], float]) -> PollAnswer:
        now[0] += 3600 + 7 if len(stops) == 2 else 1
        return PollAnswer("healthy", 1.0, 200)

    path = tmp_path / "polls.log"
    bodies: list[Callable[[], None]] = []
    clock = Clock(lambda: next(walls), lambda: now[0])
    poller = Poller(OwnLog(path, RUN, "polls"), clock, lambda body, _name: bodies.append(body), ask)
    poller.poll([HealthTargetOptions("api", "http://127.0.0.1:1/")])
    bodies[0].__self__._stop = Stop()  # type: ignore[attr-defined]
    bodies[0]()

    assert stops == [5.0, 59.0, 53.0, 59.0]
    assert [line["timestamp"][17:23] for line in lines_of(path)] == ["10.000", "05.000", "05.000"]


def test_a_full_disk_costs_no_poll_and_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written waits with its number, and comes first later."""
    path = tmp_path / "polls.log"
    polls = OwnLog(path, RUN, "polls")
    polls.append([{"n": 0}])
    real = Appender.append
    monkeypatch.setattr(Appender, "append", _full)
    polls.append([{"n": 1}])
    polls.append([{"n": 2}, {"n": 3}])
    monkeypatch.setattr(Appender, "append", real)
    polls.append([{"n": 4}])

    assert [(line["n"], line["seq"]) for line in lines_of(path)] == [(n, n) for n in range(5)]


def _full(_appender: Appender, _line: bytes) -> None:
    raise OSError(28, "No space left on device")
