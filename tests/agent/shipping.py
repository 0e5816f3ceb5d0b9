"""Ships all that is there in this process, through the pipeline of `shipper run`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from shipper.agent.pipeline import Pipeline
from shipper.config.main import Config
from shipper.deliver.output import open_output
from shipper.times import Clock


def ship(config: Config, opened: Callable[[Config], Any] = open_output) -> Pipeline:
    """Ship until all that was read is acked and saved; return the pipeline, closed."""
    pipeline = Pipeline(config, Clock(lambda: int(time.time() * 1000)), opened)
    thread = threading.Thread(target=pipeline.publisher.run)
    thread.start()
    deadline = time.monotonic() + 100
    try:
        while pipeline.turn() or pipeline.end_events() or not pipeline.is_acked():
            pipeline.raise_failure()
            pipeline.settle()
            assert time.monotonic() < deadline
        pipeline.settle(at_once=True)
    finally:
        pipeline.publisher.drain()
        thread.join(30)
        pipeline.close()
    return pipeline
