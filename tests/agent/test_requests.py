"""Requests of other processes: what lies in their folder may be anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unittest.mock import patch

from shipper.agent.requests import MOST_READ, ForgetRequest, ask, waiting

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

    assert waiting(folder, set()) == [(folder / "5.request", request)]


def test_a_folder_full_of_what_is_no_request(tmp_path: Path) -> None:
    """None of it is read twice, and a request among it is found though others come first."""
    folder = tmp_path / "requests"
    request = ForgetRequest(("/a/*",))
    ask(folder, "x", request)
    for number in range(MOST_READ + 1):
        (folder / f"{number}.request").write_bytes(b"no request")
    refused: set[str] = set()
    assert waiting(folder, refused) == []
    assert len(refused) == MOST_READ
    assert waiting(folder, refused) == [(folder / "x.request", request)]
    with patch("shipper.agent.requests.read_regular") as read:
        read.return_value = b""
        waiting(folder, refused)
    assert read.call_count == 1
    (folder / "0.request").unlink()
    waiting(folder, refused)
    assert "0.request" not in refused
