"""
The connection to Elasticsearch that the output, the store and `shipper setup` share.

It uses the official client, with these guarantees: requests are not retried here (the caller
decides when), TLS is verified against the CA of the config only, and no secret or log line appears
in an error, a repr or a log of the client. Secrets and certificates are read from their files, and
again when they are refused, so a renewed one needs no restart.

The client is an extra, and its many methods take 10 MiB of memory. The output makes a single kind
of request, so it uses only the client's transport (`BareCluster`).
"""

from __future__ import annotations

import logging
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from shipper.config.outputs import ElasticsearchOutput, TlsOptions
from shipper.decoding import UNDECODABLE
from shipper.errors import ShipperError
from shipper.net.login import login_of

try:
    from elastic_transport import (
        ApiError,
        ConnectionTimeout,
        NodeConfig,
        SerializationError,
        Serializer,
        TlsError,
        Transport,
        TransportError,
        Urllib3HttpNode,
    )
    from urllib3 import HTTPSConnectionPool

    from shipper.net.bounded import BoundedHttp, BoundedHttps
except ModuleNotFoundError as error:
    raise ShipperError(
        "the client of Elasticsearch is not installed",
        "pip install 'orchestrator-shipper[elasticsearch]'",
    ) from error

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


class Closing(Protocol):
    """Something that holds connections."""

    def close(self) -> None:
        """Close them."""


Answer = TypeVar("Answer")
Client = TypeVar("Client", bound=Closing)

# It logs every request, and warns of what is raised here anyway.
logging.getLogger("elastic_transport").setLevel(logging.ERROR)

OPTIONS = "output.elasticsearch"
JSON = "application/vnd.elasticsearch+json"
NDJSON = "application/vnd.elasticsearch+x-ndjson"
VERSION = "compatible-with=9"
MOST_CONNECTIONS = 10  # of a node, that are remembered
MAX_REASON = 500  # characters; Elasticsearch may quote a lot


class ElasticFailure(Exception):  # noqa: N818 -- a failure is what it is
    """
    A request got no answer, or an error; `fault` says where and what, `remedy` what to do.

    `status` is the HTTP status, 0 without an answer; `kind` is Elasticsearch's type of error.
    """

    def __init__(self, fault: str, remedy: str = "", status: int = 0, kind: str = "") -> None:
        super().__init__(fault, remedy, status, kind)
        self.fault = fault
        self.remedy = remedy
        self.status = status
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.fault}; {self.remedy}" if self.remedy else self.fault


class _Nodes(ABC, Generic[Client]):
    """
    The nodes of the config, asked in turn.

    Raises:
        ShipperError: a file of the config cannot be used.
    """

    def __init__(self, output: ElasticsearchOutput) -> None:
        self._output = output
        self._login = login_of(output, OPTIONS)
        self._client = self._connect(output, self._login)

    @abstractmethod
    def _connect(self, output: ElasticsearchOutput, login: str) -> Client:
        """Return a new client; `login` is the value of the authorization header, "" for none."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._output.hosts)})"

    @property
    def name(self) -> str:
        """The first address, for messages."""
        return self._output.hosts[0]

    def ask(self, request: Callable[[Client], Answer]) -> Answer:
        """
        Make a request; repeat it once if its credentials were refused and have been renewed.

        Raises:
            ElasticFailure: there is no answer, or an error.
        """
        try:
            return self._ask_once(request)
        except ElasticFailure as failure:
            if failure.status != 401 or not self._renew():
                raise
        return self._ask_once(request)

    def _ask_once(self, request: Callable[[Client], Answer]) -> Answer:
        try:
            return request(self._client)
        except ApiError as error:
            raise self._refusal(error) from None
        except TransportError as error:
            if isinstance(error, TlsError):
                self._renew()
            raise ElasticFailure(*self._no_answer(error)) from None

    def _renew(self) -> bool:
        """Read the files again; return whether the credentials have changed."""
        before = self._login
        try:
            login = login_of(self._output, OPTIONS)
            client = self._connect(self._output, login)
        except ShipperError:
            return False  # being written, or gone: the first failure is the one to report
        self._client.close()
        self._client, self._login = client, login
        return login != before

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._client.close()

    def _refusal(self, error: ApiError) -> ElasticFailure:
        """Return the failure for an answer that is not a success."""
        status = error.meta.status
        kind, reason = error_of(error.body)
        fault = f"{_address(error.meta.node)} answered {status}"
        fault += f" ({kind}: {reason})" if kind else ""
        remedy = ""
        if 200 <= status < 300:
            remedy = "check that it is Elasticsearch"
        elif status == 401:
            remedy = f"correct {self._place_of_login()}"
        elif status == 403 and kind != "cluster_block_exception":
            remedy = "give the user or key the role that `shipper setup` creates"
        return ElasticFailure(fault, remedy, status, kind)

    def _place_of_login(self) -> str:
        output = self._output
        if output.api_key_file is not None:
            return f"the API key in {output.api_key_file}"
        if output.password_file is not None:
            return f"{OPTIONS}.username or the password in {output.password_file}"
        return f"{OPTIONS}: it has neither api_key_file nor username"

    def _no_answer(self, error: TransportError) -> tuple[str, str]:
        """Return fault and remedy of a request without an answer, by its first known cause."""
        # The node that failed has put its address into a note.
        url = next(iter(getattr(error, "__notes__", [])), ", ".join(self._output.hosts))
        if isinstance(error, ConnectionTimeout):
            return f"{url} did not answer within {self._output.request_seconds:g} s", ""
        if isinstance(error, SerializationError):
            return f"{url} sent an unreadable answer", "check that it is Elasticsearch"
        known = filter(None, map(_reason_of, _causes(error)))
        https = "use https://, if it wants TLS" if url.startswith("http:") else ""
        reason, remedy = next(known, ("the connection ended without an answer", https))
        return f"cannot reach {url}: {reason}", remedy


def error_of(body: Any) -> tuple[str, str]:
    """Return type and reason of the error in the body of an answer; empty if it has none."""
    if isinstance(body, bytes):
        try:
            body = msgspec.json.decode(body)
        except UNDECODABLE:
            return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return "error", error[:MAX_REASON]
    if not isinstance(error, dict):
        return "", ""
    kind, reason = error.get("type", "error"), error.get("reason", "")
    return str(kind)[:MAX_REASON], str(reason)[:MAX_REASON]


class _Node(Urllib3HttpNode):
    """A node of the client that logs no bodies, and notes its address in errors."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        is_tls = isinstance(self.pool, HTTPSConnectionPool)
        kind = BoundedHttps if is_tls else BoundedHttp
        self._connections: list[BoundedHttp | BoundedHttps] = []  # those that were made last

        def connected(**options: Any) -> BoundedHttp | BoundedHttps:
            made = kind(**options)
            self._connections = [*self._connections[1 - MOST_CONNECTIONS :], made]
            return made

        self.pool.ConnectionCls = connected  # type: ignore[assignment]
        if config.ssl_context is not None and isinstance(self.pool, HTTPSConnectionPool):
            self.pool.ca_certs = None  # or those of certifi are trusted too

    def interrupt(self) -> None:
        """End the connections on which another thread waits."""
        for connection in self._connections:
            connection.interrupt()

    def perform_request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; see Urllib3HttpNode."""
        try:
            return super().perform_request(*args, **kwargs)
        except TransportError as error:
            error.add_note(self.base_url)
            raise

    def _log_request(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing: bodies contain log lines."""


class Cluster(_Nodes["Elasticsearch"]):
    """The nodes, through the official client; with `raw`, bodies are bytes both ways."""

    def __init__(self, output: ElasticsearchOutput, *, raw: bool = False) -> None:
        self._raw = raw
        super().__init__(output)

    def _connect(self, output: ElasticsearchOutput, login: str) -> Elasticsearch:
        from elasticsearch import Elasticsearch  # noqa: PLC0415 -- 10 MiB

        options: dict[str, Any] = {}
        if self._raw:
            plain = ("application/json", "application/x-ndjson")  # it adds the versioned ones
            options["serializers"] = dict.fromkeys(plain, _Bytes())
        return Elasticsearch(
            [_node(url, output.tls) for url in output.hosts],
            node_class=_Node,
            max_retries=0,
            retry_on_timeout=False,
            request_timeout=output.request_seconds,
            headers={"authorization": login} if login else {},
            **options,
        )

    def interrupt(self) -> None:
        """End the requests of other threads; Elasticsearch ends a search with its connection."""
        for node in self._client.transport.node_pool.all():
            if isinstance(node, _Node):
                node.interrupt()

    def request(
        self, method: str, target: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """
        Send a request; return the body of the answer.

        Raises:
            ElasticFailure: there is no answer, or an error.
        """
        headers = {"accept": "application/json", "content-type": content_type}
        answer = self.ask(
            lambda client: client.perform_request(method, target, headers=headers, body=body)
        )
        return answer.body


class Bare:
    """Makes requests whose bodies are bytes both ways; `headers` are sent with each."""

    def __init__(self, transport: Transport, headers: dict[str, str], seconds: float) -> None:
        self._transport = transport
        self._headers = headers
        self._seconds = seconds

    def post(self, target: str, body: bytes, headers: dict[str, str]) -> bytes:
        """Return the body of the answer; raise the errors of the client."""
        meta, answer = self._transport.perform_request(
            "POST",
            target,
            body=body,
            headers={**self._headers, **headers},
            request_timeout=self._seconds,
        )
        product = meta.headers.get("x-elastic-product")
        if not 200 <= meta.status < 300 or product != "Elasticsearch":
            raise ApiError(str(meta.status), meta, answer)
        content: bytes = answer
        return content

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class BareCluster(_Nodes[Bare]):
    """The nodes, through the transport of the official client."""

    def _connect(self, output: ElasticsearchOutput, login: str) -> Bare:
        transport = Transport(
            [_node(url, output.tls) for url in output.hosts],
            node_class=_Node,
            max_retries=0,
            serializers=dict.fromkeys((JSON, NDJSON, "text/*", "application/json"), _Bytes()),
        )
        headers = {"accept": f"{JSON}; {VERSION}", "content-type": f"{NDJSON}; {VERSION}"}
        if login:
            headers["authorization"] = login
        return Bare(transport, headers, output.request_seconds)


class _Bytes(Serializer):
    """Passes bodies unchanged."""

    def loads(self, data: bytes) -> bytes:
        """Return the body of an answer."""
        return data

    def dumps(self, data: bytes) -> bytes:
        """Return the body of a request."""
        return data


def _node(url: str, tls: TlsOptions) -> NodeConfig:
    parts = urlsplit(url)
    assert parts.hostname is not None, "checked by the config"
    assert parts.port is not None, "checked by the config"
    options: dict[str, Any] = {}
    if parts.scheme == "https" and tls.verify:
        options = {"ssl_context": _context(tls)}
    elif parts.scheme == "https":
        options = {"verify_certs": False, "ssl_show_warn": False}
        if tls.certificate is not None:
            options |= {"client_cert": str(tls.certificate), "client_key": str(tls.key)}
    return NodeConfig(
        parts.scheme, parts.hostname, parts.port, path_prefix=parts.path.rstrip("/"), **options
    )


def _context(tls: TlsOptions) -> ssl.SSLContext:
    """Return a context that trusts the CA of the config only, or else those of this machine."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password="")  # never ask for one
    except OSError as error:
        paths = ", ".join(str(path) for path in (tls.ca, tls.certificate, tls.key) if path)
        reason = error.strerror or "not PEM"
        raise ShipperError(f"cannot use {paths}: {reason}", f"see {OPTIONS}.tls") from error
    return context


def _reason_of(cause: BaseException) -> tuple[str, str] | None:
    """Return fault and remedy of a cause; None if it says nothing."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.rstrip(".")
        return f"its certificate is not trusted: {reason}", f"see {OPTIONS}.tls"
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or str(cause)).replace("_", " ").lower()
        return f"the TLS handshake failed: {reason}", f"see {OPTIONS}.tls"
    if isinstance(cause, socket.gaierror):
        return f"the name cannot be resolved: {cause.strerror}", f"correct {OPTIONS}.hosts"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror, ""
    return None


def _causes(error: BaseException) -> list[BaseException]:
    """Return the causes of an error, each once, nearest first."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each in found:
            continue
        found.append(each)
        behind = [*getattr(each, "errors", ()), getattr(each, "reason", None)]
        behind += [each.__cause__, each.__context__]
        waiting += [cause for cause in behind if isinstance(cause, BaseException)]
    return found


def _address(node: NodeConfig) -> str:
    host = f"[{node.host}]" if ":" in node.host else node.host
    return f"{node.scheme}://{host}:{node.port}{node.path_prefix}"
