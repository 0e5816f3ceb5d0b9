"""Commands that pages start: dead letters are sent again or dropped, reports are made."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.errors import ConfigError, StoreUnavailable
from shipper.web import tasks
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.tasks import TaskRow, TaskRunner
from tests.web.browsing import Browser
from tests.web.test_serve import CONFIG

TOKEN = "the-token-of-the-link"
SHOWS = "import sys; print('given', *sys.argv[1:])"


def no_store() -> Any:
    raise StoreUnavailable("there is no store", "start shipper run")


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


@contextmanager
def browser_of(folder: Path, command: Sequence[str]) -> Iterator[Browser]:
    alerts = AlertPlaces(folder / "none.db", folder, folder, Sla(), "oncall")
    dead = folder / "data" / "deadletters.ndjson"
    sources = WebSources(
        no_store, alerts, lambda: 0, folder / "reports", dead_letters=dead, command=command
    )
    with Browser(make_app(sources, token=TOKEN, port=8765)) as browser:
        browser.get(f"/?token={TOKEN}")
        yield browser


def token_of(page: str) -> str:
    return str(re.findall(r'name="form" value="([^"]+)"', page)[0])


def when_done(browser: Browser, page: str) -> str:
    deadline = time.monotonic() + 120
    while 'class="state running"' in (text := browser.get(page).text):
        assert 'data-refresh="2"' in text
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return text


def ended(runner: TaskRunner, kind: str) -> TaskRow:
    deadline = time.monotonic() + 120
    while runner.is_running(kind):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return runner.rows(kind)[0]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with three dead letters, and what runs shipper for it."""
    (tmp_path / "shipper.yml").write_text(CONFIG)
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "logs").mkdir()
    letters = [
        {
            "_id": f"x-{number}",
            "dataset": "orchestrator.app",
            "reason": "no",
            "at": "2026-02-05T14:30:00.000Z",
            "document": {
                "@timestamp": "2026-02-05T14:30:00.000Z",
                "message": "m",
                "event": {"dataset": "orchestrator.app"},
            },
        }
        for number in range(3)
    ]
    file = tmp_path / "data" / "deadletters.ndjson"
    file.write_text("".join(f"{json.dumps(letter)}\n" for letter in letters))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(site: Path) -> list[str]:
    lines = (site / "data" / "deadletters.ndjson").read_text().splitlines()
    return [json.loads(line)["_id"] for line in lines]


def test_dead_letters_are_dropped_and_sent_again_in_the_page(site: Path) -> None:
    """The page does what the commands do, to those chosen; to drop them needs a second word."""
    with browser_of(site, [sys.executable, "-m", "shipper", "--config", "shipper.yml"]) as browser:
        form = {"form": token_of(browser.get("/deadletters").text), "id": "x-1"}
        assert browser.request("POST", "/deadletters/drop", data=form).status_code == 404
        assert browser.request("POST", "/deadletters/drop", data={"id": "x-1"}).status_code == 403
        assert left(site) == ["x-0", "x-1", "x-2"]

        done = browser.request("POST", "/deadletters/drop", data={**form, "sure": "1"})

        assert done.headers["location"] == "/deadletters"
        page = when_done(browser, "/deadletters")
        assert "1 dead letter dropped" in page
        assert "by oncall" in page
        assert left(site) == ["x-0", "x-2"]
        browser.request("POST", "/deadletters/replay", data={"form": form["form"], "all": "1"})
        page = when_done(browser, "/deadletters")
        assert "2 sent again and stored" in page
        assert "refused no record" in page


def test_a_report_is_made_by_the_command(tmp_path: Path) -> None:
    """Its kind and day are given to the command, which runs beside the server."""
    with browser_of(tmp_path, python(SHOWS)) as browser:
        token = token_of(browser.get("/reports").text)
        form = {"form": token, "kind": "weekly", "day": "2026-02-05"}

        assert browser.request("POST", "/reports/make", data=form).headers["location"] == "/reports"

        assert "given report weekly --date 2026-02-05 --progress</pre>" in when_done(
            browser, "/reports"
        )
        browser.request("POST", "/reports/make", data=form | {"kind": "daily"})
        folder = f"--progress --directory {tmp_path / 'reports'}"  # not that of the server
        assert f"given report daily --date 2026-02-05 {folder}" in when_done(browser, "/reports")
        for wrong in ({"kind": "--help"}, {"day": "--help"}, {"day": "2026-02-05\n"}):
            assert browser.request("POST", "/reports/make", data=form | wrong).status_code == 404
        assert browser.request("POST", "/reports/make", data={"kind": "daily"}).status_code == 403


def test_the_page_shows_how_far_a_report_is(tmp_path: Path) -> None:
    """The last step that the command printed, of so many; none when it has ended."""
    script = (
        "import os, time\n"
        "print('[1/9] figures of a\\n[3/9] figures of b', flush=True)\n"
        f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.05)"
    )
    with browser_of(tmp_path, python(script)) as browser:
        form = {"form": token_of(browser.get("/reports").text), "kind": "weekly"}
        browser.request("POST", "/reports/make", data=form)
        deadline = time.monotonic() + 120
        while "step 3 of 9" not in (page := browser.get("/reports").text):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert '<progress value="2" max="9"' in page
        (tmp_path / "go").touch()
        assert "<progress" not in when_done(browser, "/reports")


def test_what_begins_like_an_option_is_an_id(tmp_path: Path) -> None:
    """Ids come from a file, and stand behind `--`."""
    (tmp_path / "data").mkdir()
    with browser_of(tmp_path, python(SHOWS)) as browser:
        token = token_of(browser.get("/reports").text)
        form = {"form": token, "id": ["--all", "b"]}

        assert browser.request("POST", "/deadletters/replay", data=form).status_code == 303

        assert "replay --wait 120s -- --all b" in when_done(browser, "/deadletters")
        for act, given in (("replay", {}), ("burn", {"all": "1"})):
            answer = browser.request("POST", f"/deadletters/{act}", data={"form": token, **given})
            assert answer.status_code == 404


def test_without_a_command_nothing_can_be_started(tmp_path: Path) -> None:
    """A dashboard that was not told how to run shipper offers no form."""
    with browser_of(tmp_path, ()) as browser:
        assert "<form class" not in browser.get("/reports").text
    with pytest.raises(ConfigError, match="starts no commands"):
        TaskRunner(()).start("report", "daily", ("report",), "oncall")


def test_one_task_of_a_kind_runs_at_a_time() -> None:
    """A second is refused while the first runs, and the end of the server ends it."""
    runner = TaskRunner(python("import time; print('begun', flush=True); time.sleep(600)"))
    runner.start("report", "daily", (), "oncall")

    with pytest.raises(ConfigError, match="still running"):
        runner.start("report", "weekly", (), "oncall")

    assert runner.rows("report")[0].state == "running"
    runner.close()
    assert ended(runner, "report").state == "stopped"


@pytest.mark.parametrize(
    "script",
    [
        "import time; time.sleep(600)",
        "import os, time; os.close(1); os.close(2); time.sleep(600)",
    ],
)
def test_a_task_has_its_time(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes longer is stopped, whether it keeps its output open or not."""
    monkeypatch.setattr(tasks, "SECONDS", 0.5)
    monkeypatch.setattr(tasks, "STOP_SECONDS", 5.0)
    runner = TaskRunner(python(script))

    runner.start("report", "daily", (), "oncall")

    assert ended(runner, "report").state == "stopped"


def test_a_task_that_does_not_heed_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole group of processes goes."""
    monkeypatch.setattr(tasks, "SECONDS", 2.0)
    monkeypatch.setattr(tasks, "STOP_SECONDS", 0.5)
    script = (
        "import signal, time, os; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    runner = TaskRunner(python(script))

    runner.start("report", "daily", (), "oncall")

    row = ended(runner, "report")
    assert row.state == "stopped"
    if row.output:  # it came so far
        with pytest.raises(ProcessLookupError):
            os.kill(int(row.output), 0)


def test_of_much_output_the_end_is_kept() -> None:
    """What a task prints is bounded, and text."""
    script = "import sys; print('x' * 100_000); print('\\x1b[31mend'); sys.exit(3)"
    runner = TaskRunner(python(script))

    runner.start("report", "daily", (), "oncall")

    row = ended(runner, "report")
    assert row.state == "failed (3)"
    assert len(row.output) < 5000
    assert row.output.endswith("\\x1b[31mend")
