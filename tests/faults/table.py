"""
The table of all faults: what each did, as the tests saw it, written by `make faults-table`.

A test of a fault takes the fixture `outcome` and says in the end what came of it. With
`--faults-table FILE` the page is written from what was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
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


FOOT = """
## Everything at once

`make torture`: four processes write through the handler of `emit` and two through
`RotatingFileHandler`, 1 MiB a file and two backups, so that rotation deletes fast. Four shippers
read the same files: one into the embedded store, one into a real Elasticsearch, one into a
Lumberjack receiver, and one without holds into another receiver. Each is killed after 0.2 to 3
seconds of life, at random or at a named step; before the servers stands a proxy that passes,
refuses, cuts requests, cuts answers, slows down or stalls. An independent witness keeps every
file open, and looks which of them a shipper ever held: what stood only in others was deleted
before that shipper could look, and counts as out of reach. `shipper audit` has to say the same as
this count: stored, lost, doubled, and the numbers that are out of reach as gaps. Without holds
records get lost, which shows that the test can fail.
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


MOST = 110  # characters of a line of the log that are shown

Outcome = Callable[..., None]


class Table:
    """The rows of all tests, also of those that run in other processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[Row] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._rows += [
                Row(**row)
                for name, row in report.user_properties
                if name == "fault" and isinstance(row, dict)
            ]

    def pytest_sessionfinish(self) -> None:
        lines = [f"{row.line()}\n" for row in sorted(self._rows, key=lambda row: row.test)]
        self._path.write_text(HEAD + "".join(lines) + FOOT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-table", metavar="FILE", help="write the table of all faults there")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--faults-table")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(Path(path)))


@pytest.fixture
def outcome(request: pytest.FixtureRequest) -> Iterator[Outcome]:
    """Return what notes the outcome of a fault; a test that takes it has to."""
    noted = request.node.user_properties
    before = len(noted)

    def note(
        fault: str,
        *,
        written: Collection[object] = (),
        lost: Collection[object] = (),
        doubled: Collection[object] = (),
        sees: str = "nothing",
    ) -> None:
        test = request.node.nodeid.partition("tests/")[2]
        row = Row(fault, len(written), len(lost), len(doubled), sees, test)
        noted.append(("fault", asdict(row)))

    yield note
    assert len(noted) > before, "the outcome was not noted"


def told(log: str, folder: Path) -> str:
    """Return the warnings and errors of a log, each once, without what differs from run to run."""
    found: dict[str, None] = {}
    for line in log.splitlines():
        level = re.search(r"\b(WARNING|ERROR)\b\s*(.*)", line)
        if level:
            text = level[2].replace(f"{folder}/", "").replace("|", "/")
            text = re.sub(r"\d[\d,]*", "N", text)
            found[text if len(text) <= MOST else f"{text[:MOST]}…"] = None
    return "; ".join(f"“{text}”" for text in found) or "nothing but the restart"
