"""A real browser for the tests: fixtures that skip without one, or fail where it is demanded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of the browser; without one, the tests are skipped or fail."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("SHIPPER_TEST_REQUIRE"):
        pytest.fail("there is no chromium; apt install chromium")
    if found is None:
        pytest.skip("there is no chromium")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - no other test waits for it

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
