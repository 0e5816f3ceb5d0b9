"""Each alerter is checked up to its service, and nobody is notified."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from shipper.check.alerters import check_alerters
from shipper.check.finding import Finding, FindingLevel
from shipper.check.machine import Machine, context_of
from shipper.check.run import check_alerting
from shipper.config.reports import ReportOptions, ScheduledReport
from tests.check.checking import config_in
from tests.servers.mails import mail_server
from tests.servers.posts import recording_server

NOW = 1_780_000_000.0
SECRET = "s3cr3t-w0rds"
NO_ADDRESS = "is not a valid address (a user or password is not allowed)"


def findings_of(folder: Path, settings: str, reports: ReportOptions | None = None) -> list[Finding]:
    path = folder / "alerts.json"
    path.write_text(settings.replace("FOLDER", str(folder)))
    return list(check_alerters(path, NOW, reports or ReportOptions()))


def faults(found: list[Finding]) -> list[tuple[str, FindingLevel, str]]:
    assert all(each.remedy for each in found if each.level is not FindingLevel.OK)
    assert SECRET not in str(found)
    return [(each.place, each.level, each.fault) for each in found]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return a file with a secret."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def test_who_sends_reports_is_there(tmp_path: Path) -> None:
    """A report that nobody can send is found before the first one is due."""
    settings = "alerters: {screen: {console: {}}}"
    weekly = (ScheduledReport("weekly"), ScheduledReport("daily", to=("screen",)))

    found = findings_of(tmp_path, settings, ReportOptions(to=("ops",), schedule=weekly))
    nobody = findings_of(tmp_path, settings, ReportOptions(schedule=weekly[:1]))

    assert faults(found)[:2] == [
        ("reports.to", FindingLevel.ERROR, "there is no alerter ops"),
        ("reports.schedule[1]", FindingLevel.ERROR, "screen cannot send reports"),
    ]
    reason = "no alerter can send reports"
    assert faults(nobody)[0] == ("reports.schedule[0]", FindingLevel.ERROR, reason)


@pytest.mark.usefixtures("secret")
def test_a_way_that_is_open(tmp_path: Path) -> None:
    """Services are connected to and the mail server is logged in to; nothing is sent."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with (
        recording_server(context) as posts,
        mail_server(context, starttls=True, login=("ops", SECRET)) as mails,
    ):
        found = findings_of(
            tmp_path,
            f"""
alerters:
  pager: {{pagerduty: {{routing_key_file: FOLDER/secret, base_url: "{posts.url}",
    tls: {{ca: FOLDER/ca.pem}}}}}}
  mail: {{email: {{to: [a@example.com], host: 127.0.0.1, port: {mails.port},
    username: ops, password_file: FOLDER/secret, tls: {{ca: FOLDER/ca.pem}}}}}}
  screen: {{console: {{}}}}
""",
        )

    assert {(each.place, each.level) for each in found} == {
        ("alerters.pager", FindingLevel.OK),
        ("alerters.mail", FindingLevel.OK),
        ("alerters.screen", FindingLevel.OK),
    }
    assert posts.posted == []
    assert mails.got == []
    assert mails.logins == [("ops", SECRET)]


@pytest.mark.usefixtures("secret")
def test_a_way_that_is_closed(tmp_path: Path) -> None:
    """Each fault is a warning with its remedy, since records are shipped anyway."""
    found = findings_of(
        tmp_path,
        """
alerters:
  gone: {webhook: {url: "http://127.0.0.1:1/x"}}
  mail: {email: {to: [a@example.com], host: 127.0.0.1, port: 1, security: none}}
  lost: {slack: {url_file: FOLDER/nothing}}
  odd: {webhook: {url_file: FOLDER/secret}}
""",
    )

    assert faults(found) == [
        ("alerters.gone", FindingLevel.WARNING, "127.0.0.1:1 refuses connections"),
        ("alerters.mail", FindingLevel.WARNING, "127.0.0.1:1 refuses connections"),
        (
            "alerters.lost.url_file",
            FindingLevel.WARNING,
            f"cannot read {tmp_path}/nothing: No such file or directory",
        ),
        (
            "alerters.odd",
            FindingLevel.WARNING,
            f"the URL in {tmp_path}/secret {NO_ADDRESS}",
        ),
    ]


def test_a_secret_that_anybody_may_read(tmp_path: Path, secret: Path) -> None:
    """A secret file must be readable by its owner only."""
    secret.chmod(0o644)
    with recording_server() as posts:
        found = findings_of(
            tmp_path,
            "alerters: {pager: {pagerduty: {routing_key_file: FOLDER/secret, base_url: "
            f"'{posts.url}'}}}}}}",
        )

    place = "alerters.pager.routing_key_file"
    fault = f"anybody on this machine can read {secret}"
    assert faults(found) == [(place, FindingLevel.WARNING, fault)]


def test_the_mail_server_of_the_guides_form(tmp_path: Path) -> None:
    """The guide's file needs a mail server on this machine; the check finds out if there is one."""
    found = findings_of(tmp_path, "email_alerts: {recipient: ops@example.com}")

    assert [each.place for each in found] == ["alerters.email_alerts"]
    assert "localhost:25" in found[0].fault


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """All faults of the settings file are errors, since the alert job would not start."""
    found = findings_of(tmp_path, "{alerters: {a: {}}, routes: [{to: [x]}]}")

    assert {each.level for each in found} == {FindingLevel.ERROR}
    assert "alerters.a" in found[0].fault


def test_no_file_of_alerters(tmp_path: Path) -> None:
    """A missing settings file is no fault: nobody is to be notified."""
    context = context_of(config_in(tmp_path), Machine(clock=lambda: NOW))

    assert list(check_alerting(context)) == []
