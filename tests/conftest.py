"""What all tests share: real servers that start once, and hypothesis without a clock."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# Tests draw the same examples each time; `make fresh` has them draw others.
FIXED = "SHIPPER_TEST_FRESH" not in os.environ

# How long an example takes says what else the machine does, and nothing of the code.
settings.register_profile("shipper", deadline=None, derandomize=FIXED)
settings.load_profile("shipper")

# A shell starts what runs in the background deaf to Ctrl-C; what the tests start would be, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.faults.lengths",
    "tests.faults.table",
    "tests.servers.chromium",
    "tests.servers.elasticsearch",
    "tests.servers.elasticsearch_secure",
    "tests.servers.lumberjack",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests with a server on one worker; schedules that were asked for have no limit."""
    for item in items:
        if config.getoption("--schedules") and item.name == "test_random_schedules":
            item.add_marker(pytest.mark.timeout(0), append=False)
        if item.get_closest_marker("server"):
            item.add_marker(pytest.mark.xdist_group("server"))
