"""
What the model test of delivery drives: a real pipeline with a clock and an output of its own.

The pipeline is the one of `shipper run`, with its registry, holds and dead letters on the disk, but
without threads: each action reads, publishes or saves. A crash drops the pipeline wherever it is,
and the next one begins with what is on the disk.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from shipper import crashpoints, times
from shipper.agent.pipeline import Pipeline
from shipper.config.inputs import HoldsOptions, InputOptions, TailOptions
from shipper.config.main import Config, DeliveryOptions, ServiceOptions
from shipper.config.outputs import EmbeddedOutput
from shipper.crashpoints import CrashPoint
from shipper.deliver.batch import Batch
from shipper.deliver.deadletters import DeadLetters
from shipper.errors import OutputUnavailable
from shipper.events import Delivery, Events, Rejection
from shipper.process import data_folder
from shipper.splice import Spliced

WALL = time.time_ns() // 1_000_000  # the kernel stamps files with the real one


RECORD = re.compile(r"record (\d+) x* end")


class Crash(BaseException):
    """The process ends here."""


class Clock:
    """Moves when a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.set_ahead = 0  # of the true time, in milliseconds

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return WALL + self.set_ahead + int(self.seconds * 1000)


class Store:
    """
    Outlives the shipper: what is stored, commit by commit, as often as it was taken.

    One that is `absorbing` knows documents by `_id`, as Elasticsearch does; else it is asked at the
    start what it holds, as the index is. `faults` is what the next tries come to.
    """

    def __init__(self, data: Path, *, absorbing: bool) -> None:
        self.data = data
        self.absorbing = absorbing
        self.commits: list[list[str]] = []
        self.documents: list[tuple[str, bytes]] = []
        self.faults: list[str] = []

    def prepare(self, events: Events) -> Events:
        return events

    def prepare_spliced(self, events: Spliced) -> Events:
        return events.events()

    def publish(self, batch: Batch[Events]) -> Delivery:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refuse":
            raise OutputUnavailable("the store is down")
        indexes = [*range(len(batch))]
        kept = indexes[: len(indexes) // 2] if fault == "half" else indexes
        rejected = indexes[::2] if fault == "reject" else []
        self._store(batch, [index for index in kept if index not in rejected])
        if fault == "cut" and self.absorbing:  # the index has no answer that could get lost
            raise OutputUnavailable("the answer was lost")
        return Delivery(
            again=tuple(indexes[len(kept) :]),
            rejected=tuple(Rejection(index, "no place for it") for index in rejected),
            commit=self.commit(),
        )

    def _store(self, batch: Batch[Events], indexes: Sequence[int]) -> None:
        known = {id_ for id_, _document in self.documents} if self.absorbing else frozenset()
        new = [index for index in indexes if batch.ids[index] not in known]
        for part in batch.parts(new):
            self.documents += zip(part.ids, part.docs, strict=True)
        self.commits.append([batch.ids[index] for index in new])

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        if self.absorbing:
            return
        for ids in self.commits[commit:]:
            for id_ in ids:
                stream, _, position = id_.rpartition("-")
                yield stream, [int(position)]

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        return ()

    def commit(self) -> int:
        return 0 if self.absorbing else len(self.commits)

    def maintain(self, now_ms: int) -> None:
        pass

    def close(self) -> None:
        pass

    def stored(self) -> Counter[int]:
        """Return how often each record of the test is stored, by the number in its message."""
        return Counter(int(each) for text in self.messages() for each in RECORD.findall(text))

    def messages(self) -> Iterator[str]:
        """Yield what is stored, and once what is a dead letter, though it was written twice."""
        stored = set()
        for id_, document in self.documents:
            stored.add(id_)
            yield json.loads(document)["message"]
        path = self.data / data_folder.DEAD_LETTERS
        letters = {line.letter.id: line.letter.document for line in DeadLetters(path).read()}
        for id_, letter in letters.items():
            if id_ not in stored:
                yield json.loads(bytes(letter))["message"]


class Running:
    """A shipper in this process that crashes where a test says."""

    def __init__(
        self, folder: Path, store: Store, clock: Clock, *, holds: bool = True, inputs: int = 1
    ) -> None:
        self.folder, self.store, self.clock, self._with_holds = folder, store, clock, holds
        self._inputs = inputs
        self._patch = patch.object(crashpoints, "reached", self._reached)
        self._patch.start()
        self._doom: tuple[CrashPoint, int] | None = None
        self.pipeline: Pipeline | None = None

    def config(self) -> Config:
        return Config(
            service=ServiceOptions("app"),
            namespace="test",
            data_dir=self.folder / "data",
            inputs=tuple(
                InputOptions((str(self.folder / "logs" / pattern),))
                for pattern in ("*.log", "app*")[: self._inputs]
            ),
            tail=TailOptions(watch=False, block_bytes=4096),
            holds=HoldsOptions(enabled=self._with_holds),
            delivery=DeliveryOptions(backoff_seconds=0.0, backoff_max_seconds=0.0),
            output=EmbeddedOutput(self.folder / "index"),
        )

    def doom(self, step: CrashPoint, count: int) -> None:
        """Let it die when it comes by this step for the so-manieth time."""
        self._doom = step, count

    def spare(self) -> None:
        """Let it die no more."""
        self._doom = None

    def _reached(self, step: CrashPoint) -> None:
        if self._doom is not None and self._doom[0] is step:
            left = self._doom[1] - 1
            self._doom = (step, left) if left else None
            if not left:
                raise Crash

    def start(self) -> Pipeline:
        if self.pipeline is None:
            (self.folder / "data").mkdir(exist_ok=True)
            clock = times.Clock(self.clock.wall, self.clock.monotonic)
            self.pipeline = Pipeline(self.config(), clock, lambda _config: self.store)
        return self.pipeline

    def read(self) -> None:
        """Scan, and read all that there is."""
        pipeline = self.start()
        pipeline.scan()
        while pipeline.turn():
            pass

    def publish(self, batches: int) -> None:
        """Publish so many batches; an output that is down is tried until it works."""
        publisher = self.start().publisher
        publisher.hurry()
        for _ in range(batches):
            if not publisher.step():
                break

    def save(self) -> None:
        """Move positions over what is acked, and save them."""
        self.start().settle(at_once=True)

    def reload(self, *, swap: bool) -> None:
        """Read the config again, as at SIGHUP; the output may be opened anew."""
        pipeline = self.start()
        pipeline.settle(at_once=True)
        if swap:
            pipeline.swap_output(self.config())
        pipeline.reconfigure(self.config())

    def crash(self) -> None:
        """Drop everything that is not on the disk."""
        pipeline, self.pipeline = self.pipeline, None
        self._doom = None
        if pipeline is not None:
            pipeline.close()

    def stop(self) -> None:
        """End in good order."""
        self.publish(1 << 30)
        self.save()
        self.crash()

    def close(self) -> None:
        self.crash()
        self._patch.stop()
