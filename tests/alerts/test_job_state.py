"""Whether an alert job may act, and whether it is well."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, cast

import msgspec
import pytest

from shipper.alerts.job_state import JobState, Tenure, ThreadState, metrics_text
from shipper.alerts.job_threads import DispatcherThread, JobEndpoint
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.notify.dispatch import Dispatcher
from shipper.config.alerts import EndpointOptions
from shipper.net.elastic import Cluster, ElasticFailure
from shipper.store.elasticsearch.lease import Lease
from tests.alerts.verdicts import MINUTE, START

LASTS = MINUTE
PATIENCE = 5 * MINUTE


class OneDocument:
    """A cluster that holds the document of one lease."""

    def __init__(self) -> None:
        self.is_down = False
        self.fault: Exception | None = None
        self.source: dict[str, Any] | None = None
        self.version = 0

    def request(self, method: str, target: str, body: bytes = b"") -> bytes:
        if self.is_down:
            raise ElasticFailure("no answer")
        if self.fault is not None:
            raise self.fault
        if method == "GET" and self.source is None:
            raise ElasticFailure("not found", status=404)
        if method == "PUT":
            if f"if_seq_no={self.version}&" not in target and "_create" not in target:
                raise ElasticFailure("conflict", status=409)
            self.version += 1
            self.source = msgspec.json.decode(body)
        told = {"_seq_no": self.version, "_primary_term": 1, "_source": self.source}
        return msgspec.json.encode(told)

    def close(self) -> None:
        pass


def tenure_of(cluster: OneDocument, holder: str = "one") -> Tenure:
    return Tenure(Lease(cast("Cluster", cluster), "alerts", holder, LASTS))


def test_a_lease_is_surely_held_for_two_thirds_of_its_time() -> None:
    """Without a renewal a job stops acting well before another one may begin."""
    cluster = OneDocument()
    tenure = tenure_of(cluster)
    assert not tenure.may_act(START)
    assert tenure.claim(START)

    assert tenure.may_act(START)
    assert tenure.may_act(START + LASTS * 2 // 3 - 1)
    assert not tenure.may_act(START + LASTS * 2 // 3)
    assert not tenure.may_act(START - 1)


def test_a_failed_renewal_leaves_what_is_held_until_it_ends() -> None:
    """The store goes away: for its time the lease holds, then nothing may be decided or sent."""
    cluster = OneDocument()
    tenure = tenure_of(cluster)
    tenure.claim(START)
    cluster.is_down = True

    assert tenure.claim(START + LASTS // 2)
    assert tenure.may_act(START + LASTS // 2)
    assert tenure.fault is not None
    assert tenure.claim(START + LASTS)
    assert not tenure.may_act(START + LASTS)

    cluster.is_down = False
    assert tenure.claim(START + LASTS + 1)
    assert tenure.may_act(START + LASTS + 1)
    assert tenure.fault is None


def test_a_fault_of_ours_in_a_renewal_is_one_of_the_lease(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a request ends with, the job goes on, and acts no longer than the lease lasts."""
    cluster = OneDocument()
    tenure = tenure_of(cluster)
    tenure.claim(START)
    cluster.fault = RuntimeError("odd")

    assert tenure.claim(START + LASTS)
    assert not tenure.may_act(START + LASTS)
    assert "RuntimeError" in str(tenure.fault)
    assert "a fault while the lease was renewed" in caplog.text


def test_a_job_that_stands_by_never_acts() -> None:
    """Another holder is seen at the next claim; a store that is gone changes nothing about it."""
    cluster = OneDocument()
    one, other = tenure_of(cluster), tenure_of(cluster, "other")
    one.claim(START)

    assert not other.claim(START + 1)
    assert not other.may_act(START + 1)
    cluster.is_down = True
    assert not other.claim(START + 2 * LASTS)


def test_without_a_lease_a_job_always_acts() -> None:
    """One machine, one data folder: its lock is enough."""
    tenure = Tenure(None)

    assert tenure.claim(START)
    assert tenure.may_act(START)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"good_at": START - PATIENCE, "fault": "no answer"}, "5.0 min: no answer"),
        ({"waiting_since": START - 2 * PATIENCE}, "a page has been waiting for 10.0 min"),
        (
            {"threads": [ThreadState("chat", is_alive=False, turned_at=START)]},
            "the thread of alerter chat has ended",
        ),
        (
            {"threads": [ThreadState("chat", is_alive=True, turned_at=START - 2 * PATIENCE)]},
            "alerter chat has been busy for 10.0 min",
        ),
    ],
)
def test_what_makes_a_job_unwell_is_named(changes: dict[str, Any], reason: str) -> None:
    """Nothing judged, a thread that is gone or stuck, a page that nobody gets: each is a reason."""
    state = JobState(START - 9 * PATIENCE, good_at=START, is_active=True)
    assert list(state.reasons(START, PATIENCE, 2 * PATIENCE)) == []

    for name, value in changes.items():
        setattr(state, name, value)

    (found,) = state.reasons(START, PATIENCE, 2 * PATIENCE)
    assert reason in found


def test_a_job_that_stands_by_is_well() -> None:
    """It evaluates nothing, and that is as it should be."""
    state = JobState(START - 9 * PATIENCE, waiting=1, waiting_since=START - 9 * PATIENCE)

    assert list(state.reasons(START, PATIENCE, 2 * PATIENCE)) == []


def test_the_metrics_say_how_the_job_is() -> None:
    """One line a value, with its kind; an alerter each has a line."""
    state = JobState(START, good_at=START, windows=7, waiting=2, waiting_since=START - 1500)
    state.threads = [
        ThreadState("chat", is_alive=True, turned_at=START),
        ThreadState("mail", is_alive=False, turned_at=START),
    ]

    lines = metrics_text(state, START).splitlines()

    assert "# TYPE shipper_alerts_windows_total counter" in lines
    assert "shipper_alerts_windows_total 7" in lines
    assert f"shipper_alerts_last_evaluation_timestamp_seconds {START // 1000}" in lines
    assert "shipper_alerts_outbox_oldest_seconds 1.5" in lines
    assert 'shipper_alerts_alerter_alive{alerter="mail"} 0' in lines


class Broken:
    """A dispatcher with a fault in it, once."""

    name = "chat"

    def __init__(self) -> None:
        self.turns = 0
        self.is_done = threading.Event()

    def turn(self, _clock: Callable[[], int], *, is_stopping: Callable[[], bool]) -> int | None:
        self.turns += 1
        if self.turns == 1:
            raise KeyError("a fault of ours")
        assert not is_stopping()
        self.is_done.set()
        return None


def test_the_thread_of_an_alerter_outlives_a_fault(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception is logged, and the next turn sends what waits."""
    monkeypatch.setattr("shipper.alerts.job_threads.PAUSE_SECONDS", 0.01)
    broken = Broken()
    thread = DispatcherThread(
        cast("Dispatcher", broken), Ledger(tmp_path / "alerts.db"), lambda: False
    )
    with caplog.at_level(logging.ERROR):
        thread.start()
        assert broken.is_done.wait(30)

    assert thread.state().is_alive
    assert "a fault while pages were sent" in caplog.text
    thread.stop()
    thread.join()
    assert not thread.state().is_alive


def free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as client:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()


def test_a_probe_is_told_how_the_job_is() -> None:
    """Healthy and ready while it acts; a reason, and 503, where it is not."""
    port, reasons = free_port(), list[str]()
    state = JobState(START, is_active=True)
    endpoint = JobEndpoint(
        EndpointOptions(listen=f"127.0.0.1:{port}"), lambda: state, lambda: [*reasons]
    )
    endpoint.open()
    try:
        assert get(port, "/-/healthy") == (200, "ok\n")
        assert get(port, "/-/ready") == (200, "ok\n")
        assert "shipper_alerts_active 1" in get(port, "/metrics")[1]
        state.is_active = False
        assert get(port, "/-/healthy") == (200, "ok\n")
        assert get(port, "/-/ready")[0] == 503
        reasons.append("the thread of alerter chat has ended")
        assert get(port, "/-/healthy") == (503, "the thread of alerter chat has ended\n")
        assert get(port, "/other")[0] == 404
    finally:
        endpoint.close()
