"""A mail server (aiosmtpd) that keeps what it gets, and answers or misbehaves as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from socket import create_connection
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mails:
    """What arrived; `says` answers a recipient, `after` the mail itself, by a whole reply line."""

    got: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)
    after: str = "250 kept"
    hang: bool = False
    cut: bool = False
    drip: bool = False
    port: int = 0

    def read(self) -> list[EmailMessage]:
        """Return the mails, parsed."""
        return [BytesParser(EmailMessage, policy=default).parsebytes(each) for each in self.got]

    async def handle_RCPT(  # noqa: N802 -- name of the library
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        told = self.says.get(address, "250 ok")
        if told.startswith("2"):
            envelope.rcpt_tos.append(address)
        return told

    async def handle_DATA(  # noqa: N802 -- name of the library
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.hang:
            await asyncio.sleep(60)
        if self.drip:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.write(b"250 ")
            while not server.transport.is_closing():
                server.transport.write(b"z")
                await asyncio.sleep(0.2)
        if self.cut:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            return "250 never heard"
        if self.after.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.got.append(envelope.content)
            self.recipients.append(list(envelope.rcpt_tos))
        return self.after


class _Controller(Controller):
    """Takes any free port, and as long to start as a busy machine needs."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        with ExitStack() as stack:
            connection = stack.enter_context(create_connection(("127.0.0.1", self.port), 60))
            if self.ssl_context:
                anybody = ssl._create_unverified_context()
                connection = stack.enter_context(anybody.wrap_socket(connection))
            connection.recv(1024)


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None,
    *,
    starttls: bool = False,
    login: tuple[str, str] | None = None,
) -> Iterator[Mails]:
    """Run such a server: in clear text, with TLS from the start, or by STARTTLS."""
    mails = Mails()

    def check(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        tried = (data.login.decode(), data.password.decode())
        mails.logins.append(tried)
        return AuthResult(success=tried == login, handled=False)

    options: dict[str, Any] = {}
    if login is not None:
        options = {
            "authenticator": check,
            "auth_required": True,
        }
    controller = _Controller(
        mails,
        hostname="127.0.0.1",
        port=0,
        ready_timeout=60,
        ssl_context=None if starttls else tls,
        tls_context=tls if starttls else None,
        require_starttls=starttls,
        **options,
    )
    controller.start()
    mails.port = controller.port
    try:
        yield mails
    finally:
        controller.stop()
