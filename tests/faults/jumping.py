"""
The command line of the shipper, with a wall clock that jumps at every look by up to a day.

    python -m tests.faults.jumping SEED COMMAND …
"""

from __future__ import annotations

import random
import sys
import time

from shipper.agent import loop
from shipper.cli import main

DAY_MS = 24 * 3600 * 1000


def jump(seed: int) -> None:
    """Let the clock of the shipper be wrong, by another time at each look."""
    chance = random.Random(seed)

    def wall() -> int:
        return time.time_ns() // 1_000_000 + chance.randint(-DAY_MS, DAY_MS)

    loop.wall = wall


if __name__ == "__main__":
    jump(int(sys.argv[1]))
    main(sys.argv[2:])
