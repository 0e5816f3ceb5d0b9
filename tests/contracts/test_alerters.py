"""
What every alerter promises, whomever it tells; a new one is added to `SUBJECTS` and must pass.

A subject is an alerter that talks to a real server on loopback, with ways to make that server
misbehave and to look at what it got.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import ssl
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
import trustme

from shipper.alerts.alerters.alerter import (
    ALERTERS,
    Alerter,
    AlerterContext,
    AlerterRefused,
    AlerterUnavailable,
    open_alerter,
)
from shipper.alerts.alerters.settings import (
    AlerterSettings,
    Apprise,
    Console,
    Email,
    PagerDuty,
    PagerDutyIncidents,
    Slack,
    Webhook,
)
from shipper.alerts.incident import Change
from shipper.alerts.page import Example, Page, Share
from shipper.config.outputs import TlsOptions
from tests.alerts.paging import hostile_page, page, transition
from tests.servers.mails import Mails, mail_server
from tests.servers.posts import Answer, Cut, Drip, Hang, Posted, Posts, Says, recording_server

SECRET = "s3cr3t-K4yF0rTh3T3st5"
NOW = 1_780_000_000.0

HOSTILE = (
    "<script>alert(1)</script> & <!channel> <https://evil.example|here> *b* _i_ ~s~ `c`"
    " ```d``` \r\nBcc: x@example.com\r\n\r\n.\r\n> q {{ 7*7 }}{% raw %}${x} %s {0}"
    " \x1b[31mred\x1b]8;;https://evil.example\x07 \u202egnp.\u2066 \x00 </td></table>\" onload='x'"
)
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass
class Subject:
    """
    An alerter under test.

    `bodies` are what arrived, as the reader of the service gets it; `keys` what the service knows
    a page by. `fail` makes the server answer that from now on: `later` and `no` in its own terms,
    `echo` with all that it was sent, `hang`, `cut`, `drip`. `structure` is what hostile text must
    not change.
    """

    settings: AlerterSettings
    bodies: Callable[[], list[str]]
    structure: Callable[[str], Any]
    keys: Callable[[], list[str]]
    fail: Callable[[str], None] | None = None
    later: Sequence[int] = ()
    never: Sequence[int] = ()
    retry_after: bool = False
    out: io.StringIO = field(default_factory=io.StringIO)


# --- HTTP -----------------------------------------------------------------------------------------

LATER = (408, 425, 429, 500, 502, 503, 504)
CORRECTABLE = (301, 401, 403, 404, 410)
NEVER = (301, 400, 401, 403, 404, 410, 413, 422)


def _echo(posted: Posted) -> Says:
    told = {"error": {**posted.headers, "path": posted.path, "body": posted.body.decode()}}
    return Says(403, {"ok": False, **told})


def _fail(posts: Posts) -> Callable[[str], None]:
    ways: dict[str, Answer] = {"hang": Hang(), "cut": Cut(), "drip": Drip(), "echo": _echo}

    def fail(how: str) -> None:
        way = ways.get(how)
        posts.otherwise = way or Says(int(how), {"told": "so"}, {"Retry-After": "7"})

    return fail


def _skeleton(text: str) -> Any:
    """Return the shape of JSON: keys and kinds, and texts only where they are ours."""

    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: shape(each) for key, each in value.items()}
        return [shape(each) for each in value] if isinstance(value, list) else type(value).__name__

    return shape(json.loads(text))


def _http(
    stack: ExitStack,
    settings: Callable[[str], AlerterSettings],
    ok: Callable[[Posted], Says],
    key: Callable[[Posted], str],
    structure: Callable[[str], Any] = _skeleton,
) -> Subject:
    posts = stack.enter_context(recording_server())
    posts.otherwise = ok
    return Subject(
        settings(posts.url),
        lambda: [each.body.decode() for each in posts.posted],
        structure,
        lambda: [key(each) for each in posts.posted],
        _fail(posts),
        LATER,
        NEVER,
        retry_after=True,
    )


def _secret(folder: Path, text: str = SECRET) -> Path:
    path = folder / "secret"
    path.write_text(text + "\n")
    return path


def _slack_structure(text: str) -> Any:
    """Return the shape of the message, and all that is markup in its text."""
    told = json.loads(text)
    shown = " ".join(each["text"] for each in told["attachments"]) or told["text"]
    assert shown.count("```") % 2 == 0
    outside = "".join(shown.split("```")[::2])
    inside = "".join(shown.split("```")[1::2])
    assert "`" not in inside
    marks = re.findall(r"(?<!\u200b)[*_~`](?!\u200b)", re.sub(r"(?<=\w)[_*~](?=\w)", "", outside))
    links = [each for each in re.findall(r"<[^>]*>", shown) if "Show in Kibana" not in each]
    quotes = re.findall(r"^(?:&gt;|>)", outside, re.MULTILINE)
    return _skeleton(text), marks, links, quotes


def slack_webhook(folder: Path, stack: ExitStack) -> Subject:
    def settings(url: str) -> AlerterSettings:
        address = _secret(folder, f"{url}/services/T0/B0/{SECRET}")
        return AlerterSettings(slack=Slack(url_file=address, seconds=60.0))

    return _http(
        stack, settings, lambda _: Says(200, b"ok"), lambda _: "", structure=_slack_structure
    )


def slack_bot(folder: Path, stack: ExitStack) -> Subject:
    def settings(url: str) -> AlerterSettings:
        token = _secret(folder)
        slack = Slack(token_file=token, channel="C012", base_url=f"{url}/api", seconds=60.0)
        return AlerterSettings(slack=slack)

    def ok(posted: Posted) -> Says:
        return Says(200, {"ok": True, "channel": "C012", "ts": posted.json.get("ts", "17.5")})

    return _http(stack, settings, ok, lambda _: "", structure=_slack_structure)


def pagerduty(folder: Path, stack: ExitStack) -> Subject:
    def settings(url: str) -> AlerterSettings:
        events = PagerDuty(routing_key_file=_secret(folder), base_url=url, seconds=60.0)
        return AlerterSettings(pagerduty=events)

    def key(posted: Posted) -> str:
        return str(posted.json["dedup_key"])

    return _http(stack, settings, lambda _: Says(202, {"status": "success"}), key)


def pagerduty_incidents(folder: Path, stack: ExitStack) -> Subject:
    def settings(url: str) -> AlerterSettings:
        rest = PagerDutyIncidents(
            api_key_file=_secret(folder),
            service_id="PSERV1",
            sender="ops@example.com",
            base_url=url,
            seconds=60.0,
        )
        return AlerterSettings(pagerduty_incidents=rest)

    def key(posted: Posted) -> str:
        return str(posted.json["incident"]["incident_key"])

    return _http(stack, settings, lambda _: Says(201, {"incident": {"id": "PINC1"}}), key)


def webhook(folder: Path, stack: ExitStack) -> Subject:
    def settings(url: str) -> AlerterSettings:
        hook = Webhook(url=f"{url}/alerts", secret_file=_secret(folder), seconds=60.0)
        return AlerterSettings(webhook=hook)

    return _http(
        stack, settings, lambda _: Says(204, b""), lambda each: each.headers["idempotency-key"]
    )


# --- the others -----------------------------------------------------------------------------------


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, sorted(attrs)))


def _parsed(text: str) -> EmailMessage:
    from email.parser import BytesParser  # noqa: PLC0415
    from email.policy import default  # noqa: PLC0415

    return BytesParser(EmailMessage, policy=default).parsebytes(text.encode("latin-1"))


def _mail_structure(text: str) -> Any:
    message = _parsed(text)
    tags = _Tags()
    html = message.get_body(("html",))
    plain = message.get_body(("plain",))
    assert html is not None
    assert plain is not None
    tags.feed(html.get_content())
    names = [name for name in message if name.lower() != "received"]
    lines = len(plain.get_content().splitlines())
    kinds = [part.get_content_type() for part in message.walk()]
    to = str(message["To"])
    return names, kinds, to, lines, tags.tags


def _mail_fail(mails: Mails) -> Callable[[str], None]:
    def fail(how: str) -> None:
        mails.hang, mails.cut, mails.drip = how == "hang", how == "cut", how == "drip"
        if how == "echo":
            encoded = base64.b64encode(f"\0ops\0{SECRET}".encode()).decode()
            mails.after = f"554 you said {SECRET} and {encoded}"
        elif how.isdigit():
            mails.after = f"{how} told so"

    return fail


def email(folder: Path, stack: ExitStack) -> Subject:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    mails = stack.enter_context(mail_server(context, starttls=True, login=("ops", SECRET)))
    settings = Email(
        to=("oncall@example.com",),
        sender="shipper@example.com",
        host="127.0.0.1",
        port=mails.port,
        tls=TlsOptions(ca=folder / "ca.pem"),
        username="ops",
        password_file=_secret(folder),
        seconds=60.0,
    )
    return Subject(
        AlerterSettings(email=settings),
        lambda: [each.decode("latin-1") for each in mails.got],
        _mail_structure,
        lambda: [str(each["Message-ID"]) for each in mails.read()],
        _mail_fail(mails),
        (421, 450, 451),
        (550, 552, 554),
    )


def console(_folder: Path, _stack: ExitStack) -> Subject:
    out = io.StringIO()

    def structure(text: str) -> Any:
        assert UNSAFE.search(text) is None
        return len(text.splitlines())

    def bodies() -> list[str]:
        return ["─" * 72 + each for each in out.getvalue().split("─" * 72) if each]

    return Subject(AlerterSettings(console=Console()), bodies, structure, list, out=out)


def apprise(folder: Path, stack: ExitStack) -> Subject:
    posts = stack.enter_context(recording_server())
    address = posts.url.replace("http://", f"json://ops:{SECRET}@")
    url = _secret(folder, f"{address}/{quote(SECRET)}?cto=60&rto=60")
    return Subject(
        AlerterSettings(apprise=Apprise(url_file=url, seconds=60.0)),
        lambda: [each.body.decode() for each in posts.posted],
        _skeleton,
        list,
        _fail(posts),
        (*LATER, *NEVER[1:]),  # Apprise tells only that it failed
    )


SUBJECTS: dict[str, Callable[[Path, ExitStack], Subject]] = {
    "email": email,
    "slack_webhook": slack_webhook,
    "slack_bot": slack_bot,
    "pagerduty": pagerduty,
    "pagerduty_incidents": pagerduty_incidents,
    "webhook": webhook,
    "console": console,
    "apprise": apprise,
}
SERVED = [name for name in SUBJECTS if name != "console"]


@dataclass
class Scene:
    """A subject and its opened alerter."""

    name: str
    subject: Subject
    alerter: Alerter
    folder: Path
    told: list[str] = field(default_factory=list)

    def impatient(self) -> Alerter:
        """Return one that waits no longer than a test has to."""
        kind = cast("Email", self.subject.settings.of_kind)  # any that talks to a server
        changed: dict[str, Any] = {self.subject.settings.kind: replace(kind, seconds=1.0)}
        settings = replace(self.subject.settings, **changed)
        return open_alerter("ops", settings, AlerterContext(lambda: NOW))

    def fail(self, how: str) -> AlerterUnavailable | AlerterRefused:
        """Make the server misbehave, tell it, and give what was raised."""
        assert self.subject.fail is not None
        self.subject.fail(how)
        alerter = self.impatient() if how in ("hang", "drip") else self.alerter
        with pytest.raises((AlerterUnavailable, AlerterRefused)) as raised:
            alerter.notify(page(), None)
        self.told.append("".join(traceback.format_exception(raised.value)))
        assert isinstance(raised.value, AlerterUnavailable | AlerterRefused)
        return raised.value


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Make the subject that the test is about."""
    with ExitStack() as stack:
        subject = SUBJECTS[request.param](tmp_path, stack)
        alerter = open_alerter(
            "ops", subject.settings, AlerterContext(lambda: NOW, out=subject.out)
        )
        yield Scene(request.param, subject, alerter, tmp_path)


every = pytest.mark.parametrize("scene", list(SUBJECTS), indirect=True)
served = pytest.mark.parametrize("scene", SERVED, indirect=True)


def readable(body: str) -> str:
    """Return what a person reads of a message."""
    if body.startswith(("{", "─")):
        return body
    plain = _parsed(body).get_body(("plain",))
    assert plain is not None
    return str(plain.get_content())


def test_every_kind_of_alerter_is_a_subject() -> None:
    """No alerter goes without this contract."""
    kinds = {"slack" if name.startswith("slack") else name for name in SUBJECTS}

    assert kinds == set(ALERTERS)


@every
def test_a_page_tells_what_it_is_about(scene: Scene) -> None:
    """Summary, numbers, causes, an example with its request and the way on reach the reader."""
    scene.alerter.notify(page(), None)

    text = readable(scene.subject.bodies()[0])
    for part in (
        "Server errors are 3.0 % of requests",
        "2.2 % to 4.1 %",
        "82 % TimeoutError",
        "before: 5 %",
        "req_abc_123",
        "Restart if they cascade",
        "status_code:[500 TO 599]",
    ):
        assert part in text


@served
def test_a_status_says_whether_to_try_again(scene: Scene) -> None:
    """What may pass is unavailable, with the pause that was asked for; the rest is refused."""
    for status in scene.subject.later:
        error = scene.fail(str(status))
        assert isinstance(error, AlerterUnavailable), status
        assert error.retry_after_seconds == (7.0 if scene.subject.retry_after else None)
    for status in scene.subject.never:
        error = scene.fail(str(status))
        assert isinstance(error, AlerterRefused), status
        assert error.correctable is (status in CORRECTABLE), status


@served
@pytest.mark.parametrize("how", ["hang", "cut", "drip"])
def test_a_server_that_does_not_answer_is_unavailable(scene: Scene, how: str) -> None:
    """Whether it says nothing, ends the connection or sends a byte now and then: it is left."""
    assert isinstance(scene.fail(how), AlerterUnavailable)


@served
def test_a_server_that_is_away_is_unavailable(scene: Scene, tmp_path: Path) -> None:
    """A refused connection is an outage, told in words that name the alerter."""
    path = tmp_path / "secret"
    gone = re.sub(r":\d+(?=/|$)", ":1", path.read_text())
    path.write_text(gone)
    kind = scene.subject.settings.of_kind
    for name, value in (("port", 1), ("base_url", "http://127.0.0.1:1")):
        if hasattr(kind, name):
            object.__setattr__(kind, name, value)
    if isinstance(kind, Webhook):
        object.__setattr__(kind, "url", "http://127.0.0.1:1/")
    alerter = open_alerter("ops", scene.subject.settings, AlerterContext(lambda: NOW))

    with pytest.raises(AlerterUnavailable, match=r"alerters\.ops"):
        alerter.notify(page(), None)


@served
def test_a_secret_is_nowhere(
    scene: Scene, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No error, traceback, log, output or repr holds it, though the server sends it back."""
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        scene.alerter.notify(page(), None)
        for how in ("echo", "cut", "hang", *map(str, scene.subject.later[:2])):
            scene.fail(how)
        (scene.folder / "secret").write_text(f"{SECRET}\nsecond line\n")
        with pytest.raises((AlerterUnavailable, AlerterRefused)) as raised:
            scene.alerter.notify(page(), None)
    out, err = capfd.readouterr()
    shown = "\n".join(
        [
            *scene.told,
            "".join(traceback.format_exception(raised.value)),
            *(each.getMessage() for each in caplog.records if each.name != "mail.log"),
            *(out, err, repr(scene.alerter), str(vars(scene.alerter)), scene.alerter.where),
            repr(scene.subject.settings),
        ]
    )

    encoded = base64.b64encode(f"\0ops\0{SECRET}".encode()).decode()
    for form in (SECRET, encoded, base64.b64encode(SECRET.encode()).decode().rstrip("=")):
        assert form not in shown


@served
def test_a_secret_that_cannot_be_read_names_its_file(scene: Scene) -> None:
    """It is tried again, since the file may be mended, and a new one needs no restart."""
    path = scene.folder / "secret"
    kept = path.read_text()
    for content in (None, b"", b"\xff\x00", b"x" * 5000):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(AlerterUnavailable, match=re.escape(str(path))):
            scene.alerter.notify(page(), None)
    path.write_text(kept)

    scene.alerter.notify(page(), None)

    assert len(scene.subject.bodies()) == 1


@every
def test_a_page_keeps_its_key(scene: Scene) -> None:
    """A page that is told again has the key of the first time, and another page has not."""
    for each in (page(), page(), page(id_="other")):
        scene.alerter.notify(each, None)

    keys = scene.subject.keys()
    if scene.alerter.dedupes:
        assert keys[0] == keys[1] != keys[2]
    else:
        assert len(scene.subject.bodies()) >= 2


@every
def test_hostile_text_changes_no_structure(scene: Scene) -> None:
    """HTML, mrkdwn, line ends, templates, escape sequences and RTL marks stay text."""
    scene.alerter.notify(hostile_page("harmless"), None)
    scene.alerter.notify(hostile_page(HOSTILE), None)

    tame, hostile = scene.subject.bodies()
    assert scene.subject.structure(hostile) == scene.subject.structure(tame)
    assert "49" not in readable(hostile).replace("&#x27;", "")
    for text in _texts(hostile):
        assert UNSAFE.search(text) is None


def _texts(body: str) -> list[str]:
    """Return all texts of a message, decoded."""
    if body.startswith("─"):
        return [body]
    if body.startswith("{"):
        found: list[str] = []

        def collect(value: Any) -> None:
            if isinstance(value, str):
                found.append(value)
            for each in value.values() if isinstance(value, dict) else ():
                collect(each)
            for each in value if isinstance(value, list) else ():
                collect(each)

        collect(json.loads(body))
        return found
    message = _parsed(body)
    parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
    return [str(message["Subject"]), *(part.replace("\r\n", "\n") for part in parts)]


def _endless() -> Page:
    text = "&<>*`é" * 40_000
    made = transition(service=text)
    return Page(
        transition=made,
        key="k" * 3000,
        thread="t" * 3000,
        title=text,
        summary=text,
        asked=text,
        numbers=text,
        shares=[Share(f"field{n}", text, 0.5, 0.1) for n in range(500)],
        examples=[Example(0, text, text)] * 500,
        runbook=[text] * 500,
        search=text,
        notes=[text] * 500,
    )


@every
def test_a_page_without_end_is_cut(scene: Scene) -> None:
    """Whatever the records hold, a message stays within the limits of its service."""
    scene.alerter.notify(_endless(), None)

    body = scene.subject.bodies()[0]
    match scene.name:
        case "slack_webhook" | "slack_bot":
            told = json.loads(body)
            assert len(told["attachments"][0]["text"]) <= 3000
            assert len(body) <= 40_000
            scene.subject.structure(body)
        case "pagerduty":
            told = json.loads(body)
            assert len(told["payload"]["summary"]) <= 1024
            assert len(told["dedup_key"]) <= 255
            assert len(body.encode()) <= 512 * 1024
        case "pagerduty_incidents":
            assert len(json.loads(body)["incident"]["title"]) <= 1024
            assert len(body.encode()) <= 512 * 1024
        case "email":
            message = _parsed(body)
            html = message.get_body(("html",))
            assert html is not None
            assert len(str(message["Subject"])) <= 160
            assert len(html.get_content().encode()) <= 100_000
            assert len(body) <= 1_000_000
            assert all(len(line) <= 998 for line in body.splitlines())
        case _:
            assert len(body.encode()) <= 1_000_000


@every
def test_every_change_can_be_told(scene: Scene) -> None:
    """Each step of an incident reaches people, with what the step before gave back."""
    reference = scene.alerter.notify(page(), None)
    for change in (
        Change.REMINDED,
        Change.RESPONSE_DUE,
        Change.RESPONSE_BREACHED,
        Change.ACKNOWLEDGED,
        Change.RESOLUTION_DUE,
        Change.RESOLUTION_BREACHED,
        Change.RESOLVED,
    ):
        reference = scene.alerter.notify(page(change), reference)

    assert len(scene.subject.bodies()) >= 8
