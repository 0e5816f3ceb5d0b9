"""A receiver that cannot be built says why once; no later test builds it again."""

from __future__ import annotations

import pytest

from tests.servers import lumberjack
from tests.servers.lumberjack import NoReceiverError, build_failure


def test_it_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second test gets the reason of the first without another build."""
    builds = []

    def build() -> None:
        builds.append("one")
        raise NoReceiverError("no Go here")

    build_failure.cache_clear()
    monkeypatch.setattr(lumberjack, "build", build)
    try:
        assert [build_failure() for _ in range(3)] == ["no Go here"] * 3
    finally:
        build_failure.cache_clear()

    assert builds == ["one"]
