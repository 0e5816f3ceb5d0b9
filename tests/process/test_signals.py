"""Signals: they never wait for what they interrupt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


# The main thread waits for a mutex in C, and comes back to Python for no signal.
HANGS = """
import ctypes
mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
"""
HANGING = (
    HANGS
    + """
import os, signal, threading
from shipper.process.signals import Signals
event = threading.Event()
signals = Signals(event.set)
def kill():
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(7 if event.wait(60) and signals.stops == 1 else 1)
threading.Thread(target=kill).start()
lock(mutex), lock(mutex)
"""
)


def test_a_signal_is_handled_beside_a_main_thread_that_hangs() -> None:
    """A signal sets its flag although the main thread executes nothing."""
    done = subprocess.run([sys.executable, "-c", HANGING], check=False, timeout=100)

    assert done.returncode == 7


HUNG_SHIPPER = (
    HANGS
    + """
import logging, os, signal, sys, threading, time
from shipper.agent import loop
from shipper.agent.pipeline import Pipeline
from shipper.config.main import load
from pathlib import Path
loop.GRACE_SECONDS = {grace}
logging.basicConfig()
def kill():
    for _ in range({signals}):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.5)  # two that are pending are one
def hang(_pipeline):
    threading.Timer(0.1, kill).start()
    lock(mutex), lock(mutex)
Pipeline.turn = hang
loop.run(load(Path(sys.argv[1])))
"""
)


@pytest.mark.parametrize(
    ("stop_seconds", "grace", "signals"), [("0s", (0.1, 3600), 1), ("1h", (3600, 0.1), 2)]
)
def test_a_shipper_that_hangs_is_ended(
    tmp_path: Path, stop_seconds: str, grace: tuple[float, float], signals: int
) -> None:
    """It ends after `stop_seconds`, or at the second signal, whatever its main thread does."""
    config = tmp_path / "shipper.yml"
    config.write_text(
        f"service: {{name: a}}\ndata_dir: {tmp_path}/data\n"
        f"inputs: [{{paths: [{tmp_path}/*.log]}}]\noutput: {{console: {{path: /dev/null}}}}\n"
        f"delivery: {{stop_seconds: {stop_seconds}}}\n"
    )
    code = HUNG_SHIPPER.format(grace=grace, signals=signals)

    done = subprocess.run(
        [sys.executable, "-c", code, config],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert done.returncode == 3, done.stderr
    assert "the shipper hangs and is ended" in done.stderr
