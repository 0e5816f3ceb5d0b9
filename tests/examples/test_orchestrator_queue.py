"""The queue of the example: how long executions wait in it, also in tables of earlier versions."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from examples.orchestrator.database import SCHEMA, Database
from examples.orchestrator.executions import Executions
from examples.orchestrator.faults import Faults, parse

OLD = SCHEMA.replace(
    "    error_type TEXT,\n    queued_at REAL                -- epoch seconds\n",
    "    error_type TEXT\n",
)
INSERT = """
INSERT INTO executions (execution_id, workflow_id, trigger, data, status, changed_at)
VALUES (?, 'workflow_welcome_mail', 'manual', '{}', 'queued', ?)
"""


def database(folder: Path) -> Database:
    return Database(folder / "app.db", Faults(folder / "faults.json", parse("none")), slow_ms=1000)


def test_time_in_the_queue_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From submit to take; from its return to the queue if a worker lost it; never negative."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    with closing(database(tmp_path)) as opened:
        opened.open()
        queue = Executions(opened, max_depth=10)
        queue.submit("workflow_welcome_mail", "manual", {})
        now[0] = 1012.5
        first = queue.take()
        now[0] = 1100.0
        queue.put_back()
        now[0] = 1103.0
        second = queue.take()
        queue.submit("workflow_welcome_mail", "manual", {})
        now[0] = 900.0
        third = queue.take()

    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.waited_seconds, second.waited_seconds) == (12.5, 3.0)
    assert second.execution_id == first.execution_id
    assert third.waited_seconds == 0


def test_a_table_of_an_earlier_version_gets_the_column_once(tmp_path: Path) -> None:
    """Several processes that start at the same time add one column, and what waits counts on."""
    assert "queued_at" not in OLD
    with closing(sqlite3.connect(tmp_path / "app.db")) as old:
        old.executescript(OLD)
        old.execute(INSERT, ("exec_1", time.time() - 60))
        old.commit()
    opened = [database(tmp_path) for _ in range(4)]
    failed: list[Exception] = []

    def open_it(one: Database) -> None:
        try:
            one.open()
        except Exception as error:  # noqa: BLE001 -- shown by the test
            failed.append(error)

    threads = [threading.Thread(target=open_it, args=(one,)) for one in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # An earlier version that still runs writes rows without the column.
    opened[0].run(INSERT, "exec_2", time.time())
    queue = Executions(opened[0], max_depth=10)
    first, second = queue.take(), queue.take()

    assert failed == []
    assert first is not None
    assert second is not None
    assert (first.execution_id, second.execution_id) == ("exec_1", "exec_2")
    assert first.waited_seconds is not None
    assert first.waited_seconds >= 60
    assert second.waited_seconds is None
