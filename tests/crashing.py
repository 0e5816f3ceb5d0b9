"""
The command line of the shipper, ended by kill -9 at a step.

    python -m tests.crashing STEP N COMMAND …     at the Nth time that the step is reached

STEP is the name of a `shipper.crashpoints.CrashPoint`. The embedded store makes pieces of a few
commits, and removes them at once when they are replaced, so that each step comes up soon.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys

from shipper import crashpoints
from shipper.cli import main
from shipper.crashpoints import CrashPoint
from shipper.store.embedded import commits, compactor


def crash_at(chosen: CrashPoint, count: int) -> None:
    """End this process, as a power cut would, when it reaches the point so many times."""
    times = itertools.count(1)

    def reached(point: CrashPoint) -> None:
        if point is chosen and next(times) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.reached = reached


if __name__ == "__main__":
    commits.PIECE_COMMITS = 3  # type: ignore[misc]
    compactor.GRACE_MS = -1  # type: ignore[misc]
    crash_at(CrashPoint[sys.argv[1]], int(sys.argv[2]))
    main(sys.argv[3:])
