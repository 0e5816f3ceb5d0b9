"""The access middleware: one record for each request, whatever the application or client does."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException

from shipper import emit
from shipper.emit.access import App, Message, Receive, Scope, Send
from tests.emit.emit_files import count_from_zero, handler_for, logging_put_back, read


class Log:
    """What the middleware and the application logged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self, logger: str = "automation_orchestrator.access") -> list[dict[str, Any]]:
        records = read(self._path) if self._path.exists() else []
        return [record for record in records if record["logger"] == logger]

    def record(self) -> dict[str, Any]:
        (record,) = self.records()
        return record


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with logging_put_back():
        logger = logging.getLogger("automation_orchestrator")
        logger.handlers[:] = [handler_for(tmp_path / "app.log")]
        logger.setLevel(logging.INFO)
        yield Log(tmp_path / "app.log")


def answering(status: int = 200, *chunks: bytes) -> App:
    """Make an application that answers everything the same."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def ask(
    app: object, path: str = "/", *, headers: object = None, client: object = ("192.0.2.1", 1)
) -> httpx.Response:
    """Send one GET request; an exception of the application is raised here."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=client)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.get(path, headers=headers)  # type: ignore[arg-type]

    return asyncio.run(send())


def serve(app: App, scope: Scope, received: list[Message]) -> list[Message]:
    """Serve one connection by hand; returns what was sent, an exception of the application too."""
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async def connection() -> None:
        try:
            await app(scope, receive, send)
        except BaseException as error:  # noqa: BLE001 - the test asks for it
            sent.append({"type": "raised", "error": error})

    asyncio.run(connection())
    return sent


def http_scope(**others: Any) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/workflows",
        "headers": [],
        "client": ("192.0.2.1", 50000),
        **others,
    }


def test_the_fields_of_an_access_record(log: Log) -> None:
    """Who asked what, how it was answered and how long that took."""
    app = emit.AccessLogMiddleware(answering(200, b"a", b"b"))
    answer = ask(app, "/api/x?token=secret", headers={"User-Agent": "curl/8"})
    record = log.record()

    assert answer.content == b"ab"
    assert (
        record.items()
        >= {
            "level": "INFO",
            "message": "GET /api/x 200",
            "method": "GET",
            "path": "/api/x",
            "status_code": 200,
            "client_ip": "192.0.2.1",
            "user_agent": "curl/8",
        }.items()
    )
    assert 0 < record["duration_ms"] < 5000
    assert "secret" not in str(record)
    assert not {"route", "error_type"} & set(record)


def test_a_valid_request_id_is_kept(log: Log) -> None:
    """It is answered, logged, and on every record of the request, also from a thread."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        logger = logging.getLogger("automation_orchestrator.workflows")
        await asyncio.to_thread(logger.info, "inside")
        await answering()(scope, receive, send)

    answer = ask(emit.AccessLogMiddleware(app), headers={"X-Request-ID": "req_abc.1-2"})

    assert answer.headers.get_list("x-request-id") == ["req_abc.1-2"]
    assert log.record()["request_id"] == "req_abc.1-2"
    assert log.records("automation_orchestrator.workflows")[0]["request_id"] == "req_abc.1-2"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Request-ID", "")],
        [("X-Request-ID", "x" * 129)],
        [("X-Request-ID", "a b")],
        [("X-Request-ID", "<script>")],
        [("X-Request-ID", "a"), ("X-Request-ID", "b")],
    ],
)
def test_any_other_request_id_is_made(log: Log, headers: list[tuple[str, str]]) -> None:
    """What a client sends is believed only if it is short and plain."""
    answer = ask(emit.AccessLogMiddleware(answering()), headers=headers)

    assert re.fullmatch("req_[0-9a-f]{24}", answer.headers["x-request-id"])
    assert log.record()["request_id"] == answer.headers["x-request-id"]


def test_the_answer_has_one_request_id(log: Log) -> None:
    """An application's own X-Request-ID gives way to the one that is in the logs."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"X-Request-Id", b"other"), (b"x-kept", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    answer = ask(emit.AccessLogMiddleware(app), headers={"X-Request-ID": "mine"})

    assert answer.headers.get_list("x-request-id") == ["mine"]
    assert answer.headers["x-kept"] == "1"


def test_nothing_stays_bound_after_a_request(log: Log) -> None:
    """The next record of the same task has no request id."""

    async def two() -> None:
        transport = httpx.ASGITransport(app=emit.AccessLogMiddleware(answering()))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            await http.get("/")
        logging.getLogger("automation_orchestrator.worker").info("later")

    asyncio.run(two())

    assert "request_id" not in log.records("automation_orchestrator.worker")[0]


def test_an_exception_is_a_500_and_raised_again(log: Log) -> None:
    """The server must answer it; its own record of it carries the request id."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("database")

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await emit.AccessLogMiddleware(broken)(scope, receive, send)
        except TimeoutError:
            logging.getLogger("automation_orchestrator.server").exception("Exception in ASGI")

    serve(server, http_scope(), [])
    record = log.record()

    assert (record["status_code"], record["error_type"]) == (500, "TimeoutError")
    (seen_by_server,) = log.records("automation_orchestrator.server")
    assert seen_by_server["request_id"] == record["request_id"]
    assert seen_by_server["error_type"] == "TimeoutError"


def test_an_exception_after_the_start_keeps_the_status_that_was_sent(log: Log) -> None:
    """The client saw 200; the record says that the answer broke off."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ValueError("half-way")

    *_, last = serve(emit.AccessLogMiddleware(broken), http_scope(), [])
    record = log.record()

    assert isinstance(last["error"], ValueError)
    assert (record["status_code"], record["error_type"]) == (200, "ValueError")


def test_a_500_of_the_framework_names_the_exception(log: Log) -> None:
    """Around a whole FastAPI application: the 500 it sends has the id, the record the reason."""
    app = FastAPI()

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    (start, _, raised) = serve(
        emit.AccessLogMiddleware(app),
        http_scope(method="GET", path="/broken", query_string=b""),
        [],
    )
    record = log.record()

    assert start["status"] == 500
    assert (b"x-request-id", record["request_id"].encode()) in start["headers"]
    assert isinstance(raised["error"], ZeroDivisionError)
    assert (record["status_code"], record["error_type"]) == (500, "ZeroDivisionError")


def test_a_failing_background_task_is_not_the_requests_failure(log: Log) -> None:
    """The record is written when the answer is complete, without waiting for what comes after."""
    seen_by_task: list[int] = []

    def task() -> None:
        seen_by_task.append(len(log.records()))
        raise ValueError("later")

    app = FastAPI()

    @app.get("/")
    async def start(tasks: BackgroundTasks) -> None:
        tasks.add_task(task)

    with pytest.raises(ValueError, match="later"):
        ask(emit.AccessLogMiddleware(app))

    assert seen_by_task == [1]
    assert log.record()["status_code"] == 200
    assert "error_type" not in log.record()


async def wait_for_client(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def answer_until_the_client_leaves(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await receive()


async def forget_to_answer(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def be_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("app", "status", "error_type"),
    [
        (wait_for_client, 499, "ClientDisconnect"),
        (answer_until_the_client_leaves, 200, "ClientDisconnect"),
        (forget_to_answer, 500, "IncompleteResponse"),
        (be_cancelled, 500, "CancelledError"),
    ],
)
def test_requests_without_a_whole_answer(log: Log, app: App, status: int, error_type: str) -> None:
    """Every request has its record; who did not finish is named."""
    serve(emit.AccessLogMiddleware(app), http_scope(), [{"type": "http.disconnect"}])
    record = log.record()

    assert (record["status_code"], record["error_type"]) == (status, error_type)
    assert record["message"] == f"POST /api/workflows {status}"


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_connections_pass_through(log: Log, kind: str) -> None:
    """Websockets and lifespan events are untouched and not logged."""
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((scope, receive, send))

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    scope: Scope = {"type": kind}
    asyncio.run(emit.AccessLogMiddleware(app)(scope, receive, send))

    assert seen == [scope, receive, send]
    assert log.records() == []


def templated() -> FastAPI:
    """Make an application with routes of its own, of a router with a prefix, and of a mount."""
    router = APIRouter(prefix="/workflows")

    @router.get("/{workflow_id}")
    async def workflow(workflow_id: int) -> int:
        return workflow_id

    mounted = FastAPI()

    @mounted.get("/reports/{name}")
    async def report(name: str) -> str:
        return name

    app = FastAPI()
    app.include_router(router, prefix="/api")
    app.mount("/admin", mounted)

    @app.get("/items/{item}")
    async def item(item: str) -> str:
        raise HTTPException(404)

    return app


@pytest.mark.parametrize("wrap", ["outside", "added"])
@pytest.mark.parametrize(
    ("path", "status", "route"),
    [
        ("/items/7", 404, "/items/{item}"),
        ("/api/workflows/7", 200, "/api/workflows/{workflow_id}"),
        ("/api/workflows/x", 422, "/api/workflows/{workflow_id}"),
        ("/admin/reports/sales", 200, "/admin/reports/{name}"),
        ("/nowhere", 404, None),
    ],
)
def test_the_route_template(log: Log, wrap: str, path: str, status: int, route: str | None) -> None:
    """The template is the whole one that a person would name, left out where nothing matched."""
    app: Any = templated()
    if wrap == "added":
        app.add_middleware(emit.AccessLogMiddleware)
    else:
        app = emit.AccessLogMiddleware(app)
    ask(app, path)
    record = log.record()

    assert (record["status_code"], record.get("route"), record["path"]) == (status, route, path)


@pytest.mark.parametrize(
    ("client", "forwarded", "client_ip"),
    [
        (("203.0.113.9", 1), "198.51.100.1", "203.0.113.9"),
        (("10.0.0.1", 1), "198.51.100.1", "198.51.100.1"),
        (("10.0.0.1", 1), "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (("10.0.0.1", 1), "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (("10.0.0.1", 1), "<script>, 10.0.0.2", "10.0.0.2"),
        (("10.0.0.1", 1), "", "10.0.0.1"),
        (("::1", 1), "2001:db8::1", "2001:db8::1"),
        (("unix", 0), "198.51.100.1", "unix"),
        (None, "198.51.100.1", "198.51.100.1"),
        (None, "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (None, "", None),
        (None, "unknown", None),
        (("10.0.0.1", 1), "198.51.100.1:5555", "198.51.100.1"),
        (("10.0.0.1", 1), "[2001:db8::1]:443, 10.0.0.2:80", "2001:db8::1"),
        (("10.0.0.1", 1), '"[2001:db8::1]"', "2001:db8::1"),
        (("::ffff:10.0.0.1", 1), "198.51.100.1", "198.51.100.1"),
        (("10.0.0.1", 1), "::ffff:198.51.100.1", "198.51.100.1"),
        (("10.0.0.1", 1), "198.51.100.1:x", "10.0.0.1"),
    ],
)
def test_forwarded_addresses_are_believed_only_from_trusted_proxies(
    log: Log, client: object, forwarded: str, client_ip: str | None
) -> None:
    """The client is the nearest address that is no proxy of ours; the rest anyone can claim."""
    app = emit.AccessLogMiddleware(answering(), trusted_proxies=["10.0.0.0/8", "::1"])
    serve(app, http_scope(client=client, headers=[(b"x-forwarded-for", forwarded.encode())]), [])

    assert log.record().get("client_ip") == client_ip


def test_without_trusted_proxies_the_header_is_ignored(log: Log) -> None:
    """By default nobody can choose the address that is logged for him."""
    ask(emit.AccessLogMiddleware(answering()), headers={"X-Forwarded-For": "198.51.100.1"})

    assert log.record()["client_ip"] == "192.0.2.1"


def test_without_trusted_proxies_a_unix_socket_has_no_address(log: Log) -> None:
    """Nor is the header believed there, unless it is asked for."""
    headers = [(b"x-forwarded-for", b"198.51.100.1")]
    serve(emit.AccessLogMiddleware(answering()), http_scope(client=None, headers=headers), [])

    assert "client_ip" not in log.record()


def test_a_trusted_proxy_must_be_an_address() -> None:
    """A typing error shows at the start, not as wrong addresses in the log."""
    with pytest.raises(ValueError, match=r"proxy\.local"):
        emit.AccessLogMiddleware(answering(), trusted_proxies=["proxy.local"])


def test_what_a_client_chooses_is_bounded(log: Log) -> None:
    """Long paths and agents are cut, and any bytes make a valid record."""
    headers = [(b"user-agent", b"\xff\n" * 5000)]
    serve(emit.AccessLogMiddleware(answering()), http_scope(path="/" * 9999, headers=headers), [])
    record = log.record()

    assert len(record["path"]) == 2048
    assert record["user_agent"] == "\xff\n" * 128


class Failing(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("handler")


def test_a_failing_logger_does_not_break_the_request(log: Log) -> None:
    """Whatever logging does, the client has its answer; the failure is counted."""
    count_from_zero()
    logging.getLogger("automation_orchestrator").handlers[:] = [Failing()]
    answer = ask(emit.AccessLogMiddleware(answering(200, b"fine")))

    assert answer.content == b"fine"
    assert emit.failures() == {"logger": 1}
