"""kill -9 at a named step: whatever was done by then, every record is stored once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shipper.crashpoints import CrashPoint
from tests.servers.elasticsearch_scripted import (
    Answer,
    Asked,
    Says,
    Streams,
    item,
    items,
    scripted_server,
)

if TYPE_CHECKING:
    from tests.acceptance.server import Site

PACKAGE = Path(__file__).parent.parent.parent / "shipper"

# What every run comes by; the others have tests of their own.
ON_THE_WAY = (
    CrashPoint.READ,
    CrashPoint.ENRICHED,
    CrashPoint.QUEUED,
    CrashPoint.PUBLISHING,
    CrashPoint.INDEXING,
    CrashPoint.INDEXED,
    CrashPoint.PUBLISHED,
    CrashPoint.ACKED,
    CrashPoint.SAVING,
    CrashPoint.SAVED,
)


def crash(site: Site, step: CrashPoint, count: int = 1) -> int:
    """Run the shipper until it is killed at a step; return its exit code."""
    command = [sys.executable, "-m", "tests.crashing", step.name, str(count)]
    command += ["--config", str(site.config), "run", "--once", "--timeout", "60s"]
    env = {"PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.run(command, cwd=site.folder, env=env, check=False, timeout=90).returncode


@pytest.mark.parametrize("step", ON_THE_WAY, ids=lambda step: step.name)
def test_killed_at_a_step(site: Site, step: CrashPoint) -> None:
    """Killed at any step of a record's way, the shipper loses and doubles nothing."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    site.write(300).wait()

    assert crash(site, step) == -9
    done = site.run("run", "--once", "--timeout", "60s")

    assert done.returncode == 0, done.stderr
    assert site.origins() == Counter(site.written())


def refuse_poison(streams: Streams) -> Answer:
    """Refuse what says poison in whatever form, and what says bitter as it is."""

    def answer(asked: Asked) -> Says:
        documents = [json.loads(line) for line in asked.body.splitlines()[1::2]]
        told = []
        for id_, document in zip(asked.ids, documents, strict=True):
            text = json.dumps(document)
            bad = "poison" in text or ("bitter" in text and "rejected" not in text)
            told.append(
                item(400, "document_parsing_exception", "no")
                if bad
                else streams.keep(id_, document)
            )
        return items(*told)

    return answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        CrashPoint.WRAPPED,
        CrashPoint.LETTER_WRITTEN,
        CrashPoint.LETTER_SYNCED,
        CrashPoint.ACKED,
        CrashPoint.SAVED,
    ],
)
def test_killed_while_events_are_refused(site: Site, step: CrashPoint) -> None:
    """Killed at any step of a refusal, an event is stored, stored as text, or a dead letter."""
    streams = Streams()
    lines = ["good", "bitter", "poison", "good too", "poison too"]
    (site.logs / "app.log").write_text("".join(f"{line}\n" for line in lines))
    with scripted_server(refuse_poison(streams)) as server:
        text = site.config.read_text().replace("embedded: {path: var/index}", "")
        site.config.write_text(f"{text}    elasticsearch: {{hosts: ['{server.url}']}}\n")

        assert crash(site, step) == -9
        done = site.run("run", "--once", "--timeout", "60s")

    assert done.returncode == 0, done.stderr
    stored = [doc for doc in streams.held.values() if "heartbeat" not in json.dumps(doc)]
    assert len(stored) == 3
    assert sum("bitter" in doc["message"] for doc in stored) == 1
    listed = site.run("deadletters", "list", "--json").stdout.splitlines()
    assert len({json.loads(line)["_id"] for line in listed}) == len(listed) == 2
