"""What the tests of the output `logstash` share: its config, its batches, patience."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import LogstashOutput, TlsOptions
from shipper.deliver.batch import Batch
from shipper.deliver.outputs.logstash import Logstash
from shipper.errors import OutputUnavailable
from shipper.events import Events, Rejection
from tests.deliver.delivering import RUN, part_of, publish, simple_batch

CLEAR = TlsOptions(enabled=False)


def config_of(*hosts: str, tls: TlsOptions = CLEAR, **options: Any) -> Config:
    settings = {"window_events": 8, "ack_seconds": 5.0, "connect_seconds": 5.0, **options}
    return Config(
        service=ServiceOptions("app"),
        data_dir=Path(),
        inputs=(InputOptions(("*.log",)),),
        output=LogstashOutput(hosts, tls, **settings),
    )


@contextmanager
def logstash(*hosts: str, tls: TlsOptions = CLEAR, **options: Any) -> Iterator[Logstash]:
    output = Logstash(config_of(*hosts, tls=tls, **options))
    yield output
    output.close()


def batch_to(count: int) -> Batch[Events]:
    """Make a batch of the events 0 up to `count`."""
    return simple_batch(*range(count))


def ids(*seqs: int) -> list[str]:
    return [f"{RUN}-{seq}" for seq in seqs]


def insist(output: Logstash, batch: Batch[Events], *, tries: int = 50) -> list[Rejection]:
    """Publish until all is answered, without the publisher's pauses; return what is refused."""
    refused: list[Rejection] = []
    for _ in range(tries):
        try:
            delivery = publish(output, batch)
        except OutputUnavailable:
            continue
        refused += delivery.rejected
        if not delivery.again:
            return refused
        batch = part_of(batch, delivery.again)
    raise AssertionError(f"{len(batch)} events are still owed")
