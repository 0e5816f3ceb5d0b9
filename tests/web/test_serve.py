"""`shipper serve` as a process: what it prints, and where it refuses to listen."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

CONFIG = """
service: {name: s}
data_dir: data
inputs: [{paths: ["logs/*.log"]}]
output: {embedded: {path: index}}
"""


def command(*given: str) -> list[str]:
    return [sys.executable, "-m", "shipper", "--config", "shipper.yml", "serve", *given]


def test_the_printed_link_opens_the_dashboard(tmp_path: Path) -> None:
    """The link leads to the page, which says what is missing; without it there is nothing."""
    (tmp_path / "shipper.yml").write_text(CONFIG)
    serve = subprocess.Popen(
        command("--listen", "127.0.0.1:0"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert serve.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", serve.stdout.readline())
        assert found
        jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with pytest.raises(urllib.error.HTTPError, match="503") as answer:
            jar.open(found[0], timeout=60)
        assert b"Overview" in answer.value.read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(found[0].partition("?")[0], timeout=60)
        serve.send_signal(signal.SIGINT)
        assert serve.wait(60) in (0, 130)
    finally:
        serve.kill()
        serve.communicate()


@pytest.mark.parametrize("address", ["0.0.0.0:8765", "[::]:8765", "logs1:8765", "8765", ":80"])
def test_an_address_that_others_can_reach_is_refused(tmp_path: Path, address: str) -> None:
    """Without accounts nobody but this machine may reach the dashboard."""
    (tmp_path / "shipper.yml").write_text(CONFIG)

    done = subprocess.run(
        command("--listen", address),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "--listen" in done.stderr
