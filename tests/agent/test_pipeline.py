"""The pipeline between reading and publishing, with no thread that publishes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

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
