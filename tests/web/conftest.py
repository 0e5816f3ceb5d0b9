"""The browser of the tests."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of the browser; without one, the tests are skipped or fail."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("SHIPPER_TEST_REQUIRE"):
        pytest.fail("there is no chromium; apt install chromium")
    if found is None:
        pytest.skip("there is no chromium")
    return found
