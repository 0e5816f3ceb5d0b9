"""A folder with a log file, for the tests of the checks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.check.checking import write


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder with `logs/app.log` that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "logs").mkdir()
    write(folder / "logs/app.log", b"{}\n")
    yield folder
    shutil.rmtree(folder)
