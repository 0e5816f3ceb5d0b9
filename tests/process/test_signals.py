"""Signals: they never wait for what they interrupt."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The main thread holds the lock of the event at the very moment at which the signal comes.
INTERRUPTED = """
import os, signal, threading
from shipper.process.signals import Signals
event = threading.Event()
signals = Signals(event.set)
with event._cond:
    os.kill(os.getpid(), signal.{name})
assert event.wait(60)
print(signals.stops, signals.reload, signals.dump)
"""


@pytest.mark.parametrize(
    ("name", "told"), [("SIGTERM", "1 False False"), ("SIGHUP", "0 True False")]
)
def test_a_signal_that_comes_while_its_event_is_locked(name: str, told: str) -> None:
    """A handler takes no lock, which the main thread may hold: it would wait for itself."""
    code = INTERRUPTED.format(name=name)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100
    )

    assert done.stdout.split("\n")[0] == told, done.stderr
