"""Numbers that are pushed to StatsD, in a process that forks."""

from __future__ import annotations

import os
import signal
import socket

from shipper.instrument.statsd import StatsdPush


def test_a_fork_while_another_thread_sends() -> None:
    """The child waits for no lock that a thread of the parent held, and sends only its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        push = StatsdPush(f"127.0.0.1:{receiver.getsockname()[1]}")
        push.count("parent", {})
        with push._lock:  # as a thread in the middle of a line holds it
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                push.count("child", {})
                push.flush()
                os._exit(0)
        _, status = os.waitpid(child, 0)
        push.flush()
        received = [receiver.recv(1000) for _ in range(2)]

    assert status == 0
    assert received == [b"child:1|c", b"parent:1|c"]
