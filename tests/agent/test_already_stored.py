"""What the store says of a record whose number is met again; and what it costs if it can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipper.agent import already_stored
from shipper.agent.already_stored import REST_SECONDS, _StoredRecords
from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ConsoleOutput, ElasticsearchOutput
from shipper.errors import StoreUnavailable
from shipper.store.api import Hit, Hits, Selection
from tests.deliver.delivering import RUN, TIME, TIME_MS


def config_of(output: Any) -> Config:
    return Config(
        service=ServiceOptions("app"),
        namespace="blue",
        data_dir=Path("data"),
        inputs=(InputOptions(("*.log",)),),
        output=output,
    )


class Store:
    """Has the records of `seqs`, or cannot be asked; `asked` are the queries."""

    def __init__(self, *seqs: int) -> None:
        self.seqs = seqs
        self.asked: list[str] = []
        self.is_down = False

    def search(self, selection: Selection, *, limit: int) -> Hits:
        assert limit
        self.asked.append(selection.query)
        if self.is_down:
            raise StoreUnavailable("down", "wait")
        sources = [
            {"@timestamp": TIME, "run": RUN, "seq": seq, "message": "m"} for seq in self.seqs
        ]
        return Hits([Hit(f"{RUN}-{each['seq']}", TIME_MS, each) for each in sources], len(sources))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(1, 2)
    monkeypatch.setattr(already_stored, "store_of", lambda *_: store)
    return store


def test_ranges_and_single_numbers(store: Store) -> None:
    """Numbers that lie together are asked for as a range, others by name."""
    records = _StoredRecords(config_of(ConsoleOutput()))
    assert records.contents(RUN, [1, 2])[2].message == "m"
    assert set(records.contents(RUN, [1, 1000])) == {1, 2}
    assert store.asked == [
        f"run:{RUN} AND seq>=1 AND seq<=2",
        f"run:{RUN} AND seq:(1 OR 1000)",
    ]


def test_a_store_that_is_down_is_asked_once_a_minute(store: Store) -> None:
    """Reading does not wait for it at every block."""
    now = [0.0]
    records = _StoredRecords(config_of(ConsoleOutput()), lambda: now[0])
    store.is_down = True
    assert [records.contents(RUN, [1]) for _ in range(3)] == [{}, {}, {}]
    assert len(store.asked) == 1
    store.is_down, now[0] = False, REST_SECONDS
    assert set(records.contents(RUN, [1])) == {1, 2}


def test_an_output_that_cannot_be_searched() -> None:
    """Nothing is known of what it has."""
    records = _StoredRecords(config_of(ConsoleOutput()))
    assert records.contents(RUN, [1]) == {}


def test_a_search_is_short() -> None:
    """The time limit is that of a question beside reading, not that of the output."""
    output = ElasticsearchOutput(("http://127.0.0.1:9200",), request_seconds=600)
    place = _StoredRecords(config_of(output))._config.search
    assert isinstance(place, ElasticsearchOutput)
    assert place.request_seconds <= 10
