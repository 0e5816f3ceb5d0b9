"""Several connections of one process, and of several, on one ledger."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

from shipper.alerts.incident import Change, Transition
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from tests.alerts.verdicts import START, live_through


def test_opening_it_once_more_takes_no_lock_away(tmp_path: Path) -> None:
    """A second connection of a process neither breaks the first nor loses what it writes."""
    path = tmp_path / "alerts.db"
    incident, _ = live_through("b")
    assert incident is not None
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                with closing(Ledger(path)) as ledger, ledger.deciding():
                    at = START + 1000 * number + turn
                    ledger.record(Transition(incident, Change.REMINDED, at), ["mail"], at)
        except BaseException as error:  # noqa: BLE001 - told by the test
            faults.append(error)

    with closing(Ledger(path)) as first:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert faults == []
        assert len(Outbox(first).errands()) == 80
        assert [each.seq for each in first.recorded_after(0)] == list(range(1, 81))
