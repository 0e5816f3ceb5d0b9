"""
Outputs: destinations for batches.

An output tries once and reports; retries and their delays belong to the publisher. To add one,
write a module in `outputs/`, a line in `OUTPUTS`, and a section in shipper/config/main.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
)
from shipper.deliver.batch import P

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch
    from shipper.events import Delivery, Events
    from shipper.splice import Spliced

OUTPUTS = {
    ConsoleOutput: "shipper.deliver.outputs.console:ConsoleWriter",
    ElasticsearchOutput: "shipper.deliver.outputs.elasticsearch:DataStreams",
    EmbeddedOutput: "shipper.deliver.outputs.embedded:EmbeddedIndex",
    LogstashOutput: "shipper.deliver.outputs.logstash:Logstash",
}

# (stream, first, last) → the positions of the stream in this range that are stored.
StoredPositions = Callable[[str, int, int], Sequence[int]]


class Output(Protocol[P]):
    """
    A destination for batches, which keeps events in the form `P`.

    Only the publishing thread calls it, except for `prepare`, `prepare_spliced` and
    `stored_positions`.
    """

    def prepare(self, events: Events) -> P:
        """
        Return events in the form in which they are sent.

        The form depends on the events and the config only. Called by both threads.
        """

    def prepare_spliced(self, events: Spliced) -> P:
        """Return spliced events in this form; called by the thread that read them, at once."""

    def publish(self, batch: Batch[P]) -> Delivery:
        """
        Send one batch and return what became of every event in it.

        When this returns, the events that the answer does not name are stored at the destination,
        and survive a power failure of this machine.

        Raises:
            OutputUnavailable: nothing is known of any event; all have to be sent again.

        """

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """
        Yield the origins (stream, positions) stored after that commit; called before any publish.

        An output that drops resent events by `_id` yields nothing.
        """

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        """
        Return the positions of a stream, `first` to `last`, that are stored, in any order.

        Called by the reading thread, while the other one may publish. An output that drops resent
        events by `_id` returns nothing.

        Raises:
            OutputUnavailable: the destination cannot answer now.

        """

    def commit(self) -> int:
        """Return the number of the last commit; 0 where the output has none."""

    def maintain(self, now_ms: int) -> None:
        """Do regular maintenance, such as retention; raises OutputUnavailable."""

    def close(self) -> None:
        """Close files and connections; a second call does nothing."""


class WithoutCommits:
    """What an output does that drops resent events by `_id`, or cannot be asked what it stored."""

    def stored_after(self, _commit: int, /) -> Iterator[tuple[str, Sequence[int]]]:
        """Yield nothing; see `Output`."""
        return iter(())

    def stored_positions(self, _stream: str, _first: int, _last: int, /) -> Sequence[int]:
        """Return nothing; see `Output`."""
        return ()

    def commit(self) -> int:
        """Return 0: there are no commits."""
        return 0

    def maintain(self, _now_ms: int, /) -> None:
        """Do nothing: there is nothing to maintain."""


def open_output(config: Config) -> Output[Any]:
    """
    Open the output of the config.

    Raises:
        ShipperError: it cannot work now; the message says where and what to do.

    """
    module, name = OUTPUTS[type(config.output)].split(":")
    return cast("Output[Any]", getattr(import_module(module), name)(config))
