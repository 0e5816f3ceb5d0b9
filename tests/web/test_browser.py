"""The pages in a real browser: the policy of the page is kept, and its scripts run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.store.store_records import Record, write_parts
from tests.web.test_dashboard import HOSTILE
from tests.web.test_serve import CONFIG, command

RUN = "01KGVWFG00" + "0" * 16
COMPLAINTS = re.compile(r"CONSOLE.*(?:Content Security Policy|Uncaught|Refused|Failed)")


@pytest.fixture(scope="module")
def next_link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Serve a store of hostile records; yield what returns the next link, each opens it once."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "shipper.yml").write_text(CONFIG)
    (folder / "reports").mkdir()
    (folder / "reports" / "daily-2026-02-05.html").write_text(
        "<style>p { color: red }</style><p>the report</p><script>document.title = 'ran'</script>"
    )
    now = int(time.time() * 1000) - 60_000
    records = []
    for number, text in enumerate(HOSTILE):
        document = {
            "message": text,
            "level": "ERROR",
            "logger": text,
            "error_type": text,
            "exc_info": f"T\n{text}",
            "run": RUN,
            "seq": number,
            "extra": {text: text},
            "event": {"dataset": "orchestrator.app"},
        }
        records.append(Record(f"{RUN}-{number}", json.dumps(document).encode(), now))
    write_parts(folder / "index", [records])
    serve = subprocess.Popen(
        command("--listen", "127.0.0.1:0"), cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        printed = serve.stdout
        assert printed is not None
        yield lambda: printed.readline().split()[-1]
        serve.send_signal(signal.SIGINT)
        serve.wait(60)
    finally:
        serve.kill()
        serve.communicate()


def visit(chromium: str, address: str, profile: Path) -> tuple[str, str]:
    """Return the page as the browser has it after its scripts, and what it logged."""
    done = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0", address),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=100,
        check=False,
    )
    return done.stdout, done.stderr


def test_a_browser_has_no_complaint_and_runs_the_scripts(
    chromium: str, next_link: Callable[[], str], tmp_path: Path
) -> None:
    """Hostile records violate no policy, and the button of the live tail is there."""
    page, said = visit(chromium, next_link().replace("/?", "/logs?"), tmp_path)

    assert COMPLAINTS.findall(said) == []
    assert f"<b>{len(HOSTILE)}</b> records" in page
    assert re.search(r'<button id="live" type="button" aria-pressed="false">', page)
    assert "<img" not in page


def test_a_browser_shows_a_report_and_runs_none_of_it(
    chromium: str, next_link: Callable[[], str], tmp_path: Path
) -> None:
    """The sandbox of a report lets it be seen, and its script is refused."""
    report = next_link().replace("/?", "/reports/daily-2026-02-05.html?")

    page, _ = visit(chromium, report, tmp_path)

    assert "<p>the report</p>" in page
    assert "<title>" not in page


def test_the_browser_would_complain(chromium: str, tmp_path: Path) -> None:
    """What the test above listens for is heard: a page that breaks its own policy is logged."""
    page = tmp_path / "page.html"
    page.write_text(
        '<meta http-equiv="content-security-policy" content="default-src \'none\'">'
        "<script>document.title = 1</script>"
    )

    said = visit(chromium, page.as_uri(), tmp_path / "profile")[1]

    assert COMPLAINTS.findall(said)
