"""
The command line of the shipper without receipts, which no config can switch off.

    python -m bench.bare COMMAND …
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shipper.agent import checkpointer, pipeline
from shipper.cli import main
from shipper.registry.receipts import Receipts

if TYPE_CHECKING:
    from shipper.events import Block
    from shipper.registry.receipts import BlockReceipt
    from shipper.splice import AnyEvents


class Nothing(Receipts):
    """Receipts that note nothing."""

    def ack(self, read: BlockReceipt | None, now: int, commit: int) -> None:
        """Let it pass."""


def without(_block: Block, _events: AnyEvents) -> None:
    """Note nothing of what was read."""


if __name__ == "__main__":
    vars(checkpointer).update(Receipts=Nothing)
    vars(pipeline).update(receipt_of=without)
    main(sys.argv[1:])
