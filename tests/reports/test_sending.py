"""Tests of reports as mails and of their schedule: sent once, also after failures and crashes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, time, timedelta
from email.message import EmailMessage
from pathlib import Path
from time import monotonic, sleep
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from shipper.cli import main
from shipper.commands.invocation import Invocation
from shipper.commands.report import made
from shipper.commands.report_sending import send_due
from shipper.config.main import load
from shipper.errors import ConfigError
from shipper.reports.mail import HTML_LIMIT
from shipper.reports.periods import PeriodKind
from shipper.reports.schedule import due_periods
from tests.commands.cli_index import config_in, store_records
from tests.reports import seeded
from tests.reports.test_reports import HOSTILE, IN_TABLES, Page, hostile_records
from tests.servers.mails import Mails, mail_server

DAY = date(2026, 2, 5)
SIX = seeded.midnight(date(2026, 2, 6), UTC) + 6 * seeded.HOUR
IN_MAILS = {*IN_TABLES, "html", "head", "meta", "body", "span", "b", "br", "img"}


@pytest.fixture(scope="module")
def mails() -> Iterator[Mails]:
    """A mail server."""
    with mail_server() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path, mails: Mails) -> Path:
    """A folder with hostile records, a config with a schedule, and an alerter for mails."""
    mails.got.clear()
    mails.after = "250 kept"
    store_records(tmp_path, hostile_records())
    path = config_in(tmp_path)
    text = path.read_text().replace(
        "reports: {", "reports: {schedule: [{report: daily, at: '06:00'}], "
    )
    path.write_text(f"{text}alerts: {{settings: {tmp_path}/alerts.json}}\n")
    email = {"to": ["ops@example.com"], "host": "127.0.0.1", "port": mails.port, "security": "none"}
    settings = {"alerters": {"ops": {"email": email}, "terminal": {"console": {}}}}
    (tmp_path / "alerts.json").write_text(json.dumps(settings))
    return tmp_path


def send(folder: Path, now: int) -> bool:
    """Send what is due at a time."""
    config = folder / "shipper.yml"
    invocation = Invocation(
        config=config,
        debug=False,
        interactive=False,
        colors=False,
        width=80,
        clock=lambda: now / 1000,
    )
    return send_due(invocation, load(config), made)


def subjects(mails: Mails) -> list[str]:
    return [mail["Subject"].split(":")[0] for mail in mails.read()]


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_a_mail_has_text_html_and_pictures_and_loads_nothing(
    place: Path, mails: Mails, kind: str
) -> None:
    """Tables and inline styles; pictures are parts of the mail; hostile texts stay texts."""
    args = ["--config", str(place / "shipper.yml"), "report", kind, "--date", str(DAY), "--mail"]
    more = ["--directory", str(place / "logs")] if kind == "daily" else []

    done = CliRunner().invoke(main, [*args, *more])

    assert done.exit_code == 0, done.output
    (mail,) = mails.read()
    assert mail["Subject"].startswith(f"{kind.capitalize()} report")
    assert all(32 <= ord(letter) < 127 for letter in mail["Subject"])
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert isinstance(plain, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert plain.get_content().startswith(f"# {kind.capitalize()} report")
    page = Page(html.get_content())
    assert set(page.tags) <= IN_MAILS
    pictures = [each for each in mail.walk() if each.get_content_type() == "image/png"]
    assert len(pictures) >= 2
    assert all(each["Content-Disposition"].startswith("inline") for each in pictures)
    contents = [each.get_payload(decode=True) for each in pictures]
    assert all(isinstance(each, bytes) and each.startswith(b"\x89PNG") for each in contents)
    ids = {f"cid:{each['Content-ID'][1:-1]}" for each in pictures}
    assert {value for _, name, value in page.loads if name == "src"} == ids
    assert {name for _, name, _ in page.loads} == {"src", "style"}
    assert HOSTILE[0] in "".join(page.texts)
    assert len(html.get_content()) <= HTML_LIMIT


def test_a_report_is_sent_once_when_it_is_due(place: Path, mails: Mails) -> None:
    """Nothing before six; then the report of the day before, once, however often one looks."""
    config = place / "shipper.yml"
    config.write_text(config.read_text())
    assert send(place, SIX)
    assert send(place, SIX + 60_000)
    assert subjects(mails) == ["Daily report, Thursday 2026-02-05"]

    assert send(place, SIX + seeded.HOUR * 24 - 1)
    assert len(mails.got) == 1
    assert send(place, SIX + seeded.HOUR * 24)
    assert subjects(mails)[1:] == ["Daily report, Friday 2026-02-06"]


def test_what_was_missed_is_made_up_for(place: Path, mails: Mails) -> None:
    """After days without anybody, each day has its report, seven at most, in order."""
    assert send(place, SIX)
    mails.got.clear()

    assert send(place, SIX + 3 * 24 * seeded.HOUR)
    assert [text[-10:] for text in subjects(mails)] == ["2026-02-06", "2026-02-07", "2026-02-08"]

    mails.got.clear()
    assert send(place, SIX + 30 * 24 * seeded.HOUR)
    assert len(mails.got) == 7


def test_a_server_that_is_down_is_tried_again_after_a_pause(place: Path, mails: Mails) -> None:
    """A temporary refusal is no end: the same mail comes later, and is not sent twice."""
    mails.after = "451 try later"
    assert not send(place, SIX)
    mails.after = "250 kept"

    assert send(place, SIX + 30_000)
    assert mails.got == []
    assert send(place, SIX + 61_000)
    assert send(place, SIX + 120_000)

    assert len(mails.got) == 1


def test_a_crash_between_sending_and_noting_sends_the_same_message(
    place: Path, mails: Mails
) -> None:
    """What was being tried is sent again, with the Message-ID by which a second copy is dropped."""
    assert send(place, SIX)
    with closing(sqlite3.connect(place / "data" / "alerts.db")) as ledger, ledger:
        ledger.execute("UPDATE reports SET state = 'trying', sent_at = NULL")

    assert send(place, SIX + 60_000)

    first, second = mails.read()
    assert first["Message-ID"] == second["Message-ID"]


def test_a_refusal_for_good_is_given_up_and_reported(
    place: Path, mails: Mails, capsys: pytest.CaptureFixture[str]
) -> None:
    """A 5xx is not tried again; the command says why, and exits with 1."""
    mails.after = "554 no"

    assert not send(place, SIX)
    assert "daily 2026-02-05 cannot be sent: " in capsys.readouterr().err
    mails.after = "250 kept"
    assert send(place, SIX + 3_600_000)
    assert mails.got == []


def test_an_alerter_that_cannot_send_reports_is_refused(place: Path) -> None:
    """The console is no mail; the message says what is."""
    path = place / "shipper.yml"
    path.write_text(path.read_text().replace("at: '06:00'", "at: '06:00', to: [terminal]"))

    with pytest.raises(ConfigError, match="terminal cannot send reports; use email or slack"):
        send(place, SIX)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)], ids=["spring", "autumn"])
def test_on_days_when_clocks_change_each_report_is_due_once(day: date) -> None:
    """Also at a time that the clock leaps over, or shows twice."""
    berlin = ZoneInfo("Europe/Berlin")
    since = seeded.midnight(day - timedelta(days=1), berlin)
    seen = []
    for minute in range(0, 4 * 24 * 60, 10):
        newest = due_periods(PeriodKind.DAY, time(2, 30), berlin, since + minute * seeded.MINUTE)[
            -1
        ]
        if newest.name not in seen:
            seen.append(newest.name)

    assert seen == [str(day + timedelta(days=n)) for n in range(-3, 2)]


def test_weeks_and_months_are_due_after_their_end() -> None:
    """On the Monday and the first after; not a minute before their time."""
    at = time(6)
    monday = seeded.midnight(date(2026, 2, 9), UTC) + 6 * seeded.HOUR
    first = seeded.midnight(date(2026, 3, 1), UTC) + 6 * seeded.HOUR

    weeks = [due_periods(PeriodKind.WEEK, at, UTC, now)[-1].name for now in (monday - 1, monday)]
    months = [due_periods(PeriodKind.MONTH, at, UTC, now)[-1].name for now in (first - 1, first)]

    assert weeks == ["2026-W05", "2026-W06"]
    assert months == ["2026-01", "2026-02"]


def test_the_command_builds_metrics_and_sends_what_is_due(place: Path, mails: Mails) -> None:
    """`shipper report due` leaves the metrics of all days; the newest report is sent."""
    done = CliRunner().invoke(main, ["--config", str(place / "shipper.yml"), "report", "due"])

    assert done.exit_code == 0, done.output
    assert (place / "metrics/2026-02-05.json").exists()
    assert len(mails.got) == 1


def test_the_alert_job_makes_and_sends_what_is_due(place: Path, mails: Mails) -> None:
    """In a process of its own, at its start: what was due yesterday is not forgotten."""
    command = [sys.executable, "-m", "shipper", "--config", str(place / "shipper.yml")]
    with open(place / "job.txt", "wb") as output:
        job = subprocess.Popen([*command, "alerts", "run"], cwd=place, stdout=output, stderr=output)
        try:
            end = monotonic() + 120
            while not (found := subjects(mails)):
                assert job.poll() is None, (place / "job.txt").read_text()
                assert monotonic() < end, (place / "job.txt").read_text()
                sleep(0.1)
        finally:
            job.terminate()
            job.wait()
    assert len(found) == 1
    assert found[0].startswith("Daily report, ")
    assert job.returncode == 0
