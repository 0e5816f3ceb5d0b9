"""
The command line of the shipper without receipts, which no config can switch off.

    python -m bench.bare COMMAND …
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shipper.agent import pipeline
from shipper.cli import main
from shipper.registry.receipts import Receipts

if TYPE_CHECKING:
    from shipper.events import AnyEvents, Block
    from shipper.registry.receipts import BlockReceipt


class Nothing(Receipts):
    """Receipts that note nothing."""

    def ack(self, read: BlockReceipt | None, now: int, commit: int) -> None:
        """Let it pass."""


def without(_block: Block, _events: AnyEvents) -> None:
    """Note nothing of what was read."""


if __name__ == "__main__":
    vars(pipeline).update(Receipts=Nothing, receipt_of=without)
    main(sys.argv[1:])
