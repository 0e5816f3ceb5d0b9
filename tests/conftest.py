"""Fixtures of real servers; tests that need one share a worker, so that it starts only once."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.servers.elasticsearch", "tests.servers.lumberjack"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests with a server on one worker (with `--dist loadgroup`)."""
    for item in items:
        if item.get_closest_marker("server"):
            item.add_marker(pytest.mark.xdist_group("server"))
