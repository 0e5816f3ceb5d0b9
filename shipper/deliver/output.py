"""
Outputs: destinations for batches.

An output tries once and reports; retries and their delays belong to the publisher. Adding one is
a module in `outputs/`, a line in `OUTPUTS`, a section in shipper/config/main.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch
    from shipper.events import AnyEvents, Delivery

OUTPUTS = {
    ConsoleOutput: "shipper.deliver.outputs.console:ConsoleWriter",
    ElasticsearchOutput: "shipper.deliver.outputs.elasticsearch:DataStreams",
    EmbeddedOutput: "shipper.deliver.outputs.embedded:EmbeddedIndex",
    LogstashOutput: "shipper.deliver.outputs.logstash:Logstash",
}


# (stream, first, last) → the positions of the stream in this range that are stored.
StoredPositions = Callable[[str, int, int], Sequence[int]]


class Output(Protocol):
    """A destination for batches; one thread calls it, but for `prepare`, so it needs no locks."""

    def prepare(self, events: AnyEvents) -> AnyEvents:
        """
        Return the events of a block in the form in which they are sent best, or as they are.

        The thread that read them calls it at once, while they are in the caches. It depends on
        the events and the config alone.
        """

    def publish(self, batch: Batch) -> Delivery:
        """
        Send one batch and say what became of every event in it.

        When this returns, the events that are not named in the answer are safe at the
        destination, also if this machine loses power then.

        Raises:
            OutputUnavailable: nothing is known of any event; all have to be sent again.

        """

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """
        Return the origins (stream, positions) stored after that commit; called before any publish.

        An output that absorbs a resend by `_id` gives nothing.
        """

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        """
        Return the positions of a stream, `first` to `last`, that are stored, in any order.

        Called by the reading thread, while the other one may publish. An output that absorbs a
        resend by `_id` gives nothing.

        Raises:
            OutputUnavailable: it cannot be told now.

        """

    def commit(self) -> int:
        """Return the number of the last commit; 0 where the output has none."""

    def maintain(self, now_ms: int) -> None:
        """Do what has to be done now and then (retention); raises OutputUnavailable."""

    def close(self) -> None:
        """Let go of what is open; a second call does nothing."""


def open_output(config: Config) -> Output:
    """
    Open the output of the config.

    Raises:
        ShipperError: it cannot work now; the message says where and what to do.

    """
    module, name = OUTPUTS[type(config.output)].split(":")
    return cast("Output", getattr(import_module(module), name)(config))
