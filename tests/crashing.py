"""
The command line of the shipper, ended by kill -9 at a step.

    python -m tests.crashing STEP N COMMAND …     at the Nth time that the step is reached

STEP is the name of a `shipper.crashpoints.Step`.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys

from shipper import crashpoints
from shipper.cli import main
from shipper.crashpoints import Step


def crash_at(chosen: Step, count: int) -> None:
    """End this process, as a power cut would, when it reaches the step so many times."""
    times = itertools.count(1)

    def reached(step: Step) -> None:
        if step is chosen and next(times) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.reached = reached


if __name__ == "__main__":
    crash_at(Step[sys.argv[1]], int(sys.argv[2]))
    main(sys.argv[3:])
