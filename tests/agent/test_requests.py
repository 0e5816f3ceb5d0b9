"""Requests of other processes: what lies in their folder may be anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipper.agent.requests import ForgetRequest, ask, waiting

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO, a link, a folder and nonsense hide no request, and hold nobody up."""
    folder = tmp_path / "requests"
    request = ForgetRequest(("/a/*",))
    ask(folder, "5", request)
    os.mkfifo(folder / "1.request")
    (folder / "2.request").symlink_to("/dev/zero")
    (folder / "3.request").mkdir()
    (folder / "4.request").symlink_to(folder / "5.request")
    (folder / "6.request").write_bytes(b'{"type":"forget","patterns":["\xff"]}')
    (folder / "7.request").write_bytes(b'{"type":"forget","more":' + b"[" * 100_000)

    assert waiting(folder) == [(folder / "5.request", request)]
