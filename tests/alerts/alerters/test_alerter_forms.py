"""The form that each service is told in, and what each does besides the contract of all."""

from __future__ import annotations

import base64
import hmac
import io
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from shipper.alerts.alerters.alerter import (
    Alerter,
    AlerterContext,
    AlerterRefused,
    AlerterUnavailable,
    open_alerter,
)
from shipper.alerts.alerters.http import retry_after
from shipper.alerts.alerters.settings import (
    AlerterSettings,
    Console,
    Email,
    Kinds,
    PagerDuty,
    PagerDutyIncidents,
    Slack,
    Webhook,
)
from shipper.alerts.incident import Change
from shipper.alerts.severity import Severity
from shipper.config.outputs import TlsOptions
from tests.alerts.paging import page
from tests.servers.mails import mail_server
from tests.servers.posts import Posted, Posts, Says, recording_server

NOW = 1_780_000_000.0


@pytest.fixture
def posts() -> Iterator[Posts]:
    """Run a server that records."""
    with recording_server() as posts:
        yield posts


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], Path]:
    """Write a secret to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "secret"
        path.write_text(text)
        return path

    return write


def opened(kind: str, settings: Kinds, out: io.StringIO | None = None) -> Alerter:
    surroundings = AlerterContext(lambda: NOW, out=out or io.StringIO())
    chosen: dict[str, Any] = {kind: settings}
    return open_alerter("ops", AlerterSettings(**chosen), surroundings)


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a server's certificate, and the file of who signed it."""
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return context, path


# --- Slack ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "change", "color"),
    [
        (Severity.CRITICAL, Change.FIRED, "#FF0000"),
        (Severity.HIGH, Change.FIRED, "#FFA500"),
        (Severity.MEDIUM, Change.REMINDED, "#FFA500"),
        (Severity.LOW, Change.FIRED, "#0000FF"),
        (Severity.CRITICAL, Change.RESOLVED, "#0000FF"),
    ],
)
def test_a_webhook_of_slack_gets_the_form_of_the_guide(
    posts: Posts, secret: Callable[[str], Path], severity: Severity, change: Change, color: str
) -> None:
    """One attachment with colour, title, text and time, and nothing else."""
    alerter = opened("slack", Slack(url_file=secret(f"{posts.url}/services/T/B/x")))

    told = page(change, severity=severity)
    assert alerter.notify(told, None) is None

    (attachment,) = posts.posted[0].json["attachments"]
    assert list(posts.posted[0].json) == ["attachments"]
    assert posts.posted[0].path == "/services/T/B/x"
    assert list(attachment) == ["color", "title", "text", "ts"]
    assert attachment["color"] == color
    assert attachment["title"] == f"{severity.upper()} Alert"
    assert attachment["ts"] == told.transition.at // 1000
    assert attachment["text"].startswith(f"*{told.title}*")


def test_ids_can_be_copied_from_slack(posts: Posts, secret: Callable[[str], Path]) -> None:
    """Between letters an underscore is no markup and stays; the link is one."""
    alerter = opened("slack", Slack(url_file=secret(posts.url)))

    alerter.notify(page(), None)

    text = posts.posted[0].json["attachments"][0]["text"]
    assert "req_abc_123" in text
    assert "<https://kibana.example.com/app/discover#/?_a=(query:(query:'a%20b'))|Show" in text


def bot(posts: Posts, token: Path) -> Alerter:
    return opened("slack", Slack(token_file=token, channel="C7", base_url=f"{posts.url}/api"))


TOO_LONG = {"ok": False, "error": "msg_too_long"}


def slack_says(posted: Posted) -> Says:
    return Says(200, {"ok": True, "channel": "C7", "ts": posted.json.get("ts", "17.25")})


def test_a_bot_edits_its_message_and_replies(posts: Posts, secret: Callable[[str], Path]) -> None:
    """The channel has one message per incident, its thread a reply per transition."""
    posts.otherwise = slack_says
    alerter = bot(posts, secret("xoxb-1"))

    first = alerter.notify(page(), None)
    second = alerter.notify(page(Change.RESOLVED), first)

    assert (first, second) == ("C7:17.25", "C7:17.25")
    opening, edit, reply = posts.posted
    assert [each.path for each in posts.posted] == [
        "/api/chat.postMessage",
        "/api/chat.update",
        "/api/chat.postMessage",
    ]
    assert opening.headers["authorization"] == "Bearer xoxb-1"
    assert opening.json["channel"] == "C7"
    assert opening.json["unfurl_links"] is False
    assert (edit.json["channel"], edit.json["ts"]) == ("C7", "17.25")
    assert edit.json["attachments"][0]["color"] == "#0000FF"
    assert reply.json["thread_ts"] == "17.25"
    assert reply.json["text"].startswith("server_errors resolved")


@pytest.mark.parametrize("error", ["message_not_found", "edit_window_closed"])
def test_a_bot_whose_message_is_gone_writes_another(
    posts: Posts, secret: Callable[[str], Path], error: str
) -> None:
    """Somebody deleted it, or it is too old: the incident gets a new message and reference."""
    posts.script = [Says(200, {"ok": False, "error": error})]
    posts.otherwise = Says(200, {"ok": True, "channel": "C7", "ts": "99.1"})

    assert bot(posts, secret("xoxb-1")).notify(page(Change.RESOLVED), "C7:17.25") == "C7:99.1"
    assert len(posts.posted) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"ok": False, "error": "ratelimited"}, AlerterUnavailable),
        ({"ok": False, "error": "internal_error"}, AlerterUnavailable),
        ("<html>proxy</html>", AlerterUnavailable),
        ({"ok": False, "error": "invalid_auth"}, AlerterRefused),
        ({"ok": False, "error": "channel_not_found"}, AlerterRefused),
        (TOO_LONG, AlerterRefused),
    ],
)
def test_slack_says_no_with_status_200(
    posts: Posts, secret: Callable[[str], Path], answer: Any, kind: type[Exception]
) -> None:
    """Its Web API has the outcome in the body; what may pass is told from what will not."""
    posts.otherwise = Says(200, answer)

    with pytest.raises(kind, match="Slack answers") as raised:
        bot(posts, secret("xoxb-1")).notify(page(), None)
    assert getattr(raised.value, "correctable", True) is (answer != TOO_LONG)


def test_what_a_file_holds_must_be_an_address(secret: Callable[[str], Path]) -> None:
    """A webhook in clear text to elsewhere is refused before anything is sent, and not shown."""
    alerter = opened("slack", Slack(url_file=secret("http://hooks.example.com/T/B/hush")))

    with pytest.raises(
        AlerterRefused, match="would be requested in clear text; use https"
    ) as raised:
        alerter.notify(page(), None)
    assert "hush" not in str(raised.value)


# --- PagerDuty ------------------------------------------------------------------------------------


def test_pagerduty_has_one_alert_per_incident(posts: Posts, secret: Callable[[str], Path]) -> None:
    """Trigger, acknowledge and resolve go under one key, with the fields of Events API v2."""
    alerter = opened("pagerduty", PagerDuty(routing_key_file=secret("R0UT1NG"), base_url=posts.url))
    reference = None
    changes = (Change.FIRED, Change.RESPONSE_BREACHED, Change.ACKNOWLEDGED, Change.RESOLVED)
    for change in changes:
        reference = alerter.notify(page(change), reference)

    told = [each.json for each in posts.posted]
    assert {each.path for each in posts.posted} == {"/v2/enqueue"}
    assert [each["event_action"] for each in told] == [
        "trigger",
        "trigger",
        "acknowledge",
        "resolve",
    ]
    assert {each["dedup_key"] for each in told} == {"k3x9"} == {reference}
    assert told[0]["routing_key"] == "R0UT1NG"
    payload = told[0]["payload"]
    assert (payload["severity"], payload["source"]) == ("error", "shop")
    assert payload["component"] == "server_errors"
    assert payload["custom_details"]["By error_type"] == "82 % TimeoutError (before: 5 %)"
    assert told[0]["links"][0]["href"].startswith("https://kibana.example.com/")


def rest(posts: Posts, key: Path) -> Alerter:
    return opened(
        "pagerduty_incidents",
        PagerDutyIncidents(
            api_key_file=key, service_id="PSERV", sender="ops@example.com", base_url=posts.url
        ),
    )


def test_the_rest_api_of_pagerduty_gets_the_form_of_the_guide(
    posts: Posts, secret: Callable[[str], Path]
) -> None:
    """An incident is made with the guide's headers and payload, then its state is set."""
    posts.otherwise = Says(201, {"incident": {"id": "PINC1"}})
    alerter = rest(posts, secret("T0KEN"))

    reference = alerter.notify(page(), None)
    for change in (Change.RESPONSE_DUE, Change.ACKNOWLEDGED, Change.RESOLVED):
        reference = alerter.notify(page(change), reference)

    made, note, acknowledged, resolved = posts.posted
    assert (made.method, made.path) == ("POST", "/incidents")
    assert made.headers["authorization"] == "Token token=T0KEN"
    assert made.headers["content-type"] == "application/json"
    assert made.headers["from"] == "ops@example.com"
    incident = made.json["incident"]
    assert incident["type"] == "incident"
    assert incident["service"] == {"id": "PSERV", "type": "service_reference"}
    assert incident["body"]["type"] == "incident_body"
    assert "Server errors are 3.0 %" in incident["body"]["details"]
    assert incident["title"].startswith("[HIGH] server_errors (service.name=shop)")
    assert reference == "PINC1"
    assert (note.method, note.path) == ("POST", "/incidents/PINC1/notes")
    for asked, state in ((acknowledged, "acknowledged"), (resolved, "resolved")):
        assert (asked.method, asked.path) == ("PUT", "/incidents/PINC1")
        assert asked.json["incident"] == {"type": "incident_reference", "status": state}


def test_an_incident_that_pagerduty_has_is_not_made_twice(
    posts: Posts, secret: Callable[[str], Path]
) -> None:
    """The second copy of a first page is refused there, and counts as told."""
    error = {"message": "Open incident with matching dedup key already exists on this service"}
    posts.script = [Says(400, {"error": error}), Says(200, {"incidents": [{"id": "POLD1"}]})]

    assert rest(posts, secret("T0KEN")).notify(page(), None) == "POLD1"
    assert posts.posted[1].method == "GET"
    assert "incident_key=k3x9" in posts.posted[1].path


def test_what_pagerduty_was_never_told_need_not_end_there(
    posts: Posts, secret: Callable[[str], Path]
) -> None:
    """Without a reference the open incident is looked up; if there is none, all is well."""
    posts.script = [Says(200, {"incidents": []})]

    assert rest(posts, secret("T0KEN")).notify(page(Change.RESOLVED), None) is None
    assert [each.method for each in posts.posted] == ["GET"]


# --- webhook --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [("plain text", b"plain text"), ("whsec_" + base64.b64encode(b"k" * 24).decode(), b"k" * 24)],
)
def test_a_webhook_is_signed(
    posts: Posts, secret: Callable[[str], Path], text: str, key: bytes
) -> None:
    """Id, time and body are signed as the Standard Webhooks specification has it."""
    alerter = opened("webhook", Webhook(url=f"{posts.url}/x?team=1", secret_file=secret(text)))

    alerter.notify(page(), None)

    (told,) = posts.posted
    head = told.headers
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + told.body
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert head["webhook-signature"] == f"v1,{expected}"
    assert head["webhook-timestamp"] == "1780000000"
    assert head["idempotency-key"] == head["webhook-id"]
    assert told.path == "/x?team=1"
    body = told.json
    assert body["change"] == "fired"
    assert body["incident"]["group"] == {"service.name": "shop"}
    assert body["verdict"]["threshold"] == 0.01


def test_no_redirect_is_followed(posts: Posts) -> None:
    """It would carry the page, and its secrets, elsewhere."""
    posts.otherwise = Says(307, None, {"Location": f"{posts.url}/elsewhere"})

    with pytest.raises(AlerterRefused, match="redirects to another address"):
        opened("webhook", Webhook(url=f"{posts.url}/x")).notify(page(), None)
    assert [each.path for each in posts.posted] == ["/x"]


def test_no_proxy_of_the_environment_is_used(posts: Posts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in the config has no part in where a secret goes."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    opened("webhook", Webhook(url=f"{posts.url}/x")).notify(page(), None)

    assert len(posts.posted) == 1


def test_a_server_has_to_be_trusted(authority: tuple[ssl.SSLContext, Path]) -> None:
    """Nothing is sent to one whose certificate nobody vouches for."""
    context, path = authority
    with recording_server(context) as posts:
        hook = Webhook(url=posts.url)
        with pytest.raises(AlerterRefused, match="certificate that is not trusted"):
            opened("webhook", hook).notify(page(), None)
        assert posts.posted == []

        opened("webhook", replace(hook, tls=TlsOptions(ca=path))).notify(page(), None)
        assert len(posts.posted) == 1


def test_retry_after_may_be_a_date() -> None:
    """It counts from the date of the answer, so a wrong clock on this side does no harm."""
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    later = "Wed, 21 Oct 2026 07:28:30 GMT"

    assert retry_after({"retry-after": later, "date": date}) == 30.0
    assert retry_after({"retry-after": date, "date": later}) == 0.0
    assert retry_after({"retry-after": "12"}) == 12.0
    for nonsense in ("", "soon", "-5", "1e9", later):
        assert retry_after({"retry-after": nonsense}) is None


# --- mail -----------------------------------------------------------------------------------------

TO = ("a@example.com", "b@example.com")


def mail(port: int, **more: Any) -> Email:
    settings = {"security": "none", "sender": "shipper@example.com", "to": TO, **more}
    return Email(host="127.0.0.1", port=port, **settings)


def test_the_mails_of_an_incident_are_one_thread() -> None:
    """They answer the first one, have a subject, and an id that a second copy has too."""
    with mail_server() as mails:
        alerter = opened("email", mail(mails.port))
        reference = alerter.notify(page(), None)
        again = alerter.notify(page(Change.RESOLVED), reference)
        alerter.notify(page(id_="other"), None)

        first, answer, other = mails.read()
    assert reference == again == first["Message-ID"]
    assert answer["In-Reply-To"] == first["Message-ID"]
    assert first["Message-ID"] in answer["References"]
    assert answer["References"].startswith(first["References"])
    assert other["References"] != first["References"]
    assert first["Subject"] == "[HIGH] server_errors (service.name=shop)"
    assert answer["Subject"] == f"Re: {first['Subject']}"
    assert first["To"] == "a@example.com, b@example.com"
    assert first["Auto-Submitted"] == "auto-generated"
    assert mails.recipients[0] == list(TO)


def test_a_mail_has_text_and_html() -> None:
    """Both say the same; the HTML has the colour, and loads nothing."""
    with mail_server() as mails:
        opened("email", mail(mails.port)).notify(page(), None)
        (told,) = mails.read()

    html = told.get_body(("html",))
    plain = told.get_body(("plain",))
    assert html is not None
    assert plain is not None
    for text in (html.get_content(), plain.get_content()):
        assert "82 % TimeoutError (before: 5 %)" in text
        assert "req_abc_123" in text
    assert "#FFA500" in html.get_content()
    assert "<img" not in html.get_content()
    assert "<script" not in html.get_content()


def test_a_mail_goes_over_tls(authority: tuple[ssl.SSLContext, Path]) -> None:
    """From the start or by STARTTLS, to a server that is trusted, and to no other."""
    context, path = authority
    for starttls, security in ((False, "tls"), (True, "starttls")):
        with mail_server(context, starttls=starttls) as mails:
            settings = mail(mails.port, security=security, tls=TlsOptions(ca=path))
            opened("email", settings).notify(page(), None)
            assert len(mails.got) == 1

            with pytest.raises(AlerterRefused, match="certificate that is not trusted"):
                opened("email", replace(settings, tls=TlsOptions())).notify(page(), None)
            assert len(mails.got) == 1


def test_a_server_without_starttls_gets_nothing(secret: Callable[[str], Path]) -> None:
    """Where the connection cannot be made secret, neither page nor password is sent."""
    with mail_server(login=("ops", "hush")) as mails:
        settings = mail(
            mails.port, security="starttls", username="ops", password_file=secret("hush")
        )
        with pytest.raises(AlerterRefused, match="does not offer"):
            opened("email", settings).notify(page(), None)

    assert mails.got == []
    assert mails.logins == []


def test_a_wrong_password_is_refused(
    authority: tuple[ssl.SSLContext, Path], secret: Callable[[str], Path]
) -> None:
    """It is told as such, and what the server says of it is not quoted."""
    context, path = authority
    with mail_server(context, starttls=True, login=("ops", "right")) as mails:
        settings = mail(
            mails.port,
            security="starttls",
            tls=TlsOptions(ca=path),
            username="ops",
            password_file=secret("wrong-one"),
        )
        with pytest.raises(AlerterRefused, match="does not accept the user or password") as raised:
            opened("email", settings).notify(page(), None)
    assert raised.value.correctable
    assert mails.got == []


@pytest.mark.parametrize(
    ("says", "kind"),
    [("550 unknown", AlerterRefused), ("451 greylisted", AlerterUnavailable)],
)
def test_one_recipient_that_is_refused_is_told(says: str, kind: type[Exception]) -> None:
    """The others have their mail, and whoever sends knows that one has not."""
    with mail_server() as mails:
        mails.says["b@example.com"] = says
        with pytest.raises(kind, match=r"b@example\.com"):
            opened("email", mail(mails.port)).notify(page(), None)

    assert mails.recipients == [["a@example.com"]]


# --- console --------------------------------------------------------------------------------------


def test_the_console_shows_colours_where_it_may() -> None:
    """Always, never, or as the terminal has it; the escape sequences are ours alone."""
    for colors, shown in (("always", True), ("never", False), ("auto", False)):
        out = io.StringIO()
        opened("console", Console(colors=colors), out).notify(page(), None)
        assert ("\x1b[1;33m[HIGH] server_errors" in out.getvalue()) is shown
        assert ("\x1b" in out.getvalue()) is shown
