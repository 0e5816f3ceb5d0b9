"""Tests of the account of dropped records: neither lost nor missing, and counted once."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shipper.agent.pipeline import Pipeline
from shipper.cli import main
from shipper.config.main import load
from shipper.times import Clock
from tests.agent.shipping import ship
from tests.enrich.enriching import line_of

CONFIG = """\
service: {{name: a}}
data_dir: {folder}/data
inputs: [{{paths: [{folder}/logs/*.log]}}]
processors: [{processors}]
output:
  embedded: {{path: {folder}/index}}
"""
DROP = "{drop: {where: 'level:DEBUG OR message:noise'}}"
MISSING = range(50, 53)  # numbers that no file has


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(folder / "shipper.yml"), *args])


def configure(folder: Path, processors: str) -> None:
    text = CONFIG.format(folder=folder, processors=processors)
    (folder / "shipper.yml").write_text(text)


def audit(folder: Path) -> dict[str, Any]:
    result = run(folder, "audit", "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def stored(folder: Path, query: str) -> int:
    return int(run(folder, "search", query, "--count").stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs of a process whose odd records are DEBUG, and of a program with noise in between."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "data").mkdir()
    lines = [
        line_of(seq, level="DEBUG" if seq % 2 else "INFO", message="x")
        for seq in range(100)
        if seq not in MISSING
    ]
    (tmp_path / "logs" / "app.log").write_bytes(b"\n".join([*lines, b""]))
    (tmp_path / "logs" / "noise.log").write_text("noise\n" * 5)
    (tmp_path / "logs" / "other.log").write_text("noise 1\nword\nnoise 2\nword\nnoise 3\n")
    configure(tmp_path, DROP)
    return tmp_path


def test_dropped_records_are_neither_lost_nor_missing(folder: Path) -> None:
    """The audit closes, counts them, and still finds the numbers that nobody wrote."""
    ship(load(folder / "shipper.yml"))

    found = audit(folder)

    assert (found["indexed"], found["dropped"], found["lost"]) == (48 + 2, 49 + 5 + 3, [])
    assert found["written"] == 97 + 10
    assert [(gap["first"], gap["last"]) for gap in found["gaps"]] == [(50, 52)]
    assert stored(folder, "level:DEBUG") == 0
    assert "57 dropped by processors" in run(folder, "audit").stdout


def test_a_record_that_is_read_again_is_counted_once(folder: Path) -> None:
    """After a restart, a reset of positions, and a second copy in another file."""
    ship(load(folder / "shipper.yml"))
    before = audit(folder)
    (folder / "logs" / "copy.log").write_bytes((folder / "logs" / "app.log").read_bytes())
    ship(load(folder / "shipper.yml"))
    reset = run(folder, "registry", "reset", f"{folder}/logs/app.log", f"{folder}/logs/other.log")
    assert reset.exit_code == 0, reset.output
    ship(load(folder / "shipper.yml"))

    after = audit(folder)

    assert {name: after[name] for name in ("indexed", "dropped", "lost", "doubled")} == {
        name: before[name] for name in ("indexed", "dropped", "lost", "doubled")
    }


def test_a_crash_before_the_save_changes_no_count(folder: Path) -> None:
    """What was published and not saved is read, dropped and counted again, once."""
    config = load(folder / "shipper.yml")
    pipeline = Pipeline(config, Clock(lambda: int(time.time() * 1000)))
    thread = threading.Thread(target=pipeline.publisher.run)
    thread.start()
    while pipeline.turn():
        pass
    pipeline.publisher.drain()
    thread.join(60)
    pipeline.close()  # nothing was settled

    ship(config)

    found = audit(folder)
    assert (found["indexed"], found["dropped"], found["lost"]) == (50, 57, [])
    assert found["doubled"] == []


def test_records_of_the_shipper_itself_are_not_dropped(folder: Path) -> None:
    """A sample of everything does not thin out the log of the alert job."""
    own = [line_of(seq, level="INFO", message="incident") for seq in range(1000, 1020)]
    (folder / "data" / "alerts.log").write_bytes(b"\n".join([*own, b""]))
    configure(folder, "{keep_one_in: {count: 1000000}}")

    ship(load(folder / "shipper.yml"))

    assert stored(folder, "message:incident") == 20


def test_what_is_lost_is_found_beside_what_is_dropped(folder: Path) -> None:
    """A drop covers its own numbers only."""
    ship(load(folder / "shipper.yml"))
    other = folder / "other"
    other.mkdir()
    (folder / "index").rename(other / "index")
    (folder / "logs" / "new.log").write_bytes(line_of(200, level="INFO") + b"\n")
    ship(load(folder / "shipper.yml"))

    result = run(folder, "audit", "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found["dropped"] == 57
    assert sum(each["count"] for each in found["lost"]) == 50


def test_a_sample_is_accounted_for_by_its_weight(folder: Path) -> None:
    """What is kept and what is dropped is all that was written; weights add up to about that."""
    configure(folder, "{keep_one_in: {count: 5}}")
    pipeline = ship(load(folder / "shipper.yml"))

    found = audit(folder)

    assert found["indexed"] + found["dropped"] == found["written"] == 107
    assert 5 <= found["indexed"] <= 45
    assert stored(folder, "weight:5") == found["indexed"]
    assert pipeline.read_metrics().dropped == found["dropped"]
    assert pipeline.read_metrics().read == 107
