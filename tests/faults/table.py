"""
The table of all faults: what each did, as the tests saw it, written by `make faults-table`.

A test of a fault takes the fixture `outcome` and says in the end what came of it. With
`--faults-table FILE` the page is written from what was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HEAD = """\
# Faults

What happens to records when something breaks. Each row is what a test saw: it is written by
`make faults-table` from a run of the tests, and no number in it is typed in. Lost: records that
were written, could be read, and are not stored; doubled: records that are stored twice. The tests
write with live processes, and count with the notes of these, not with what the shipper says.

| what happens | records | lost | doubled | what the operator sees | test |
|---|---:|---:|---:|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What one test saw of one fault."""

    fault: str
    records: int
    lost: int
    doubled: int
    sees: str
    test: str

    def line(self) -> str:
        cells = (self.fault, f"{self.records:,}", str(self.lost), str(self.doubled), self.sees)
        return f"| {' | '.join(cells)} | `{self.test}` |"


ROWS = pytest.StashKey[list[Row]]()

Outcome = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-table", metavar="FILE", help="write the table of all faults there")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def outcome(request: pytest.FixtureRequest) -> Iterator[Outcome]:
    """Give what notes the outcome of a fault; a test that takes it has to."""
    rows = request.config.stash[ROWS]
    before = len(rows)

    def note(
        fault: str,
        *,
        written: Collection[object] = (),
        lost: Collection[object] = (),
        doubled: Collection[object] = (),
        sees: str = "nothing",
    ) -> None:
        test = request.node.nodeid.partition("tests/")[2]
        rows.append(Row(fault, len(written), len(lost), len(doubled), sees, test))

    yield note
    assert len(rows) > before, "the outcome was not noted"


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--faults-table", default=None)
    if path:
        rows = session.config.stash[ROWS]
        Path(path).write_text(HEAD + "".join(f"{row.line()}\n" for row in rows))


def told(log: str, folder: Path) -> str:
    """Give the warnings and errors of a log, each once, without what differs from run to run."""
    found: dict[str, None] = {}
    for line in log.splitlines():
        level = re.search(r"\b(WARNING|ERROR)\b\s*(.*)", line)
        if level:
            text = level[2].replace(f"{folder}/", "").replace("|", "/")
            text = re.sub(r"\d[\d,]*", "N", text)
            found[text] = None
    return "; ".join(f"“{text}”" for text in found) or "nothing but the restart"
