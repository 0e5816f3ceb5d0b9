"""How long and with which dice the long tests run: options of pytest."""

from __future__ import annotations

import random
from typing import cast

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--torture", type=float, metavar="SECONDS", help="torture for so long, in full")
    group.addoption("--seed", type=int, metavar="N", help="throw the dice as that run did")
    group.addoption("--schedules", type=int, metavar="N", help="so many schedules of the model")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed that was asked for, or one of chance."""
    asked = request.config.getoption("--seed")
    return random.SystemRandom().randrange(10**6) if asked is None else cast("int", asked)
