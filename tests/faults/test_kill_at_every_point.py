"""
kill -9 at every step that has a name, under a live writer, several times over.

Each test kills a real `shipper run` at the first, the third and another time that it comes by the
step, one shipper after another on the same data folder, and deletes what is rotated and held in
between. Where the step is not reached, the test fails.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.crashpoints import CrashPoint
from shipper.store.elasticsearch.setup import set_up
from tests.acceptance import test_alert_job
from tests.deliver.test_elasticsearch_node import stored
from tests.faults import killing
from tests.faults.killing import crash, crash_and_delete, dead_letters, finish, occurrences
from tests.faults.live import Origin, writer
from tests.faults.table import told
from tests.intake import test_shipping_stdin
from tests.servers.elasticsearch_scripted import Asked, Says, item, items, scripted_server
from tests.store import test_embedded_writer

if TYPE_CHECKING:
    from tests.acceptance.server import Site
    from tests.faults.table import Outcome
    from tests.servers.lumberjack import StartReceiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGE = Path(__file__).parent.parent.parent / "shipper"

# On the way to every output.
ON_THE_WAY = (
    CrashPoint.READ,
    CrashPoint.ENRICHED,
    CrashPoint.QUEUED,
    CrashPoint.PUBLISHING,
    CrashPoint.PUBLISHED,
    CrashPoint.ACKED,
    CrashPoint.SAVING,
    CrashPoint.SAVED,
)
HELD = (CrashPoint.HOLD_LINKED, CrashPoint.HOLD_UNLINKED)
INDEX = (CrashPoint.INDEXING, CrashPoint.INDEXED)
SIDE_WORK = (
    CrashPoint.PIECE_WRITTEN,
    CrashPoint.PIECE_PUBLISHED,
    CrashPoint.REPLACED_REMOVED,
)
REFUSED = (CrashPoint.WRAPPED, CrashPoint.LETTER_WRITTEN, CrashPoint.LETTER_SYNCED)
REPLAYED = (CrashPoint.LETTERS_REWRITTEN, CrashPoint.LETTERS_REPLACED)


@pytest.mark.parametrize(
    "step", [*ON_THE_WAY, *INDEX, *SIDE_WORK, *HELD], ids=lambda step: step.name
)
def test_shipping_to_the_index(site: Site, outcome: Outcome, step: CrashPoint) -> None:
    """Killed at any step on the way to the index, every record is stored once."""
    deleted = 0
    with writer(site.folder) as application:
        for count in occurrences(step):
            deleted += crash_and_delete(site, application, step, count)
        written = application.stop()
    finish(site)

    lost, doubled = killing.stored_once(site, written)
    sees = told(killing.warnings(site), site.folder)
    fault = f"kill -9, 3 times, at {step.name}: {step.value}; index"
    outcome(fault, written=written, lost=lost, doubled=doubled, sees=sees)
    assert (lost, doubled) == (set(), set())
    assert deleted or step not in HELD
    killing.assert_consistent(site)
    killing.assert_audit_says(site, written)


@pytest.mark.server
def test_shipping_over_lumberjack(
    site: Site, outcome: Outcome, start_lumberjack: StartReceiver
) -> None:
    """Killed at any step on the way to Logstash, every record arrives, one or more times."""
    receiver = start_lumberjack()
    killing.configure(site, f"logstash: {{hosts: ['{receiver.address}'], tls: {{enabled: false}}}}")
    with writer(site.folder) as application:
        for step in ON_THE_WAY:
            crash_and_delete(site, application, step, occurrences(step)[-1])
        written = application.stop()
    finish(site)

    arrived = killing.of_runs(receiver.origins(), written)
    lost = written - {*arrived}
    fault = f"kill -9 at each of {len(ON_THE_WAY)} steps; the protocol of Logstash, by `_id`"
    outcome(fault, written=written, lost=lost, sees=told(killing.warnings(site), site.folder))
    assert lost == set()
    assert {*arrived} == written
    killing.assert_consistent(site)


@pytest.mark.server
def test_shipping_to_elasticsearch(site: Site, outcome: Outcome, elasticsearch_url: str) -> None:
    """Killed at any step on the way to Elasticsearch, every record is stored once."""
    assert list(set_up(ElasticsearchOutput((elasticsearch_url,))))
    killing.configure(site, f"elasticsearch: {{hosts: ['{elasticsearch_url}']}}")
    site.config.write_text(site.config.read_text().replace("namespace: test", "namespace: killed"))
    with writer(site.folder) as application:
        for step in ON_THE_WAY:
            crash_and_delete(site, application, step, occurrences(step)[-1])
        written = application.stop()
    finish(site)

    found = killing.of_runs(stored(elasticsearch_url, "killed"), written)
    lost, doubled = written - {*found}, killing.doubled(found)
    fault = f"kill -9 at each of {len(ON_THE_WAY)} steps; a real Elasticsearch"
    sees = told(killing.warnings(site), site.folder)
    outcome(fault, written=written, lost=lost, doubled=doubled, sees=sees)
    assert (lost, doubled) == (set(), set())
    killing.assert_consistent(site)
    killing.assert_audit_says(site, written)


class Refusing:
    """Keeps documents by `_id`; refuses every seventh record, and every 14th even as text."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.mended = False

    def __call__(self, asked: Asked) -> Says:
        documents = map(json.loads, asked.body.splitlines()[1::2])
        told = [self._keep(*each) for each in zip(asked.ids, documents, strict=True)]
        return items(*told, errors=any("error" in each["create"] for each in told))

    def _keep(self, id_: str, document: dict[str, Any]) -> dict[str, Any]:
        if id_ in self.held:
            return item(409, "version_conflict_engine_exception")
        if not self.mended and self.refuses(id_, wrapped="rejected" in document.get("tags", ())):
            return item(400, "document_parsing_exception", "failed to parse [x]")
        self.held[id_] = document
        return item(201)

    @staticmethod
    def refuses(id_: str, *, wrapped: bool) -> bool:
        number = killing.origin_of(id_)[1]
        return number % 14 == 3 if wrapped else number % 7 == 3


def refused_for_good(written: set[Origin]) -> set[str]:
    ids = {f"{run}-{number}" for run, number in written}
    return {id_ for id_ in ids if Refusing.refuses(id_, wrapped=True)}


@pytest.mark.parametrize("step", REFUSED, ids=lambda step: step.name)
def test_records_that_are_refused(site: Site, outcome: Outcome, step: CrashPoint) -> None:
    """Killed while refused records are wrapped or buried, each is stored, or a dead letter."""
    refusing = Refusing()
    with scripted_server(refusing) as server, writer(site.folder) as application:
        killing.configure(site, f"elasticsearch: {{hosts: ['{server.url}']}}")
        for count in occurrences(step):
            crash_and_delete(site, application, step, count)
        written = application.stop()
        finish(site)

    found = killing.of_runs(Counter(refusing.held), written)
    buried = {killing.origin_of(id_) for id_ in dead_letters(site)}
    lost, doubled = written - {*found} - buried, {*found} & buried
    fault = f"kill -9, 3 times, at {step.name}: {step.value}"
    sees = told(killing.warnings(site), site.folder)
    outcome(fault, written=written, lost=lost, doubled=doubled, sees=sees)
    assert (lost, doubled) == (set(), set())
    assert dead_letters(site) == refused_for_good(written)
    killing.assert_consistent(site)


@pytest.mark.parametrize("step", REPLAYED, ids=lambda step: step.name)
def test_dead_letters_that_are_replayed(site: Site, outcome: Outcome, step: CrashPoint) -> None:
    """Killed while replayed letters are taken out, each is stored once in the end."""
    refusing = Refusing()
    with scripted_server(refusing) as server, writer(site.folder) as application:
        killing.configure(site, f"elasticsearch: {{hosts: ['{server.url}']}}")
        crash(site, CrashPoint.LETTER_SYNCED, 2)
        for _ in range(2):  # a replay comes by these steps once
            refusing.mended = True
            crash(site, step, 1, "deadletters", "replay", "--all")
            refusing.mended = False
            crash(site, CrashPoint.LETTER_SYNCED, 1)
        written = application.stop()
        refusing.mended = True
        finish(site)
        assert site.run("deadletters", "replay", "--all").returncode in {0, 1}
        finish(site)

    lost = written - {*killing.of_runs(Counter(refusing.held), written)}
    fault = f"kill -9 of `deadletters replay`, twice, at {step.name}: {step.value}"
    outcome(fault, written=written, lost=lost, sees=told(killing.warnings(site), site.folder))
    assert lost == set()
    assert dead_letters(site) == set()


def test_every_point_is_crashed_at() -> None:
    """The code reaches every crash point there is, and each is one of those above."""
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    used = {*re.findall(r"crashpoints\.reached\(CrashPoint\.(\w+)\)", source)}

    of_the_alert_job = {CrashPoint[name] for name in test_alert_job.STEPS}
    crashed = {*ON_THE_WAY, *HELD, *INDEX, *SIDE_WORK, *REFUSED, *REPLAYED, *of_the_alert_job}
    crashed |= {*test_embedded_writer.POINTS, *test_shipping_stdin.STEPS}
    assert {point.name for point in CrashPoint} == used
    assert crashed == {*CrashPoint}
