"""The pipeline between reading and publishing, with no thread that publishes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from shipper.agent.pipeline import Pipeline
from shipper.config.main import load
from shipper.times import Clock

if TYPE_CHECKING:
    from pathlib import Path


def test_the_queue_counts_documents(tmp_path: Path) -> None:
    """A line of two bytes becomes a document of hundreds, and that is what fills the queue."""
    (tmp_path / "app.log").write_bytes(b"x\n" * 1000)
    config = tmp_path / "shipper.yml"
    config.write_text(
        f"service: {{name: a}}\ndata_dir: {tmp_path}/data\n"
        f"inputs: [{{paths: [{tmp_path}/*.log]}}]\n"
        "output: {console: {path: /dev/null}}\n"
    )
    (tmp_path / "data").mkdir()
    pipeline = Pipeline(load(config), Clock(lambda: int(time.time() * 1000)))

    for _ in range(20):  # the first lines are blocks of their own
        pipeline.turn()

    assert pipeline.publisher.queued_bytes > 1000 * 200
    pipeline.close()


def test_a_reload_applies_processors_and_redaction(tmp_path: Path) -> None:
    """From the next block on; what was read before went out as it was."""
    config = tmp_path / "shipper.yml"
    log, out = tmp_path / "app.log", tmp_path / "out"
    text = (
        f"service: {{name: a}}\ndata_dir: {tmp_path}/data\n"
        f"inputs: [{{paths: [{log}]}}]\noutput: {{console: {{path: {out}}}}}\n"
    )
    config.write_text(text)
    (tmp_path / "data").mkdir()
    log.write_text("token=one\n")
    pipeline = Pipeline(load(config), Clock(lambda: int(time.time() * 1000)))
    thread = threading.Thread(target=pipeline.publisher.run)
    thread.start()
    try:
        while pipeline.turn():
            pass
        config.write_text(f"{text}redact: {{}}\nprocessors: [{{drop: {{where: 'noise'}}}}]\n")
        pipeline.reconfigure(load(config))
        with log.open("a") as file:
            file.write("token=two\nnoise\n")
        pipeline.scan()
        while pipeline.turn():
            pass
    finally:
        pipeline.publisher.drain()
        thread.join(60)
        pipeline.close()

    written = out.read_text()
    assert "token=one" in written
    assert "token=[redacted:password]" in written
    assert "two" not in written
    assert "noise" not in written


def test_files_that_grew_lately_are_not_hinted_at(tmp_path: Path) -> None:
    """They are polled; what is found by the scan first counts as grown."""
    log = tmp_path / "app.log"
    log.write_text("one\n")
    pipeline = _pipeline(tmp_path, log)
    while pipeline.turn():
        pass
    pipeline.scan()
    assert pipeline.tailer.reader.warm_paths() == {str(log)}
    pipeline.close()


def test_an_ack_wakes_who_waits_for_it_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rest the next save is soon enough; anywhere else the ack is waited for."""
    pipeline = _pipeline(tmp_path, tmp_path / "app.log")
    rested: list[bool] = []

    def wait(_seconds: float) -> None:
        pipeline.publisher._on_ack()
        rested.append(not pipeline.wake.is_set())

    monkeypatch.setattr(pipeline, "wait", wait)
    while pipeline.turn():
        pass
    pipeline.rest()
    assert rested == [True]
    pipeline.publisher._on_ack()
    assert pipeline.wake.is_set()
    pipeline.close()


def _pipeline(folder: Path, log: Path) -> Pipeline:
    config = folder / "shipper.yml"
    config.write_text(
        f"service: {{name: a}}\ndata_dir: {folder}/data\n"
        f"inputs: [{{paths: [{log}]}}]\noutput: {{console: {{path: /dev/null}}}}\n"
    )
    (folder / "data").mkdir()
    return Pipeline(load(config), Clock(lambda: int(time.time() * 1000)))
